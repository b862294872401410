// Squared error: (score - y)^2 / 2. gradient = score - y, hessian = 1.

#include "ramet/loss/loss.h"
#include "ramet/loss/one_output.h"
#include "ramet/loss/registry.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ramet/loss/squared_error.cc"
#include <hwy/foreach_target.h>
// After foreach_target.h, so that they are compiled per target.
#include "ramet/base/dispatch.h"
#include "ramet/loss/elementwise-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ramet {
namespace HWY_NAMESPACE {

GradientRange SquaredErrorGradients(const LossBlock& block) {
  return ElementwiseGradients(
      block, [](auto d, auto score, auto label, auto& gradient, auto& hessian) HWY_ATTR {
        gradient = hn::Sub(score, label);
        hessian = hn::Set(d, 1.0);
      });
}

}  // namespace HWY_NAMESPACE
}  // namespace ramet
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ramet {

HWY_EXPORT(SquaredErrorGradients);

const Loss kSquaredError = {
    .name = "squared_error",
    .classification = false,
    .num_outputs = OneOutput,
    .default_metric = "rmse",
    .gradients =
        [](Isa isa, const LossBlock& block) {
          return RAMET_DISPATCH(isa, SquaredErrorGradients)(block);
        },
    .base_scores = BaseScoreOfIdentity,
    .respond = RespondByIdentity,
};

}  // namespace ramet
#endif
