// A block of memory aligned to 64 bytes (a cache line, and an AVX-512 vector), not initialised.
//
// Ends with 64 readable bytes beyond size(), so that vector loads of the last elements stay inside.
#pragma once

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

namespace ramet {

template <class T>
class Buffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  static constexpr size_t kAlignment = 64;
  // Blocks of some huge pages ask for them: rows that are read through a list would else miss the
  // address cache.
  static constexpr size_t kHugePage = size_t{1} << 21;

  Buffer() = default;
  explicit Buffer(size_t size) : size_(size), capacity_(size) {
    const size_t needed = size * sizeof(T) + kAlignment;
    const size_t alignment = needed >= 4 * kHugePage ? kHugePage : kAlignment;
    const size_t bytes = (needed + alignment - 1) / alignment * alignment;
    data_ = static_cast<T*>(std::aligned_alloc(alignment, bytes));
    if (data_ == nullptr) throw std::bad_alloc();
#if defined(__linux__)
    if (alignment == kHugePage)
      madvise(static_cast<void*>(data_), bytes, MADV_HUGEPAGE);  // a wish: failure is no error
#endif
  }
  static Buffer Zeroed(size_t size) {
    Buffer buffer(size);
    if (size > 0) std::memset(static_cast<void*>(buffer.data_), 0, size * sizeof(T));
    return buffer;
  }
  Buffer(Buffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
    return *this;
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { std::free(data_); }

  // As a new buffer of this size, in the memory of the old one where it is enough: the system may
  // take a freed block back at once, and clear its pages anew at the next use.
  void Reset(size_t size) {
    if (size > capacity_)
      *this = Buffer(size);
    else
      size_ = size;
  }

  T* data() { return data_; }
  const T* data() const { return data_; }
  size_t size() const { return size_; }
  size_t capacity() const { return capacity_; }
  bool empty() const { return size_ == 0; }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }
  T* begin() { return data_; }
  T* end() { return data_ + size_; }
  const T* begin() const { return data_; }
  const T* end() const { return data_ + size_; }
  std::span<T> span() { return {data_, size_}; }
  std::span<const T> span() const { return {data_, size_}; }

 private:
  T* data_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace ramet
