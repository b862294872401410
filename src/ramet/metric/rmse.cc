// rmse: the square root of the weighted mean of (prediction - target)^2.
#include <cmath>

#include "ramet/metric/metrics.h"
#include "ramet/metric/predictions.h"
#include "ramet/metric/weighted_mean.h"

namespace ramet {

double MeanSquaredError(const Context& context, const Evaluation& evaluation) {
  return WeightedMean(context, evaluation.labels.size(), evaluation.weights,
                      [&](size_t begin, size_t end, double* out) {
                        const double* predicted = Predictions(context, evaluation, begin, end, out);
                        for (size_t i = 0; i < end - begin; ++i) {
                          const double error = predicted[i] - evaluation.labels[begin + i];
                          out[i] = error * error;
                        }
                      });
}

double RootMeanSquaredError(const Context& context, const Evaluation& evaluation) {
  return std::sqrt(MeanSquaredError(context, evaluation));
}

}  // namespace ramet
