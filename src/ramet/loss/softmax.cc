// Softmax (multinomial) loss: one score per class, p_k = exp(s_k) / sum of exp(s_j).
// gradient_k = p_k - [y = k], hessian_k = p_k (1 - p_k): the diagonal, as scikit-learn takes it.

#include <algorithm>

#include "ramet/base/math.h"
#include "ramet/loss/loss.h"
#include "ramet/loss/registry.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ramet/loss/softmax.cc"
#include <hwy/foreach_target.h>
// After foreach_target.h, so that they are compiled per target.
#include "ramet/base/dispatch.h"
#include "ramet/loss/elementwise-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ramet {
namespace HWY_NAMESPACE {

// Rows [begin, end) in steps of d's lanes; `exps` has room for one vector per output. Returns the
// first row not done.
template <class D>
HWY_INLINE size_t SoftmaxRows(D d, const LossBlock& block, size_t begin, size_t end, double* exps,
                              GradientRange& result) {
  const hn::Rebind<float, D> df;
  const size_t lanes = hn::Lanes(d);
  RangeOf<decltype(df)> range(df);
  const auto one = hn::Set(d, 1.0);
  size_t i = begin;
  for (; i + lanes <= end; i += lanes) {
    const double* scores = block.scores + i;
    auto largest = hn::LoadU(d, scores);
    for (size_t k = 1; k < block.num_outputs; ++k)
      largest = hn::Max(largest, hn::LoadU(d, scores + k * block.num_rows));
    auto total = hn::Zero(d);
    for (size_t k = 0; k < block.num_outputs; ++k) {
      const auto e = Exp(d, hn::Sub(hn::LoadU(d, scores + k * block.num_rows), largest));
      hn::StoreU(e, d, exps + k * lanes);
      total = hn::Add(total, e);
    }
    const auto label = hn::LoadU(d, block.labels + i);
    const auto weight =
        block.weights == nullptr ? one : hn::PromoteTo(d, hn::LoadU(df, block.weights + i));
    for (size_t k = 0; k < block.num_outputs; ++k) {
      const auto p = hn::Div(hn::LoadU(d, exps + k * lanes), total);
      const auto is_class = hn::Eq(label, hn::Set(d, static_cast<double>(k)));
      const auto gradient = hn::Sub(p, hn::IfThenElseZero(is_class, one));
      const auto hessian = hn::Mul(p, hn::Sub(one, p));
      StoreGradients(d, hn::Mul(gradient, weight), hn::Mul(hessian, weight),
                     block.out + k * block.num_rows + i, range);
    }
  }
  range.Combine(result);
  return i;
}

GradientRange SoftmaxGradients(const LossBlock& block) {
  GradientRange range;
  const hn::ScalableTag<double> d;
  std::vector<double> exps(block.num_outputs * hn::Lanes(d));
  const size_t end = block.begin + block.count;
  const size_t rest = SoftmaxRows(d, block, block.begin, end, exps.data(), range);
  SoftmaxRows(hn::CappedTag<double, 1>(), block, rest, end, exps.data(), range);
  return range;
}

}  // namespace HWY_NAMESPACE
}  // namespace ramet
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ramet {

HWY_EXPORT(SoftmaxGradients);

const Loss kSoftmax = {
    .name = "softmax",
    .classification = true,
    .num_outputs = [](size_t num_classes) { return num_classes; },
    .default_metric = "logloss",
    .gradients =
        [](Isa isa, const LossBlock& block) {
          return RAMET_DISPATCH(isa, SoftmaxGradients)(block);
        },
    .base_scores =
        [](std::span<const double> shares) {
          std::vector<double> scores;
          for (double share : shares) scores.push_back(Log(std::max(share, kSmallestShare)));
          return scores;
        },
    .respond =
        [](const double* raw_scores, size_t num_outputs, double* response) {
          const double largest = *std::max_element(raw_scores, raw_scores + num_outputs);
          double total = 0;
          for (size_t k = 0; k < num_outputs; ++k)
            total += response[k] = Exp(raw_scores[k] - largest);
          for (size_t k = 0; k < num_outputs; ++k) response[k] /= total;
        },
};

}  // namespace ramet
#endif
