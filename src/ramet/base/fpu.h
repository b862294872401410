// Sets the floating-point control word to IEEE defaults (round to nearest, denormals kept) for a
// scope, and restores what was there: a host process may have flushed denormals (design rule 4).
// About 10 cycles.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <cstdint>
#endif

namespace ramet {

class FloatingPointGuard {
 public:
  FloatingPointGuard(const FloatingPointGuard&) = delete;
  FloatingPointGuard& operator=(const FloatingPointGuard&) = delete;
#if defined(__x86_64__)
  FloatingPointGuard() : saved_(_mm_getcsr()) {
    if ((saved_ & kControlBits) != kDefault) _mm_setcsr(kDefault);
  }
  ~FloatingPointGuard() {
    if ((saved_ & kControlBits) != kDefault) _mm_setcsr(saved_);
  }

 private:
  static constexpr unsigned kControlBits = 0xffc0;  // all but the sticky exception flags
  static constexpr unsigned kDefault = 0x1f80;      // exceptions masked, nearest, no FTZ, no DAZ
  unsigned saved_;
#elif defined(__aarch64__)
  FloatingPointGuard() {
    asm volatile("mrs %0, fpcr" : "=r"(saved_));
    if (saved_ != 0) asm volatile("msr fpcr, %0" ::"r"(uint64_t{0}));
  }
  ~FloatingPointGuard() {
    if (saved_ != 0) asm volatile("msr fpcr, %0" ::"r"(saved_));
  }

 private:
  uint64_t saved_;
#else
  FloatingPointGuard() = default;
#endif
};

}  // namespace ramet
