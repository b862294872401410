// logloss: the weighted mean of -log p(label), computed from raw scores, so that a probability that
// rounds to 0 or 1 still counts for what it is.
#include <algorithm>
#include <limits>

#include "ramet/base/buffer.h"
#include "ramet/metric/kernels.h"
#include "ramet/metric/metrics.h"
#include "ramet/metric/weighted_mean.h"

namespace ramet {
namespace {

constexpr size_t kBlockRows = 256;

void SoftmaxLogLoss(Isa isa, const Evaluation& evaluation, size_t begin, size_t end, double* out) {
  const size_t outputs = evaluation.num_outputs;
  double largest[kBlockRows];
  double log_sum[kBlockRows];
  for (size_t block = begin; block < end; block += kBlockRows) {
    const size_t rows = std::min(kBlockRows, end - block);
    const double* scores = evaluation.raw_scores.data() + block * outputs;
    LogSumExp(isa, scores, outputs, rows, largest, log_sum);
    for (size_t i = 0; i < rows; ++i) {
      const double label = evaluation.labels[block + i];
      const bool is_class = label >= 0 && label < static_cast<double>(outputs);
      out[block - begin + i] =
          is_class ? (largest[i] - scores[i * outputs + static_cast<size_t>(label)]) + log_sum[i]
                   : std::numeric_limits<double>::quiet_NaN();
    }
  }
}

}  // namespace

double LogLoss(const Context& context, const Evaluation& evaluation) {
  return WeightedMean(context, evaluation.labels.size(), evaluation.weights,
                      [&](size_t begin, size_t end, double* out) {
                        if (evaluation.num_outputs > 1)
                          SoftmaxLogLoss(context.isa, evaluation, begin, end, out);
                        else
                          BinaryLogLoss(context.isa, evaluation.raw_scores.data() + begin,
                                        evaluation.labels.data() + begin, end - begin, out);
                      });
}

}  // namespace ramet
