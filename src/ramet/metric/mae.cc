// mae: the weighted mean of |prediction - target|.
#include <cmath>

#include "ramet/metric/metrics.h"
#include "ramet/metric/predictions.h"
#include "ramet/metric/weighted_mean.h"

namespace ramet {

double MeanAbsoluteError(const Context& context, const Evaluation& evaluation) {
  return WeightedMean(context, evaluation.labels.size(), evaluation.weights,
                      [&](size_t begin, size_t end, double* out) {
                        const double* predicted = Predictions(context, evaluation, begin, end, out);
                        for (size_t i = 0; i < end - begin; ++i)
                          out[i] = std::fabs(predicted[i] - evaluation.labels[begin + i]);
                      });
}

}  // namespace ramet
