#include "ramet/boost/base_score.h"

#include <algorithm>
#include <cmath>

#include "ramet/base/exact_sum.h"
#include "ramet/boost/residuals.h"
#include "ramet/collective/collective.h"
#include "ramet/parallel/parallel.h"

namespace ramet {
namespace {

constexpr size_t kRowsPerTask = 1 << 14;

// Exact sums of value(k, row), k < count, over the rows of all members.
template <class Value>
std::vector<double> SumsOver(const Context& context, size_t num_rows, const RowSelection& rows,
                             size_t count, const Value& value) {
  std::vector<double> largest(count);
  for (size_t k = 0; k < count; ++k)
    largest[k] = ParallelReduce<double>(
        0, rows.count(num_rows), kRowsPerTask, 0.0,
        [&](double& local, size_t begin, size_t end) {
          for (size_t i = begin; i < end; ++i)
            local = std::max(local, std::fabs(value(k, rows[i])));
        },
        [](double& into, const double& from) { into = std::max(into, from); });
  AllReduce(context, std::span(largest),
            [](double& into, const double& from) { into = std::max(into, from); });
  std::vector<ExactSum> sums(count);
  for (size_t k = 0; k < count; ++k) {
    const FixedPoint scale = FixedPoint::For(largest[k]);
    sums[k] = ParallelReduce<ExactSum>(
        0, rows.count(num_rows), kRowsPerTask, ExactSum{},
        [&](ExactSum& local, size_t begin, size_t end) {
          for (size_t i = begin; i < end; ++i) local.Add(scale.Quantise(value(k, rows[i])));
        },
        [](ExactSum& into, const ExactSum& from) { into.Add(from); });
  }
  AllReduce(context, std::span(sums), [](ExactSum& into, const ExactSum& from) { into.Add(from); });
  std::vector<double> values;
  for (size_t k = 0; k < count; ++k)
    values.push_back(FixedPoint::For(largest[k]).ToDouble(sums[k]));
  return values;
}

}  // namespace

std::vector<double> BaseScores(const Context& context, const Loss& loss,
                               const LossParameters& parameters, const Dataset& data,
                               const RowSelection& rows) {
  if (loss.least_at_quantile != nullptr) {
    const double quantile = loss.least_at_quantile(parameters);
    return loss.base_scores(std::vector{
        ResidualQuantiles(context, quantile, data.labels, data.weights).OfLabels(rows)});
  }
  // First of the weights, then of each class's weights or of the weighted labels.
  const auto value = [&](size_t k, size_t row) {
    const double weight = data.weights.empty() ? 1.0 : static_cast<double>(data.weights[row]);
    if (k == 0) return weight;
    if (!loss.classification) return data.labels[row] * weight;
    return data.labels[row] == static_cast<double>(k - 1) ? weight : 0.0;
  };
  const size_t count = 1 + (loss.classification ? data.classes.size() : 1);
  const std::vector<double> sums = SumsOver(context, data.num_rows, rows, count, value);
  std::vector<double> statistics;
  for (size_t k = 1; k < count; ++k) statistics.push_back(sums[k] / sums[0]);
  return loss.base_scores(statistics);
}

}  // namespace ramet
