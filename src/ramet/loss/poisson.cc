// Half Poisson deviance of exp(score), for counts and rates: exp(score) - y score, less what
// depends on y alone. gradient = exp(score) - y, hessian = exp(score).

#include "ramet/loss/loss.h"
#include "ramet/loss/one_output.h"
#include "ramet/loss/registry.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ramet/loss/poisson.cc"
#include <hwy/foreach_target.h>
// After foreach_target.h, so that they are compiled per target.
#include "ramet/base/dispatch.h"
#include "ramet/loss/elementwise-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ramet {
namespace HWY_NAMESPACE {

GradientRange PoissonGradients(const LossBlock& block) {
  return ElementwiseGradients(
      block, [](auto d, auto score, auto label, auto& gradient, auto& hessian) HWY_ATTR {
        hessian = Exp(d, score);
        gradient = hn::Sub(hessian, label);
      });
}

}  // namespace HWY_NAMESPACE
}  // namespace ramet
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ramet {

HWY_EXPORT(PoissonGradients);

const Loss kPoisson = {
    .name = "poisson",
    .classification = false,
    .num_outputs = OneOutput,
    .default_metric = "mean_poisson_deviance",
    .gradients =
        [](Isa isa, const LossBlock& block) {
          return RAMET_DISPATCH(isa, PoissonGradients)(block);
        },
    .base_scores = BaseScoreOfLogLink,
    .respond = RespondByLogLink,
    .respond_rows = RespondRowsByLogLink,
    .log_link = true,
    .labels = LabelDomain::kNotNegative,
};

}  // namespace ramet
#endif
