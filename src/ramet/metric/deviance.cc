// mean_poisson_deviance and mean_gamma_deviance, as scikit-learn's: the weighted means of
//   Poisson: 2 (y log(y / mu) - y + mu)      y >= 0, mu > 0
//   gamma:   2 (log(mu / y) + y / mu - 1)    y > 0, mu > 0
// of predictions mu. A raw score on the log scale serves as log(mu) itself. NaN outside the domain.
#include "ramet/metric/kernels.h"
#include "ramet/metric/metrics.h"
#include "ramet/metric/predictions.h"
#include "ramet/metric/weighted_mean.h"

namespace ramet {
namespace {

double MeanDeviance(const Context& context, const Evaluation& evaluation,
                    decltype(PoissonDeviance)& deviance) {
  return WeightedMean(context, evaluation.labels.size(), evaluation.weights,
                      [&](size_t begin, size_t end, double* out) {
                        deviance(context.isa, evaluation.raw_scores.data() + begin,
                                 HasLogLink(evaluation), evaluation.labels.data() + begin,
                                 end - begin, out);
                      });
}

}  // namespace

double MeanPoissonDeviance(const Context& context, const Evaluation& evaluation) {
  return MeanDeviance(context, evaluation, PoissonDeviance);
}

double MeanGammaDeviance(const Context& context, const Evaluation& evaluation) {
  return MeanDeviance(context, evaluation, GammaDeviance);
}

}  // namespace ramet
