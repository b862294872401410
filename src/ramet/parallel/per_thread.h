// One object per thread, made at its first use there: scratch memory of loops.
//
// Hold a Local() only within a piece of work that starts no parallel work of its own: a waiting
// thread may run another piece, which would use the same object.
#pragma once

#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>

namespace ramet {

// Not oneTBB's: that takes memory from an allocator whose locks a forked process may find taken.
template <class T>
class PerThread {
 public:
  // Called once a piece: a lock is little beside the piece.
  T& Local() {
    const std::lock_guard lock(mutex_);
    std::unique_ptr<T>& object = objects_[std::this_thread::get_id()];
    if (object == nullptr) object = std::make_unique<T>();
    return *object;
  }

 private:
  std::mutex mutex_;
  std::unordered_map<std::thread::id, std::unique_ptr<T>> objects_;
};

}  // namespace ramet
