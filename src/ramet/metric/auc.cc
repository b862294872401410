#include "ramet/metric/auc.h"

#include <limits>

#include "ramet/base/exact_sum.h"
#include "ramet/metric/metrics.h"

namespace ramet {
namespace {

struct Seen {
  int64_t positives = 0, negatives = 0;
  int128_t twice_pairs = 0;  // 2 x (pairs in the right order + half the ties)
};

}  // namespace

double OneAgainstRestAuc(const Context& context, const OneAgainstRest& rows,
                         size_t max_rows_to_sort) {
  Seen seen;
  const bool valid = VisitScoreGroups(context, rows, max_rows_to_sort, BytesOf(seen),
                                      [&](int64_t group_positives, int64_t group_negatives) {
                                        seen.twice_pairs +=
                                            static_cast<int128_t>(group_negatives) *
                                            (int128_t{2} * seen.positives + group_positives);
                                        seen.positives += group_positives;
                                        seen.negatives += group_negatives;
                                      });
  if (!valid || seen.positives == 0 || seen.negatives == 0)
    return std::numeric_limits<double>::quiet_NaN();
  const int128_t all = int128_t{2} * seen.positives * seen.negatives;
  return static_cast<double>(seen.twice_pairs) / static_cast<double>(all);
}

double Auc(const Context& context, const Evaluation& evaluation) {
  double auc = 0;
  RunOnThreads(context, [&] {
    auc = OfEachClass(context, evaluation,
                      [&](const OneAgainstRest& rows) { return OneAgainstRestAuc(context, rows); });
  });
  return auc;
}

}  // namespace ramet
