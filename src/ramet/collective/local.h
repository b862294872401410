// A collective within one process: members are threads. For tests, and for trying things out.
#pragma once

#include <memory>
#include <vector>

#include "ramet/collective/collective.h"

namespace ramet {

// Where the members of one group meet.
class LocalGroup {
 public:
  explicit LocalGroup(size_t size);
  size_t size() const { return size_; }
  // Member `rank`, for use by one thread. A failure or a stop of one member ends it for all.
  std::unique_ptr<Collective> Join(size_t rank, std::atomic<bool>& stop);

 private:
  struct Shared;
  size_t size_;
  std::shared_ptr<Shared> shared_;
};

}  // namespace ramet
