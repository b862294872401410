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

// Exact sum of value(row) over the rows.
template <class Value>
double SumOver(const Context& context, size_t num_rows, const RowSelection& rows,
               const Value& value) {
  const size_t count = rows.count(num_rows);
  double largest = ParallelReduce<double>(
      0, count, kRowsPerTask, 0.0,
      [&](double& local, size_t begin, size_t end) {
        for (size_t i = begin; i < end; ++i) local = std::max(local, std::fabs(value(rows[i])));
      },
      [](double& into, const double& from) { into = std::max(into, from); });
  AllReduce(context, largest,
            [](double& into, const double& from) { into = std::max(into, from); });
  const FixedPoint scale = FixedPoint::For(largest);
  ExactSum sum = ParallelReduce<ExactSum>(
      0, count, kRowsPerTask, ExactSum{},
      [&](ExactSum& local, size_t begin, size_t end) {
        for (size_t i = begin; i < end; ++i) local.Add(scale.Quantise(value(rows[i])));
      },
      [](ExactSum& into, const ExactSum& from) { into.Add(from); });
  AllReduce(context, sum, [](ExactSum& into, const ExactSum& from) { into.Add(from); });
  return scale.ToDouble(sum);
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
  const auto weight = [&](size_t row) {
    return data.weights.empty() ? 1.0 : static_cast<double>(data.weights[row]);
  };
  const double total = SumOver(context, data.num_rows, rows, weight);
  std::vector<double> statistics;
  if (loss.classification) {
    for (size_t k = 0; k < data.classes.size(); ++k)
      statistics.push_back(SumOver(context, data.num_rows, rows,
                                   [&](size_t row) {
                                     return data.labels[row] == static_cast<double>(k) ? weight(row)
                                                                                       : 0.0;
                                   }) /
                           total);
  } else {
    statistics.push_back(SumOver(context, data.num_rows, rows,
                                 [&](size_t row) { return data.labels[row] * weight(row); }) /
                         total);
  }
  return loss.base_scores(statistics);
}

}  // namespace ramet
