// mean_pinball_loss: the weighted mean of q (target - prediction) where the target is above, of
// (1 - q) (prediction - target) where it is below; q is the loss's quantile.
#include "ramet/metric/metrics.h"
#include "ramet/metric/predictions.h"
#include "ramet/metric/weighted_mean.h"

namespace ramet {

double MeanPinballLoss(const Context& context, const Evaluation& evaluation) {
  const double quantile = evaluation.loss_parameters.quantile;
  return WeightedMean(context, evaluation.labels.size(), evaluation.weights,
                      [&](size_t begin, size_t end, double* out) {
                        const double* predicted = Predictions(context, evaluation, begin, end, out);
                        for (size_t i = 0; i < end - begin; ++i) {
                          const double above = evaluation.labels[begin + i] - predicted[i];
                          out[i] = above >= 0 ? quantile * above : (quantile - 1) * above;
                        }
                      });
}

}  // namespace ramet
