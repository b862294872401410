#include "ramet/parallel/parallel.h"

#include <pthread.h>
#include <tbb/blocked_range.h>
#include <tbb/global_control.h>
#include <tbb/info.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <optional>
#include <utility>

#include "ramet/base/fpu.h"

#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace ramet {
namespace {

// Tells ThreadSanitizer what oneTBB, which is not built with it, guarantees: what the caller did
// before the loop happens before every piece, and every piece before what the caller does after it.
// Nothing is said between pieces.
class LoopOrder {
 public:
#if defined(__SANITIZE_THREAD__)
  LoopOrder() { __tsan_release(&fork_); }
  ~LoopOrder() { __tsan_acquire(&join_); }
  void BeginPiece() { __tsan_acquire(&fork_); }
  void EndPiece() { __tsan_release(&join_); }

 private:
  char fork_ = 0, join_ = 0;
#else
  ~LoopOrder() {}
  void BeginPiece() {}
  void EndPiece() {}
#endif
};

// Around the work that one thread does at a stretch: IEEE arithmetic, in the order above, also if
// it throws.
class PieceScope {
 public:
  explicit PieceScope(LoopOrder& order) : order_(order) { order_.BeginPiece(); }
  ~PieceScope() { order_.EndPiece(); }
  PieceScope(const PieceScope&) = delete;
  PieceScope& operator=(const PieceScope&) = delete;

 private:
  LoopOrder& order_;
  FloatingPointGuard guard_;
};

// The first exception of work that threads share. None crosses oneTBB, which may have a C++ runtime
// of its own.
class Failure {
 public:
  template <class Work>
  void Catch(const Work& work) noexcept {
    try {
      work();
    } catch (...) {
      if (claimed_.exchange(true)) return;
      exception_ = std::current_exception();
      there_.store(true, std::memory_order_release);
    }
  }
  bool claimed() const { return claimed_.load(std::memory_order_relaxed); }
  // Once all work has ended.
  void Rethrow() const {
    if (there_.load(std::memory_order_acquire)) std::rethrow_exception(exception_);
  }

 private:
  std::atomic<bool> claimed_{false}, there_{false};
  std::exception_ptr exception_;
};

// A loop as the caller wrote it, and the order of its pieces.
class Loop {
 public:
  Loop(size_t begin, size_t end, size_t grain, FunctionRef<void(size_t, size_t)> body)
      : begin_(begin), end_(end), grain_(grain), body_(body) {}

  void RunPieces(size_t first, size_t last) {
    const PieceScope scope(order_);
    failure_.Catch([&] {
      for (size_t piece = first; piece != last && !failure_.claimed(); ++piece) {
        const size_t piece_begin = begin_ + piece * grain_;
        body_(piece_begin, std::min(end_, piece_begin + grain_));
      }
    });
  }
  void Rethrow() const { failure_.Rethrow(); }

 private:
  size_t begin_, end_, grain_;
  FunctionRef<void(size_t, size_t)> body_;
  Failure failure_;
  LoopOrder order_;  // last: it tells that all of the above is written
};

// Loops of this thread are run by it alone, without oneTBB.
thread_local bool alone = false;

class Alone {
 public:
  explicit Alone(bool value) : before_(std::exchange(alone, value)) {}
  ~Alone() { alone = before_; }
  Alone(const Alone&) = delete;
  Alone& operator=(const Alone&) = delete;

 private:
  bool before_;
};

// A forked process has none of its parent's threads, but all that oneTBB remembers of them: it
// could wait for them for ever. Facts about the process, hence not in a Context.
std::atomic<bool> threads_started = false;
std::atomic<bool> threads_lost = false;

bool MayStartThreads() {
  if (threads_lost.load(std::memory_order_relaxed)) return false;
  if (!threads_started.load(std::memory_order_acquire)) {
    static const int registered = pthread_atfork(nullptr, nullptr, [] {
      if (threads_started.load()) threads_lost.store(true);
    });
    if (registered != 0) return false;
    threads_started.store(true, std::memory_order_release);
  }
  return true;
}

// What oneTBB copies from task to task. ThreadSanitizer cannot follow those copies, so it does not
// look here.
struct LoopTask {
  Loop* loop;
  __attribute__((no_sanitize("thread"))) void operator()(
      const tbb::blocked_range<size_t>& range) const {
    loop->RunPieces(range.begin(), range.end());
  }
};

}  // namespace

void RunOnThreads(const Context& context, FunctionRef<void()> body) {
  const int threads = std::max(1, context.threads);
  if (threads == 1 || !MayStartThreads()) {
    const Alone scope(true);
    const FloatingPointGuard guard;
    return body();
  }
  // An arena alone is capped at the processors' number; the control lifts that cap for this scope,
  // no higher than is needed: oneTBB wakes as many threads as it may. Of several in force at once
  // the lowest counts, which costs the others threads beyond the processors, if anything.
  std::optional<tbb::global_control> cap;
  if (threads > tbb::info::default_concurrency())
    cap.emplace(tbb::global_control::max_allowed_parallelism, static_cast<size_t>(threads));
  tbb::task_arena arena(threads);
  LoopOrder order;
  Failure failure;
  arena.execute([&] {
    const Alone scope(false);
    const PieceScope piece(order);
    failure.Catch(body);
  });
  failure.Rethrow();
}

void ParallelFor(size_t begin, size_t end, size_t grain, FunctionRef<void(size_t, size_t)> body) {
  if (begin >= end) return;
  RAMET_CHECK(grain > 0);
  const size_t pieces = (end - begin + grain - 1) / grain;
  if (pieces == 1) {
    FloatingPointGuard guard;
    body(begin, end);
    return;
  }
  Loop loop(begin, end, grain, body);
  if (alone || !MayStartThreads())
    loop.RunPieces(0, pieces);
  else
    tbb::parallel_for(tbb::blocked_range<size_t>(0, pieces, 1), LoopTask{&loop},
                      tbb::simple_partitioner());
  loop.Rethrow();
}

void ParallelInvoke(FunctionRef<void()> first, FunctionRef<void()> second) {
  ParallelFor(0, 2, 1, [&](size_t piece, size_t) { piece == 0 ? first() : second(); });
}

}  // namespace ramet
