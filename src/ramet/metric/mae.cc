// mae: the weighted mean of |prediction - target|.
#include <cmath>

#include "ramet/metric/metrics.h"
#include "ramet/metric/weighted_mean.h"

namespace ramet {

double MeanAbsoluteError(const Context& context, const Evaluation& evaluation) {
  return WeightedMean(context, evaluation.labels.size(), evaluation.weights,
                      [&](size_t begin, size_t end, double* out) {
                        for (size_t row = begin; row < end; ++row)
                          out[row - begin] =
                              std::fabs(evaluation.raw_scores[row] - evaluation.labels[row]);
                      });
}

}  // namespace ramet
