// Python's lock, taken and given up by scope, in a process that may end meanwhile.
//
//   { const ReleaseGil without_gil;  work(); }
//   { const AcquireGil gil;  ... }
//   WithGil([&] { return callable(); });        // where Python code runs while the program may end
//
// Before Python 3.14 a daemon thread (all of Dask's are) that wants the lock while the interpreter
// ends is ended by pthread_exit, which unwinds its stack. Destructors and the engine do not let
// that pass: the process would abort with "terminate called without an active exception". So the
// unwinding is caught where it comes from, and the thread stays there for good, as newer Pythons
// have it. Python code that the command `ramet` runs needs AcquireGil alone: its main thread waits.
#pragma once

#include <cxxabi.h>
#include <nanobind/nanobind.h>
#include <unistd.h>

#include <utility>

namespace ramet::bindings {

namespace internal {
[[noreturn]] inline void StayForGood() {
  for (;;) pause();
}
}  // namespace internal

class ReleaseGil {
 public:
  ReleaseGil() : state_(PyEval_SaveThread()) {}
  ~ReleaseGil() {
    try {
      PyEval_RestoreThread(state_);
    } catch (...) {  // C throws nothing else
      internal::StayForGood();
    }
  }
  ReleaseGil(const ReleaseGil&) = delete;
  ReleaseGil& operator=(const ReleaseGil&) = delete;

 private:
  PyThreadState* state_;
};

class AcquireGil {
 public:
  AcquireGil() {
    try {
      state_ = PyGILState_Ensure();
    } catch (...) {
      internal::StayForGood();
    }
  }
  ~AcquireGil() { PyGILState_Release(state_); }
  AcquireGil(const AcquireGil&) = delete;
  AcquireGil& operator=(const AcquireGil&) = delete;

 private:
  PyGILState_STATE state_;
};

// What function() returns, called under the GIL.
template <class Function>
auto WithGil(Function&& function) -> decltype(function()) {
  const AcquireGil gil;
#if defined(__GLIBCXX__)
  try {
    return std::forward<Function>(function)();
  } catch (const abi::__forced_unwind&) {
    internal::StayForGood();
  }
#else
  return std::forward<Function>(function)();
#endif
}

}  // namespace ramet::bindings
