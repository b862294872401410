#include "stream.h"

#include <cerrno>
#include <new>
#include <stdexcept>

#include "gil.h"
#include "ramet/table/arrow_c.h"

namespace ramet::bindings {
namespace {

// The type lives as long as the process.
PyObject* usage_error = nullptr;

template <class T>
T* PointerOf(nb::handle capsule, const char* name) {
  void* const pointer = PyCapsule_GetPointer(capsule.ptr(), name);
  if (pointer == nullptr) throw nb::python_error();
  return static_cast<T*>(pointer);
}

// Moves an Arrow structure out of its capsule, which then has nothing to release.
template <class T>
void Move(nb::handle capsule, const char* name, T* out) {
  T* const owned = PointerOf<T>(capsule, name);
  *out = *owned;
  owned->release = nullptr;
}

// What stands behind the C interface.
struct Batches {
  nb::object schema, iterator;
  std::string error;

  // 0, or the interface's error number, with the error's words kept. `call` runs with the GIL.
  template <class Call>
  int Guard(const Call& call) {
    const AcquireGil gil;
    try {
      call();
      return 0;
    } catch (nb::python_error& exception) {
      try {
        const Error known = ToError(exception);
        error = known.message;
        return known.code == ErrorCode::kIo          ? EIO
               : known.code == ErrorCode::kCancelled ? ECANCELED
                                                     : EINVAL;
      } catch (const std::exception& unknown) {
        error = unknown.what();
        return EINVAL;
      }
    }
  }

  static Batches& Of(ArrowArrayStream* stream) {
    return *static_cast<Batches*>(stream->private_data);
  }
  static int GetSchema(ArrowArrayStream* stream, ArrowSchema* out) {
    Batches& self = Of(stream);
    return self.Guard([&] { Move(self.schema.attr("__arrow_c_schema__")(), "arrow_schema", out); });
  }
  static int GetNext(ArrowArrayStream* stream, ArrowArray* out) {
    Batches& self = Of(stream);
    return self.Guard([&] {
      *out = {};
      const nb::object batch = nb::steal(PyIter_Next(self.iterator.ptr()));
      if (!batch.is_valid()) {
        if (PyErr_Occurred() != nullptr) throw nb::python_error();
        return;
      }
      const nb::object capsules = batch.attr("__arrow_c_array__")();
      Move(capsules[1], "arrow_array", out);
    });
  }
  static const char* GetLastError(ArrowArrayStream* stream) { return Of(stream).error.c_str(); }
  static void Release(ArrowArrayStream* stream) {
    const AcquireGil gil;
    delete static_cast<Batches*>(stream->private_data);
    stream->release = nullptr;
  }
};

}  // namespace

Error ToError(nb::python_error& exception) {
  const std::string message = nb::cast<std::string>(nb::str(exception.value()));
  if (exception.matches(usage_error)) return InvalidArgument(message);
  if (exception.matches(PyExc_KeyboardInterrupt)) return CancelledError(message);
  if (exception.matches(PyExc_OSError)) return IoError(message);
  if (exception.matches(PyExc_ValueError)) return DataError(message);
  if (exception.matches(PyExc_MemoryError)) throw std::bad_alloc();
  throw std::runtime_error(exception.what());
}

void RaiseReading(const Error& error) {
  if (error.code == ErrorCode::kInvalidArgument) Raise(usage_error, error.message);
  Raise(error);
}

void AddUsageError(nb::module_& module) {
  usage_error = PyErr_NewExceptionWithDoc("ramet._core.UsageError", "What was asked for cannot be.",
                                          PyExc_ValueError, nullptr);
  module.attr("UsageError") = nb::borrow(usage_error);
}

Result<TableStream> StreamOf(nb::object batches) {
  ArrowArrayStream stream = {};
  const nb::object iterator = nb::steal(PyObject_GetIter(batches.ptr()));
  if (!iterator.is_valid()) throw nb::python_error();
  stream.get_schema = Batches::GetSchema;
  stream.get_next = Batches::GetNext;
  stream.get_last_error = Batches::GetLastError;
  stream.release = Batches::Release;
  stream.private_data = new Batches{batches.attr("schema"), iterator, {}};
  return TableStream::Import(&stream);
}

}  // namespace ramet::bindings
