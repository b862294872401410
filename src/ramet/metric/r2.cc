// r2: 1 - (mean squared error) / (weighted variance of the targets), as scikit-learn's. Of equal
// targets it is 1 if all predictions are right, else 0.
#include <algorithm>
#include <cstdint>
#include <limits>

#include "ramet/collective/collective.h"
#include "ramet/metric/metrics.h"
#include "ramet/metric/weighted_mean.h"

namespace ramet {
namespace {

struct Targets {
  double least = std::numeric_limits<double>::infinity();
  uint64_t count = 0;
};

// Of all members' rows with weight.
Targets Look(const Context& context, const Evaluation& evaluation) {
  const auto merge = [](Targets& into, const Targets& from) {
    into.least = std::min(into.least, from.least);
    into.count += from.count;
  };
  Targets targets = ParallelReduce<Targets>(
      0, evaluation.labels.size(), kMetricGrain, {},
      [&](Targets& piece, size_t begin, size_t end) {
        for (size_t row = begin; row < end; ++row) {
          if (!evaluation.weights.empty() && evaluation.weights[row] == 0) continue;
          piece.least = std::min(piece.least, evaluation.labels[row]);
          ++piece.count;
        }
      },
      merge);
  AllReduce(context, targets, merge);
  return targets;
}

}  // namespace

double R2(const Context& context, const Evaluation& evaluation) {
  Targets targets;
  RunOnThreads(context, [&] { targets = Look(context, evaluation); });
  if (targets.count < 2) return std::numeric_limits<double>::quiet_NaN();
  const auto mean_of = [&](auto value) {
    return WeightedMean(context, evaluation.labels.size(), evaluation.weights,
                        [&](size_t begin, size_t end, double* out) {
                          for (size_t row = begin; row < end; ++row)
                            out[row - begin] = value(evaluation.labels[row]);
                        });
  };
  // Above the least one: equal targets differ from their mean by nothing.
  const double mean = mean_of([&](double label) { return label - targets.least; });
  const double variance = mean_of([&](double label) {
    const double distance = (label - targets.least) - mean;
    return distance * distance;
  });
  const double error = MeanSquaredError(context, evaluation);
  if (variance == 0) return error == 0 ? 1 : 0;
  return 1 - error / variance;
}

}  // namespace ramet
