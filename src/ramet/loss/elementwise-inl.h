// The loop of a loss whose gradient depends on one score, label and weight: what logistic.cc and
// its kind share.
//
// Include inside per-target code (foreach_target), as Highway's -inl headers.

#if defined(RAMET_LOSS_ELEMENTWISE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef RAMET_LOSS_ELEMENTWISE_INL_H_
#undef RAMET_LOSS_ELEMENTWISE_INL_H_
#else
#define RAMET_LOSS_ELEMENTWISE_INL_H_
#endif

#include <hwy/highway.h>

#include <limits>

#include "ramet/base/math-inl.h"
#include "ramet/loss/loss.h"

HWY_BEFORE_NAMESPACE();
namespace ramet {
namespace HWY_NAMESPACE {

// Running maxima of the magnitudes of float32 gradients and hessians, and whether all are finite.
template <class DF>
class RangeOf {
 public:
  explicit RangeOf(DF d)
      : d_(d), gradient_(hn::Zero(d)), hessian_(hn::Zero(d)), poison_(hn::Zero(d)) {}

  template <class VF>
  void Add(VF gradient, VF hessian) {
    gradient_ = hn::Max(gradient_, hn::Abs(gradient));
    hessian_ = hn::Max(hessian_, hn::Abs(hessian));
    // x - x is 0 for finite x, else NaN, which stays.
    poison_ = hn::Add(poison_, hn::Add(hn::Sub(gradient, gradient), hn::Sub(hessian, hessian)));
  }
  void Combine(GradientRange& range) const {
    HWY_ALIGN float gradient[HWY_MAX_BYTES / sizeof(float)], hessian[HWY_MAX_BYTES / sizeof(float)],
        poison[HWY_MAX_BYTES / sizeof(float)];
    hn::Store(gradient_, d_, gradient);
    hn::Store(hessian_, d_, hessian);
    hn::Store(poison_, d_, poison);
    for (size_t i = 0; i < hn::Lanes(d_); ++i) {
      range.max_gradient = HWY_MAX(range.max_gradient, gradient[i]);
      range.max_hessian = HWY_MAX(range.max_hessian, hessian[i]);
      range.finite &= poison[i] == 0;
    }
  }

 private:
  DF d_;
  hn::Vec<DF> gradient_, hessian_, poison_;
};

// What rounds beyond float32's range becomes NaN: infinity on some instruction sets, the largest
// number on others otherwise.
template <class D, class V>
HWY_INLINE hn::Vec<hn::Rebind<float, D>> ToFloat32(D d, V x) {
  const auto too_large = hn::Ge(hn::Abs(x), hn::Set(d, 0x1.ffffffp+127));
  const auto nan = hn::Set(d, std::numeric_limits<double>::quiet_NaN());
  return hn::DemoteTo(hn::Rebind<float, D>(), hn::IfThenElse(too_large, nan, x));
}

// Rounds to float32, stores (gradient, hessian) pairs and updates the range.
template <class D, class V, class Range>
HWY_INLINE void StoreGradients(D d, V gradient, V hessian, GradientHessian* out, Range& range) {
  const hn::Rebind<float, D> df;
  const auto g = ToFloat32(d, gradient);
  const auto h = ToFloat32(d, hessian);
  hn::StoreInterleaved2(g, h, df, reinterpret_cast<float*>(out));
  range.Add(g, h);
}

// formula(d, score, label, gradient&, hessian&) for rows [begin, end) in steps of d's lanes; the
// weight is applied here. Returns the first row not done.
template <class D, class Formula>
HWY_INLINE size_t Elementwise(D d, const LossBlock& block, size_t begin, size_t end,
                              const Formula& formula, GradientRange& result) {
  const hn::Rebind<float, D> df;
  RangeOf<decltype(df)> range(df);
  size_t i = begin;
  for (; i + hn::Lanes(d) <= end; i += hn::Lanes(d)) {
    hn::Vec<D> gradient, hessian;
    formula(d, hn::LoadU(d, block.scores + i), hn::LoadU(d, block.labels + i), gradient, hessian);
    if (block.weights != nullptr) {
      const auto weight = hn::PromoteTo(d, hn::LoadU(df, block.weights + i));
      gradient = hn::Mul(gradient, weight);
      hessian = hn::Mul(hessian, weight);
    }
    StoreGradients(d, gradient, hessian, block.out + i, range);
  }
  range.Combine(result);
  return i;
}

// The whole block: full vectors, then single lanes (same arithmetic, same bits).
template <class Formula>
GradientRange ElementwiseGradients(const LossBlock& block, const Formula& formula) {
  GradientRange range;
  const size_t end = block.begin + block.count;
  const size_t rest =
      Elementwise(hn::ScalableTag<double>(), block, block.begin, end, formula, range);
  Elementwise(hn::CappedTag<double, 1>(), block, rest, end, formula, range);
  return range;
}

}  // namespace HWY_NAMESPACE
}  // namespace ramet
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
