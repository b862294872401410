// Failures across the border: the engine's Error becomes the exception that Python people expect.
//
//   kInvalidArgument, kData -> ValueError      kIo -> OSError (FileNotFoundError where a file is
//   not there) kCancelled -> KeyboardInterrupt
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>  // here, so that all files convert strings alike

#include <string>
#include <utility>

#include "ramet/base/result.h"

namespace ramet::bindings {

namespace nb = nanobind;

// All need the GIL.
[[noreturn]] void Raise(PyObject* type, const std::string& message);
[[noreturn]] void Raise(const Error& error);
// The error of an operation on `path`: FileNotFoundError where the file, or the folder that it
// should be written into, is not there.
[[noreturn]] void RaiseForPath(const Error& error, const std::string& path, bool writes);

inline void OkOrRaise(Status status) {
  if (!status.ok()) Raise(status.error());
}
template <class T>
T ValueOrRaise(Result<T> result) {
  if (!result.ok()) Raise(result.error());
  return *std::move(result);
}

}  // namespace ramet::bindings
