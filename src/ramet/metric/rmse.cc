// rmse: the square root of the weighted mean of (prediction - target)^2.
#include <cmath>

#include "ramet/metric/metrics.h"
#include "ramet/metric/weighted_mean.h"

namespace ramet {

double RootMeanSquaredError(const Context& context, const Evaluation& evaluation) {
  return std::sqrt(WeightedMean(context, evaluation.labels.size(), evaluation.weights,
                                [&](size_t begin, size_t end, double* out) {
                                  for (size_t row = begin; row < end; ++row) {
                                    const double error =
                                        evaluation.raw_scores[row] - evaluation.labels[row];
                                    out[row - begin] = error * error;
                                  }
                                }));
}

}  // namespace ramet
