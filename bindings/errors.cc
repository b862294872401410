#include "errors.h"

#include <filesystem>

namespace ramet::bindings {

void Raise(PyObject* type, const std::string& message) {
  PyErr_SetString(type, message.c_str());
  throw nb::python_error();
}

void Raise(const Error& error) {
  PyObject* type = PyExc_ValueError;
  if (error.code == ErrorCode::kIo) type = PyExc_OSError;
  if (error.code == ErrorCode::kCancelled) type = PyExc_KeyboardInterrupt;
  Raise(type, error.message);
}

void RaiseForPath(const Error& error, const std::string& path, bool writes) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  const fs::path folder = fs::path(path).parent_path();
  const bool missing =
      writes ? !folder.empty() && !fs::exists(folder, ignored) : !fs::exists(path, ignored);
  if (error.code == ErrorCode::kIo && missing) Raise(PyExc_FileNotFoundError, error.message);
  Raise(error);
}

}  // namespace ramet::bindings
