#include "ramet/metric/average_precision.h"

#include <limits>

#include "ramet/metric/metrics.h"

namespace ramet {
namespace {

struct Seen {
  int64_t positives = 0, all = 0;
  double sum = 0;
};

}  // namespace

double OneAgainstRestAveragePrecision(const Context& context, const OneAgainstRest& rows,
                                      size_t max_rows_to_sort) {
  Seen seen;
  const bool valid =
      VisitScoreGroups(context, rows, max_rows_to_sort, BytesOf(seen),
                       [&](int64_t group_positives, int64_t group_negatives) {
                         seen.positives += group_positives;
                         seen.all += group_positives + group_negatives;
                         if (group_positives == 0) return;
                         const double precision =
                             static_cast<double>(seen.positives) / static_cast<double>(seen.all);
                         seen.sum += static_cast<double>(group_positives) * precision;
                       });
  if (!valid || seen.positives == 0) return std::numeric_limits<double>::quiet_NaN();
  return seen.sum / static_cast<double>(seen.positives);
}

double AveragePrecision(const Context& context, const Evaluation& evaluation) {
  double average = 0;
  RunOnThreads(context, [&] {
    average = OfEachClass(context, evaluation, [&](const OneAgainstRest& rows) {
      return OneAgainstRestAveragePrecision(context, rows);
    });
  });
  return average;
}

}  // namespace ramet
