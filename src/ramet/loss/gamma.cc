// Half gamma deviance of exp(score), for positive amounts: y exp(-score) + score, less what depends
// on y alone. gradient = 1 - y exp(-score), hessian = y exp(-score).

#include "ramet/loss/loss.h"
#include "ramet/loss/one_output.h"
#include "ramet/loss/registry.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ramet/loss/gamma.cc"
#include <hwy/foreach_target.h>
// After foreach_target.h, so that they are compiled per target.
#include "ramet/base/dispatch.h"
#include "ramet/loss/elementwise-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ramet {
namespace HWY_NAMESPACE {

GradientRange GammaGradients(const LossBlock& block) {
  return ElementwiseGradients(
      block, [](auto d, auto score, auto label, auto& gradient, auto& hessian) HWY_ATTR {
        hessian = hn::Mul(label, Exp(d, hn::Neg(score)));
        gradient = hn::Sub(hn::Set(d, 1.0), hessian);
      });
}

}  // namespace HWY_NAMESPACE
}  // namespace ramet
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ramet {

HWY_EXPORT(GammaGradients);

const Loss kGamma = {
    .name = "gamma",
    .classification = false,
    .num_outputs = OneOutput,
    .default_metric = "mean_gamma_deviance",
    .gradients = [](Isa isa,
                    const LossBlock& block) { return RAMET_DISPATCH(isa, GammaGradients)(block); },
    .base_scores = BaseScoreOfLogLink,
    .respond = RespondByLogLink,
    .respond_rows = RespondRowsByLogLink,
    .log_link = true,
    .labels = LabelDomain::kPositive,
};

}  // namespace ramet
#endif
