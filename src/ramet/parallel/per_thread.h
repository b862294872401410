// One object per thread, made at its first use there: scratch memory of loops.
//
// Hold a Local() only within a piece of work that starts no parallel work of its own: a waiting
// thread may run another piece, which would use the same object.
#pragma once

#include <tbb/enumerable_thread_specific.h>

#include <memory>

namespace ramet {

template <class T>
class PerThread {
 public:
  T& Local() { return objects_.local(); }

 private:
  // Not oneTBB's allocator, whose locks a forked process may find taken.
  tbb::enumerable_thread_specific<T, std::allocator<T>> objects_;
};

}  // namespace ramet
