// The area under the ROC curve: the probability that a positive row scores above a negative one,
// ties counting half.
//
//   groups of equal score (ranking.h) ──► 2 U = sum_g N_g (2 P_above + P_g); AUC = U / (P N)
//
// By cells it differs from the exact one by at most half the pairs within cells: 1/2 sum_c P_c N_c
// / (P N).
#pragma once

#include "ramet/metric/ranking.h"

namespace ramet {

// NaN if one side has no weight, or a score with weight is NaN. On the threads of the caller.
double OneAgainstRestAuc(const Context& context, const OneAgainstRest& rows,
                         size_t max_rows_to_sort = kMaxRowsToSort);

}  // namespace ramet
