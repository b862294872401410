// What a run may use and how it reports: threads, instruction set, progress, cancellation.
//
// Nothing in a Context changes a result (they are *run parameters*, design section 1). There are no
// globals: a function that needs any of this takes a Context.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <string>

#include "ramet/base/isa.h"

namespace ramet {

class Collective;

struct Context {
  int threads = 1;
  Isa isa = Isa::kScalar;
  // Set to true (by a signal handler, another thread) to stop long work within a fraction of a
  // second.
  const std::atomic<bool>* cancelled = nullptr;
  // Build the histograms of several promising leaves at once (design section 3). Never changes the
  // tree.
  bool speculate = true;
  // Memory for the histograms of one growing tree; evicted ones are rebuilt, with the same result.
  size_t histogram_budget_bytes = size_t{1} << 30;

  // Those that train together with this one (collective/collective.h); null: it is alone. Not
  // owned.
  Collective* collective = nullptr;

  bool Cancelled() const {
    return cancelled != nullptr && cancelled->load(std::memory_order_relaxed);
  }

  // Threads from RAMET_THREADS, else the processors and CPU quota that this process may use; ISA
  // from RAMET_ISA, else the best. An error names a variable that cannot be followed.
  static Result<Context> FromEnvironment();
};

// Processors this process may run on: affinity and the cgroup's CPU quota (v1 and v2, rounded up),
// at least 1.
int AvailableThreads();

// The cgroup's CPU quota in processors, or 0 where there is none.
double CgroupCpuQuota();

// Memory that this process may use in bytes: the cgroup's limit or the machine's, whichever is
// less.
size_t AvailableMemory();

}  // namespace ramet
