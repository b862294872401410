// Logistic loss: log(1 + exp(-score)) for the second class, log(1 + exp(score)) for the first.
// gradient = p - y, hessian = p (1 - p), with p = 1 / (1 + exp(-score)).

#include <algorithm>

#include "ramet/base/math.h"
#include "ramet/loss/loss.h"
#include "ramet/loss/registry.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ramet/loss/logistic.cc"
#include <hwy/foreach_target.h>
// After foreach_target.h, so that they are compiled per target.
#include "ramet/base/dispatch.h"
#include "ramet/loss/elementwise-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ramet {
namespace HWY_NAMESPACE {

GradientRange LogisticGradients(const LossBlock& block) {
  return ElementwiseGradients(
      block, [](auto d, auto score, auto label, auto& gradient, auto& hessian) HWY_ATTR {
        const auto one = hn::Set(d, 1.0);
        const auto p = hn::Div(one, hn::Add(one, Exp(d, hn::Neg(score))));
        gradient = hn::Sub(p, label);
        hessian = hn::Mul(p, hn::Sub(one, p));
      });
}

template <class D>
HWY_INLINE size_t ProbabilitiesOf(D d, const double* raw_scores, size_t begin, size_t end,
                                  double* response) {
  const auto one = hn::Set(d, 1.0);
  size_t i = begin;
  for (; i + hn::Lanes(d) <= end; i += hn::Lanes(d)) {
    const auto p = hn::Div(one, hn::Add(one, Exp(d, hn::Neg(hn::LoadU(d, raw_scores + i)))));
    hn::StoreInterleaved2(hn::Sub(one, p), p, d, response + 2 * i);
  }
  return i;
}

void LogisticProbabilities(const double* raw_scores, size_t rows, double* response) {
  const size_t rest = ProbabilitiesOf(hn::ScalableTag<double>(), raw_scores, 0, rows, response);
  ProbabilitiesOf(hn::CappedTag<double, 1>(), raw_scores, rest, rows, response);
}

}  // namespace HWY_NAMESPACE
}  // namespace ramet
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ramet {

HWY_EXPORT(LogisticGradients);
HWY_EXPORT(LogisticProbabilities);

const Loss kLogistic = {
    .name = "logistic",
    .classification = true,
    .num_outputs = [](size_t num_classes) -> size_t { return num_classes == 2 ? 1 : 0; },
    .default_metric = "logloss",
    .gradients =
        [](Isa isa, const LossBlock& block) {
          return RAMET_DISPATCH(isa, LogisticGradients)(block);
        },
    .base_scores =
        [](std::span<const double> shares) {
          const double p = std::clamp(shares[1], kSmallestShare, 1 - kSmallestShare);
          return std::vector<double>{Log(p / (1 - p))};
        },
    .respond =
        [](const double* raw_scores, size_t, double* response) {
          response[1] = 1 / (1 + Exp(-raw_scores[0]));
          response[0] = 1 - response[1];
        },
    .respond_rows =
        [](Isa isa, const double* raw_scores, size_t rows, double* response) {
          RAMET_DISPATCH(isa, LogisticProbabilities)(raw_scores, rows, response);
        },
};

}  // namespace ramet
#endif
