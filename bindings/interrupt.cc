#include "interrupt.h"

#include <chrono>
#include <future>

namespace ramet::bindings {
namespace {

constexpr std::chrono::milliseconds kBetweenLooks{50};

}  // namespace

void Interruptible::RunOnThread(FunctionRef<void()> work) {
  const ReleaseGil without_gil;
  std::future<void> engine = std::async(std::launch::async, [&] { work(); });
  while (engine.wait_for(kBetweenLooks) != std::future_status::ready) {
    const AcquireGil gil;
    // Only Python's main thread hears signals; on others this does nothing.
    if (PyErr_CheckSignals() != 0) Stop(nb::python_error());
  }
  engine.get();
}

void Interruptible::Stop(nb::python_error error) {
  if (!exception_) exception_.emplace(std::move(error));
  cancelled_.store(true);
}

}  // namespace ramet::bindings
