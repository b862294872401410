#include "ramet/metric/average_precision.h"

#include <limits>

#include "ramet/metric/metrics.h"

namespace ramet {

double OneAgainstRestAveragePrecision(const OneAgainstRest& rows, size_t max_rows_to_sort) {
  int64_t positives = 0, all = 0;
  double sum = 0;
  const bool valid = VisitScoreGroups(
      rows, max_rows_to_sort, [&](int64_t group_positives, int64_t group_negatives) {
        positives += group_positives;
        all += group_positives + group_negatives;
        if (group_positives == 0) return;
        const double precision = static_cast<double>(positives) / static_cast<double>(all);
        sum += static_cast<double>(group_positives) * precision;
      });
  if (!valid || positives == 0) return std::numeric_limits<double>::quiet_NaN();
  return sum / static_cast<double>(positives);
}

double AveragePrecision(const Context& context, const Evaluation& evaluation) {
  double average = 0;
  RunOnThreads(context, [&] {
    average = OfEachClass(context, evaluation, [](const OneAgainstRest& rows) {
      return OneAgainstRestAveragePrecision(rows);
    });
  });
  return average;
}

}  // namespace ramet
