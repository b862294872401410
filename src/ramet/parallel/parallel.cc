#include "ramet/parallel/parallel.h"

#include <tbb/blocked_range.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/parallel_invoke.h>
#include <tbb/task_arena.h>

#include <algorithm>

#include "ramet/base/fpu.h"

namespace ramet {

void RunOnThreads(const Context& context, FunctionRef<void()> body) {
  const int threads = std::max(1, context.threads);
  // An arena alone is capped at the processors' number; the control lifts that cap for this scope.
  tbb::global_control limit(tbb::global_control::max_allowed_parallelism,
                            static_cast<size_t>(std::max(threads, 2)));
  tbb::task_arena arena(threads);
  arena.execute([&] {
    FloatingPointGuard guard;
    body();
  });
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
  tbb::parallel_for(
      tbb::blocked_range<size_t>(0, pieces, 1),
      [&](const tbb::blocked_range<size_t>& range) {
        FloatingPointGuard guard;
        for (size_t piece = range.begin(); piece != range.end(); ++piece) {
          const size_t piece_begin = begin + piece * grain;
          body(piece_begin, std::min(end, piece_begin + grain));
        }
      },
      tbb::simple_partitioner());
}

void ParallelInvoke(FunctionRef<void()> first, FunctionRef<void()> second) {
  tbb::parallel_invoke(
      [&] {
        FloatingPointGuard guard;
        first();
      },
      [&] {
        FloatingPointGuard guard;
        second();
      });
}

}  // namespace ramet
