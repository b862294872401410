// accuracy: the weighted share of rows whose most probable class is the label. Equal probabilities
// go to the lower class.
#include <algorithm>

#include "ramet/metric/metrics.h"
#include "ramet/metric/weighted_mean.h"

namespace ramet {

double Accuracy(const Context& context, const Evaluation& evaluation) {
  const size_t outputs = evaluation.num_outputs;
  const auto predicted = [&](size_t row) {
    const double* scores = evaluation.raw_scores.data() + row * outputs;
    if (outputs == 1) return static_cast<double>(scores[0] > 0);
    return static_cast<double>(std::max_element(scores, scores + outputs) - scores);
  };
  return WeightedMean(context, evaluation.labels.size(), evaluation.weights,
                      [&](size_t begin, size_t end, double* out) {
                        for (size_t row = begin; row < end; ++row)
                          out[row - begin] = predicted(row) == evaluation.labels[row] ? 1 : 0;
                      });
}

}  // namespace ramet
