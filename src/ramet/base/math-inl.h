// exp and log on float64 vectors, from additions, multiplications and one division: the same bits
// on every instruction set (design rule 4). Include inside HWY_BEFORE_NAMESPACE-compiled files
// only, as Highway's own -inl headers.
//
// Exp: x = k ln2 + r, |r| <= ln2 / 2 (Cody & Waite: ln2 in two parts), exp(r) by its Taylor
// polynomial of degree 13, scaled
//      by 2^k in two steps. Error below 1 ulp on [-708, 709]; below -745.2 it is 0, above 709.79
//      infinity.
// Log: x = 2^k m, m in [sqrt(1/2), sqrt(2)); with s = (m - 1) / (m + 1), log m = 2 s (1 + s^2/3 +
// s^4/5 + …).
//      Error below 2 ulp for positive normal x; 0 gives -infinity.

#if defined(RAMET_BASE_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef RAMET_BASE_MATH_INL_H_
#undef RAMET_BASE_MATH_INL_H_
#else
#define RAMET_BASE_MATH_INL_H_
#endif

#include <hwy/highway.h>

#include <limits>

HWY_BEFORE_NAMESPACE();
namespace ramet {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// 2^k for integer-valued k in [-1022, 1023], given as the float64 k + 1.5 * 2^52 (whose low
// mantissa bits are k).
template <class D, class V>
HWY_INLINE V PowerOfTwo(D d, V k_plus_magic) {
  const hn::RebindToSigned<D> di;
  const auto bits = hn::Add(hn::BitCast(di, k_plus_magic), hn::Set(di, int64_t{1023}));
  return hn::BitCast(d, hn::ShiftLeft<52>(bits));
}

template <class D, class V>
HWY_INLINE V Exp(D d, V x) {
  const V magic = hn::Set(d, 6755399441055744.0);  // 1.5 * 2^52: adding it rounds to an integer
  const V clamped = hn::Min(hn::Max(x, hn::Set(d, -746.0)), hn::Set(d, 710.0));
  const V k_plus_magic = hn::Add(hn::Mul(clamped, hn::Set(d, 1.4426950408889634)), magic);
  const V k = hn::Sub(k_plus_magic, magic);
  const V high = hn::Sub(clamped, hn::Mul(k, hn::Set(d, 6.93147180369123816490e-01)));
  const V low = hn::Mul(k, hn::Set(d, 1.90821492927058770002e-10));
  const V r = hn::Sub(high, low);
  const V lost = hn::Sub(hn::Sub(high, r), low);  // by the rounding of r

  // Estrin's scheme: pairs, then powers of r^2, so that the additions of different pairs overlap.
  const V r2 = hn::Mul(r, r);
  const V r4 = hn::Mul(r2, r2);
  const V r8 = hn::Mul(r4, r4);
  const auto pair = [&](double a, double b) {
    return hn::Add(hn::Set(d, a), hn::Mul(hn::Set(d, b), r));
  };
  const V p23 = pair(1.0 / 2, 1.0 / 6);
  const V p45 = pair(1.0 / 24, 1.0 / 120);
  const V p67 = pair(1.0 / 720, 1.0 / 5040);
  const V p89 = pair(1.0 / 40320, 1.0 / 362880);
  const V p1011 = pair(1.0 / 3628800, 1.0 / 39916800);
  const V p1213 = pair(1.0 / 479001600, 1.0 / 6227020800.0);
  const V q0 = hn::Add(hn::Mul(p23, r2), hn::Mul(hn::Add(p45, hn::Mul(p67, r2)), r4));
  const V q1 = hn::Add(hn::Add(p89, hn::Mul(p1011, r2)), hn::Mul(p1213, r4));
  // The 1 comes last: rounded once, after r and the tail, whose rounding is at most a quarter of
  // its ulp.
  const V tail = hn::Add(hn::Add(q0, lost), hn::Mul(q1, r8));
  const V exp_r = hn::Add(hn::Set(d, 1.0), hn::Add(r, tail));

  // 2^k in two factors: k goes down to -1076 and up to 1025.
  const V half = hn::Add(hn::Mul(k, hn::Set(d, 0.5)), magic);  // round(k / 2) + magic
  const V rest = hn::Add(hn::Sub(k, hn::Sub(half, magic)), magic);
  const V scaled = hn::Mul(hn::Mul(exp_r, PowerOfTwo(d, half)), PowerOfTwo(d, rest));
  // NaN in, NaN out: Min and Max may have dropped it.
  return hn::IfThenElse(hn::Eq(x, x), scaled, x);
}

template <class D, class V>
HWY_INLINE V Log(D d, V x) {
  const hn::RebindToSigned<D> di;
  // Subnormals are scaled up first.
  const auto tiny = hn::Lt(x, hn::Set(d, 2.2250738585072014e-308));
  const V scaled = hn::IfThenElse(tiny, hn::Mul(x, hn::Set(d, 18014398509481984.0)), x);  // 2^54
  const auto bits = hn::BitCast(di, scaled);
  // Exponent such that the mantissa lies in [sqrt(1/2), sqrt(2)): subtract the bits of sqrt(1/2),
  // keep the exponent.
  const auto offset = hn::Sub(bits, hn::Set(di, int64_t{0x3fe6a09e667f3bcd}));
  const auto k_int = hn::ShiftRight<52>(offset);
  const V m = hn::BitCast(d, hn::Sub(bits, hn::ShiftLeft<52>(k_int)));
  // k as float64: small integers through the magic number.
  const V magic = hn::Set(d, 6755399441055744.0);
  V k = hn::Sub(hn::BitCast(d, hn::Add(hn::BitCast(di, magic), k_int)), magic);
  k = hn::Sub(k, hn::IfThenElseZero(tiny, hn::Set(d, 54.0)));

  const V f = hn::Sub(m, hn::Set(d, 1.0));
  const V s = hn::Div(f, hn::Add(m, hn::Set(d, 1.0)));
  const V z = hn::Mul(s, s);
  // sum of z^j 2/(2j+1), j = 1 … 11; |s| <= 0.1716, so the next term is below 2^-60.
  const auto c = [&](int j) { return hn::Set(d, 2.0 / (2 * j + 1)); };
  V sum = c(11);
  for (int j = 10; j >= 1; --j) sum = hn::Add(hn::Mul(sum, z), c(j));
  // log m = f - f^2/2 + s (f^2/2 + z sum), fdlibm's way to keep the leading term exact.
  const V half_square = hn::Mul(hn::Mul(f, f), hn::Set(d, 0.5));
  const V tail = hn::Mul(s, hn::Add(half_square, hn::Mul(z, sum)));
  const V low = hn::Add(hn::Mul(k, hn::Set(d, 1.90821492927058770002e-10)), tail);
  const V high = hn::Sub(f, hn::Sub(half_square, low));
  const V result = hn::Add(hn::Mul(k, hn::Set(d, 6.93147180369123816490e-01)), high);

  const V infinity = hn::Set(d, std::numeric_limits<double>::infinity());
  const V nan = hn::Set(d, std::numeric_limits<double>::quiet_NaN());
  const V zero = hn::Zero(d);
  V special = hn::IfThenElse(hn::Eq(x, zero), hn::Neg(infinity), result);
  special = hn::IfThenElse(hn::Lt(x, zero), nan, special);
  special = hn::IfThenElse(hn::Eq(x, infinity), infinity, special);
  return hn::IfThenElse(hn::Eq(x, x), special, x);
}

}  // namespace HWY_NAMESPACE
}  // namespace ramet
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
