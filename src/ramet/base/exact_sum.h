// Sums of float64 values that do not depend on the order of addition (design rule 5a).
//
// Every addend is rounded once, to a multiple of a step 2^-k that depends only on the largest
// magnitude of all addends (an exact maximum, hence order-free) — then integers are added, which is
// exact.
//
//   const FixedPoint scale = FixedPoint::For(max_abs);
//   ExactSum sum;
//   for (double x : values) sum.Add(scale.Quantise(x));
//   double total = scale.ToDouble(sum);
//
// Invariants
//   E1. |Quantise(x)| <= 2^50 for |x| <= max_abs: the rounding is the "magic number" addition, the
//   same in every
//       vector lane, and 2^12 addends fit an int64 before they are widened (kRowsPerLimb).
//   E2. The sum is exact in 128 bits for up to 2^77 addends.
// Error: half a step, so below 2^-50 * max_abs per addend, whatever their number and order.
#pragma once

#include <cmath>
#include <cstdint>

namespace ramet {

__extension__ typedef __int128 int128_t;

struct ExactSum {
  static constexpr int kRowsPerLimb = 4096;  // addends of |q| <= 2^50 that fit an int64

  int128_t total = 0;
  void Add(int64_t q) { total += q; }
  void Add(const ExactSum& other) { total += other.total; }
  bool operator==(const ExactSum&) const = default;
};

// Smallest e with |x| <= 2^e, for finite x; -1074 for 0.
inline int CeilLog2(double x) {
  x = std::fabs(x);
  if (x == 0) return -1074;
  int exponent;
  const double mantissa =
      std::frexp(x, &exponent);  // x = mantissa * 2^exponent, mantissa in [0.5, 1)
  return mantissa == 0.5 ? exponent - 1 : exponent;
}

class FixedPoint {
 public:
  // A scale for addends of magnitude up to `max_abs` (finite, >= 0): |Quantise(x)| <= 2^bits, bits
  // <= 50. Fewer bits let more addends share an int64: 2^(62 - bits).
  static FixedPoint For(double max_abs, int bits = 50) {
    return FixedPoint(bits - CeilLog2(max_abs));
  }
  FixedPoint() = default;

  // x * 2^shift as an integer, to nearest even. Adding 1.5 * 2^52 leaves the integer in the
  // mantissa's low bits.
  int64_t Quantise(double x) const {
    const double shifted = x * scale_a_ * scale_b_ + kMagic;
    int64_t bits;
    __builtin_memcpy(&bits, &shifted, sizeof bits);
    return bits - kMagicBits;
  }
  double ToDouble(const ExactSum& sum) const { return std::ldexp(Nearest(sum.total), -shift_); }

  int shift() const { return shift_; }
  // The scale as two factors, so that neither over- nor underflows.
  double scale_a() const { return scale_a_; }
  double scale_b() const { return scale_b_; }

  static constexpr double kMagic = 6755399441055744.0;  // 1.5 * 2^52
  static constexpr int64_t kMagicBits = 0x4338000000000000;

 private:
  explicit FixedPoint(int shift)
      : shift_(shift),
        scale_a_(std::ldexp(1.0, shift / 2)),
        scale_b_(std::ldexp(1.0, shift - shift / 2)) {}

  // int128 to the nearest double, ties to even. (The compiler's own conversion does this; named for
  // its meaning.)
  static double Nearest(int128_t value) { return static_cast<double>(value); }

  int shift_ = 0;
  double scale_a_ = 1;
  double scale_b_ = 1;
};

}  // namespace ramet
