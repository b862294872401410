// A member of a group, as Python holds it.
#pragma once

#include <atomic>
#include <memory>

#include "ramet/collective/collective.h"

namespace ramet::bindings {

// For train(): a run on this member uses get(), and must take stop() as its Context's `cancelled`,
// which a failure sets too.
class PyCollective {
 public:
  virtual ~PyCollective();
  Collective& get() { return *collective_; }
  std::atomic<bool>& stop() { return stop_; }

 protected:
  std::atomic<bool> stop_{false};
  std::unique_ptr<Collective> collective_;  // refers to stop_: goes first
};

}  // namespace ramet::bindings
