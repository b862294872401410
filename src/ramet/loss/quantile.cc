// Pinball loss of quantile q: (1 - q) (score - y) where the score is above y, q (y - score) below;
// least at the quantile. gradient = 1 - q above, -q below and 0 at y; hessian = 1, as
// absolute_error's.

#include "ramet/loss/loss.h"
#include "ramet/loss/one_output.h"
#include "ramet/loss/registry.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ramet/loss/quantile.cc"
#include <hwy/foreach_target.h>
// After foreach_target.h, so that they are compiled per target.
#include "ramet/base/dispatch.h"
#include "ramet/loss/elementwise-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ramet {
namespace HWY_NAMESPACE {

GradientRange QuantileGradients(const LossBlock& block) {
  const double quantile = block.parameters.quantile;
  return ElementwiseGradients(
      block, [quantile](auto d, auto score, auto label, auto& gradient, auto& hessian) HWY_ATTR {
        const auto error = hn::Sub(score, label);
        const auto zero = hn::Zero(d);
        const auto above = hn::Set(d, 1.0 - quantile), below = hn::Set(d, -quantile);
        gradient = hn::IfThenElse(hn::Gt(error, zero), above,
                                  hn::IfThenElse(hn::Lt(error, zero), below, error));
        hessian = hn::Set(d, 1.0);
      });
}

}  // namespace HWY_NAMESPACE
}  // namespace ramet
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ramet {

HWY_EXPORT(QuantileGradients);

const Loss kQuantile = {
    .name = "quantile",
    .classification = false,
    .num_outputs = OneOutput,
    .default_metric = "mean_pinball_loss",
    .gradients =
        [](Isa isa, const LossBlock& block) {
          return RAMET_DISPATCH(isa, QuantileGradients)(block);
        },
    .base_scores = BaseScoreOfIdentity,
    .respond = RespondByIdentity,
    .least_at_quantile = [](const LossParameters& parameters) { return parameters.quantile; },
};

}  // namespace ramet
#endif
