// Absolute error: |score - y|, least at the median. gradient = sign(score - y), hessian = 1 where
// the second derivative is 0: the gradient finds the splits, the median sets the leaf's value.

#include "ramet/loss/loss.h"
#include "ramet/loss/one_output.h"
#include "ramet/loss/registry.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ramet/loss/absolute_error.cc"
#include <hwy/foreach_target.h>
// After foreach_target.h, so that they are compiled per target.
#include "ramet/base/dispatch.h"
#include "ramet/loss/elementwise-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ramet {
namespace HWY_NAMESPACE {

GradientRange AbsoluteErrorGradients(const LossBlock& block) {
  return ElementwiseGradients(
      block, [](auto d, auto score, auto label, auto& gradient, auto& hessian) HWY_ATTR {
        const auto error = hn::Sub(score, label);
        const auto one = hn::Set(d, 1.0), zero = hn::Zero(d);
        gradient = hn::IfThenElse(hn::Gt(error, zero), one,
                                  hn::IfThenElse(hn::Lt(error, zero), hn::Neg(one), error));
        hessian = one;
      });
}

}  // namespace HWY_NAMESPACE
}  // namespace ramet
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ramet {

HWY_EXPORT(AbsoluteErrorGradients);

const Loss kAbsoluteError = {
    .name = "absolute_error",
    .classification = false,
    .num_outputs = OneOutput,
    .default_metric = "mae",
    .gradients =
        [](Isa isa, const LossBlock& block) {
          return RAMET_DISPATCH(isa, AbsoluteErrorGradients)(block);
        },
    .base_scores = BaseScoreOfIdentity,
    .respond = RespondByIdentity,
    .least_at_quantile = [](const LossParameters&) { return 0.5; },
};

}  // namespace ramet
#endif
