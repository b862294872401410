// Loops on all threads of a context. Results never depend on how the work was divided.
//
//   RunOnThreads(context, [&] {
//     ParallelFor(0, rows, kRowsPerTask, [&](size_t begin, size_t end) { ... });
//   });
//
// RunOnThreads is called once, at the border of a public function; ParallelFor inside it may nest.
// Work is stolen in small pieces (oneTBB), so that a busy neighbour on one core does not hold up
// the others. Every piece runs under IEEE floating-point defaults. Exceptions of a piece are
// rethrown to the caller.
//
// One thread means the caller's, without any of oneTBB. So does a process forked from one that had
// started threads, which are not there any more: it works alone, with the same results.
#pragma once

#include <cstddef>
#include <functional>
#include <type_traits>
#include <utility>

#include "ramet/parallel/context.h"

namespace ramet {

// A reference to a callable, without ownership or allocation.
template <class Signature>
class FunctionRef;
template <class R, class... Args>
class FunctionRef<R(Args...)> {
 public:
  template <class F, class = std::enable_if_t<!std::is_same_v<std::remove_cvref_t<F>, FunctionRef>>>
  FunctionRef(F&& f)  // NOLINT: implicit by design
      : object_(const_cast<void*>(static_cast<const void*>(&f))),
        call_([](void* object, Args... args) -> R {
          return (*static_cast<std::remove_reference_t<F>*>(object))(std::forward<Args>(args)...);
        }) {}
  R operator()(Args... args) const { return call_(object_, std::forward<Args>(args)...); }

 private:
  void* object_;
  R (*call_)(void*, Args...);
};

void RunOnThreads(const Context& context, FunctionRef<void()> body);

// Calls body(begin, end) for pieces of [begin, end) of `grain` elements (the last may be shorter).
// Piece borders are at begin + k * grain, whatever the number of threads.
void ParallelFor(size_t begin, size_t end, size_t grain, FunctionRef<void(size_t, size_t)> body);

// Runs two pieces of work, maybe at once.
void ParallelInvoke(FunctionRef<void()> first, FunctionRef<void()> second);

// Combines the partial results of pieces. `combine(into, from)` must be associative and commutative
// (exact sums, maxima), because the grouping depends on who stole what.
template <class T>
T ParallelReduce(size_t begin, size_t end, size_t grain, const T& identity,
                 std::type_identity_t<FunctionRef<void(T&, size_t, size_t)>> body,
                 std::type_identity_t<FunctionRef<void(T&, const T&)>> combine);

}  // namespace ramet

#include "ramet/parallel/reduce-inl.h"
