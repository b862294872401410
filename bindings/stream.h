// Python's record batches as an Arrow stream.
#pragma once

#include "module.h"

namespace ramet::bindings {

// A Python exception as the engine's error: UsageError is kInvalidArgument, OSError kIo,
// KeyboardInterrupt kCancelled, ValueError kData; what is none of these is a bug, and thrown as
// std::runtime_error. With the GIL.
Error ToError(nb::python_error& exception);
// The other way round: UsageError, OSError, ValueError.
[[noreturn]] void RaiseReading(const Error& error);
void AddUsageError(nb::module_& module);

// `batches` has a `schema` with __arrow_c_schema__ and iterates over record batches with
// __arrow_c_array__. Its errors come out of the stream in their own words. With the GIL.
Result<TableStream> StreamOf(nb::object batches);

}  // namespace ramet::bindings
