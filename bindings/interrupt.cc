#include "interrupt.h"

#include <chrono>
#include <thread>

namespace ramet::bindings {
namespace {

constexpr std::chrono::milliseconds kBetweenLooks{50};

}  // namespace

void Interruptible::RunOnThread(FunctionRef<void()> work) {
  std::mutex mutex;
  std::condition_variable finished;
  bool done = false;
  std::exception_ptr failure;
  nb::gil_scoped_release without_gil;
  std::thread engine([&] {
    try {
      work();
    } catch (...) {
      failure = std::current_exception();
    }
    const std::lock_guard lock(mutex);
    done = true;
    finished.notify_one();
  });
  while (true) {
    {
      std::unique_lock lock(mutex);
      if (finished.wait_for(lock, kBetweenLooks, [&] { return done; })) break;
    }
    const nb::gil_scoped_acquire gil;
    // Only Python's main thread hears signals; on others this does nothing.
    if (PyErr_CheckSignals() != 0) Stop(nb::python_error());
  }
  engine.join();
  if (failure) std::rethrow_exception(failure);
}

void Interruptible::Stop(nb::python_error error) {
  if (!exception_) exception_.emplace(std::move(error));
  cancelled_.store(true);
}

}  // namespace ramet::bindings
