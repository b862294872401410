// Long work that Ctrl-C stops: the engine runs on a thread of its own, while the calling thread
// waits without the GIL and now and then asks Python whether a signal has come.
//
//   Interruptible run(context);
//   auto result = run.Wait([&](const Context& context) { return Train(context, …); });
//   run.RaiseIfStopped();
//
// Callbacks run on the engine's thread, inside Interruptible::Call, which takes the GIL; what they
// raise stops the run too and is raised by RaiseIfStopped.
#pragma once

#include <nanobind/nanobind.h>

#include <atomic>
#include <optional>
#include <utility>

#include "errors.h"
#include "gil.h"
#include "ramet/parallel/context.h"
#include "ramet/parallel/parallel.h"

namespace ramet::bindings {

class Interruptible {
 public:
  explicit Interruptible(const Context& context) : Interruptible(context, own_flag_) {}
  // `stop` takes the place of the own flag: that of a collective, which ends the run too.
  Interruptible(const Context& context, std::atomic<bool>& stop)
      : context_(context), cancelled_(stop) {
    context_.cancelled = &cancelled_;
  }
  Interruptible(const Interruptible&) = delete;
  Interruptible& operator=(const Interruptible&) = delete;

  // The result of work(context), which sees the context's cancellation. Called with the GIL; work
  // runs without it. A C++ exception of the work is rethrown.
  template <class Work>
  auto Wait(Work&& work) {
    std::optional<decltype(work(context_))> result;
    RunOnThread([&] { result.emplace(work(context_)); });
    return *std::move(result);
  }

  // From the work: call() under the GIL. An error of kCancelled if it raised, or the run is
  // stopped already.
  template <class Function>
  auto Call(Function&& call) -> Result<decltype(call())> {
    if (cancelled_.load()) return CancelledError("stopped");
    return WithGil([&]() -> Result<decltype(call())> {
      try {
        return call();
      } catch (nb::python_error& error) {
        Stop(std::move(error));
      } catch (const nb::cast_error&) {
        PyErr_SetString(PyExc_TypeError, "a callback returned a value of another type");
        Stop(nb::python_error());
      }
      return CancelledError("stopped by an exception of a callback");
    });
  }

  // The exception that stopped the run, if one did.
  bool stopped() const { return exception_.has_value(); }
  nb::python_error& exception() { return *exception_; }
  void RaiseIfStopped() {
    if (exception_) throw nb::python_error(*exception_);
  }

 private:
  void RunOnThread(FunctionRef<void()> work);
  // Under the GIL. The first exception is kept.
  void Stop(nb::python_error error);

  Context context_;
  std::atomic<bool> own_flag_{false};
  std::atomic<bool>& cancelled_;
  std::optional<nb::python_error> exception_;
};

}  // namespace ramet::bindings
