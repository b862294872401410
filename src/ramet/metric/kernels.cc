#include "ramet/metric/kernels.h"

#include <algorithm>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ramet/metric/kernels.cc"
#include <hwy/foreach_target.h>
// After foreach_target.h, so that it is compiled per target.
#include "ramet/base/dispatch.h"
#include "ramet/base/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ramet {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// log(1 + e) for e in [0, 1], Kahan's way: what the rounding of 1 + e lost is given back as a
// factor.
template <class D, class V>
HWY_INLINE V LogOnePlus(D d, V e) {
  const V one = hn::Set(d, 1.0);
  const V sum = hn::Add(one, e);
  const V kept = hn::Sub(sum, one);
  const auto lost = hn::Eq(kept, hn::Zero(d));
  const V ratio = hn::Div(e, hn::IfThenElse(lost, one, kept));
  return hn::IfThenElse(lost, e, hn::Mul(Log(d, sum), ratio));
}

// Calls body(d, i) for i in steps of a vector, and lane by lane for the rest.
template <class Body>
HWY_INLINE void ForVectors(size_t count, Body&& body) {
  const hn::ScalableTag<double> d;
  const hn::CappedTag<double, 1> one;
  size_t i = 0;
  for (; i + hn::Lanes(d) <= count; i += hn::Lanes(d)) body(d, i);
  for (; i < count; ++i) body(one, i);
}

void BinaryLogLossKernel(const double* scores, const double* labels, size_t count, double* out) {
  ForVectors(count, [&](auto d, size_t i) HWY_ATTR {
    const auto score = hn::LoadU(d, scores + i);
    const auto label = hn::LoadU(d, labels + i);
    const auto is_positive = hn::Eq(label, hn::Set(d, 1.0));
    const auto minus_margin = hn::IfThenElse(is_positive, hn::Neg(score), score);
    const auto small = LogOnePlus(d, Exp(d, hn::Neg(hn::Abs(score))));
    hn::StoreU(hn::Add(hn::Max(minus_margin, hn::Zero(d)), small), d, out + i);
  });
}

// sums[i] += exp(x[i])
void AddExpKernel(const double* x, size_t count, double* sums) {
  ForVectors(count, [&](auto d, size_t i) HWY_ATTR {
    hn::StoreU(hn::Add(hn::LoadU(d, sums + i), Exp(d, hn::LoadU(d, x + i))), d, sums + i);
  });
}

// x[i] = log(x[i])
void LogKernel(double* x, size_t count) {
  ForVectors(count,
             [&](auto d, size_t i) HWY_ATTR { hn::StoreU(Log(d, hn::LoadU(d, x + i)), d, x + i); });
}

// 2 x value; a little below 0 by rounding is 0, outside the domain NaN.
template <class D, class V, class M>
HWY_INLINE V DevianceOf(D d, V value, M inside) {
  const V twice = hn::Add(value, value);
  const V positive = hn::IfThenZeroElse(hn::Lt(twice, hn::Zero(d)), twice);
  return hn::IfThenElse(inside, positive, hn::Set(d, std::numeric_limits<double>::quiet_NaN()));
}

void PoissonDevianceKernel(const double* scores, bool log_scale, const double* labels, size_t count,
                           double* out) {
  ForVectors(count, [&](auto d, size_t i) HWY_ATTR {
    const auto zero = hn::Zero(d);
    const auto score = hn::LoadU(d, scores + i);
    const auto y = hn::LoadU(d, labels + i);
    const auto mu = log_scale ? Exp(d, score) : score;
    const auto log_mu = log_scale ? score : Log(d, score);
    const auto ratio = hn::Mul(y, hn::Sub(Log(d, y), log_mu));
    const auto value = hn::Sub(hn::IfThenElse(hn::Eq(y, zero), zero, ratio), hn::Sub(y, mu));
    const auto in_range = log_scale ? hn::Eq(score, score) : hn::Gt(mu, zero);
    hn::StoreU(DevianceOf(d, value, hn::And(in_range, hn::Ge(y, zero))), d, out + i);
  });
}

void GammaDevianceKernel(const double* scores, bool log_scale, const double* labels, size_t count,
                         double* out) {
  ForVectors(count, [&](auto d, size_t i) HWY_ATTR {
    const auto zero = hn::Zero(d);
    const auto score = hn::LoadU(d, scores + i);
    const auto y = hn::LoadU(d, labels + i);
    const auto ratio = log_scale ? hn::Mul(y, Exp(d, hn::Neg(score))) : hn::Div(y, score);
    const auto log_mu = log_scale ? score : Log(d, score);
    const auto value = hn::Add(hn::Sub(log_mu, Log(d, y)), hn::Sub(ratio, hn::Set(d, 1.0)));
    const auto in_range = log_scale ? hn::Eq(score, score) : hn::Gt(score, zero);
    hn::StoreU(DevianceOf(d, value, hn::And(in_range, hn::Gt(y, zero))), d, out + i);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace ramet
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ramet {
namespace {

HWY_EXPORT(BinaryLogLossKernel);
HWY_EXPORT(AddExpKernel);
HWY_EXPORT(LogKernel);
HWY_EXPORT(PoissonDevianceKernel);
HWY_EXPORT(GammaDevianceKernel);

constexpr size_t kBlockRows = 256;

}  // namespace

void BinaryLogLoss(Isa isa, const double* scores, const double* labels, size_t count, double* out) {
  RAMET_DISPATCH(isa, BinaryLogLossKernel)(scores, labels, count, out);
}

void LogSumExp(Isa isa, const double* scores, size_t num_outputs, size_t count, double* largest,
               double* log_sum) {
  double below[kBlockRows];  // score - largest, of one output
  for (size_t begin = 0; begin < count; begin += kBlockRows) {
    const size_t rows = std::min(kBlockRows, count - begin);
    const double* block = scores + begin * num_outputs;
    double* block_largest = largest + begin;
    double* block_sum = log_sum + begin;
    for (size_t i = 0; i < rows; ++i) {
      block_largest[i] = *std::max_element(block + i * num_outputs, block + (i + 1) * num_outputs);
      block_sum[i] = 0;
    }
    for (size_t k = 0; k < num_outputs; ++k) {
      for (size_t i = 0; i < rows; ++i) below[i] = block[i * num_outputs + k] - block_largest[i];
      RAMET_DISPATCH(isa, AddExpKernel)(below, rows, block_sum);
    }
    RAMET_DISPATCH(isa, LogKernel)(block_sum, rows);
  }
}

void PoissonDeviance(Isa isa, const double* scores, bool log_scale, const double* labels,
                     size_t count, double* out) {
  RAMET_DISPATCH(isa, PoissonDevianceKernel)(scores, log_scale, labels, count, out);
}

void GammaDeviance(Isa isa, const double* scores, bool log_scale, const double* labels,
                   size_t count, double* out) {
  RAMET_DISPATCH(isa, GammaDevianceKernel)(scores, log_scale, labels, count, out);
}

}  // namespace ramet
#endif
