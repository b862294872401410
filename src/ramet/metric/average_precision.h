// Average precision: the mean of the precision at each positive row's score, the area under the
// precision-recall curve in steps (scikit-learn's average_precision_score).
//
//   groups of equal score (ranking.h) ──► sum_g P_g / P x P_seen / (P_seen + N_seen), best first
//
// The counts are exact; the sum is float64 in the order of the scores, which is fixed.
#pragma once

#include "ramet/metric/ranking.h"

namespace ramet {

// NaN if no positive row has weight, or a score with weight is NaN. On the threads of the caller.
double OneAgainstRestAveragePrecision(const Context& context, const OneAgainstRest& rows,
                                      size_t max_rows_to_sort = kMaxRowsToSort);

}  // namespace ramet
