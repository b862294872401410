// The area under the ROC curve: the probability that a positive row scores above a negative one,
// ties counting half.
//
//   few rows:   (score, weight) ──sort──► groups of equal score ─┐
//   many rows:  score ──► one of 2^20 fixed cells ──► counts ────┴─► 2 U = sum_g P_g (2 N_below +
//   N_g); AUC = U / (P N)
//
// Invariants
//   A1. Weights are integers here: multiples of a step that depends on the weights' exact maximum
//   and sum alone, fine
//       enough for a total of 2^61. So sums and products are exact, and order-free. Without weights
//       every row is 1. The rounding of the weights moves the AUC by less than rows x 2^-60.
//   A2. Cells cut the line monotonically (ScoreCell), so pairs of rows in different cells are
//   counted right, and the cell
//       version differs from the exact one by at most half the pairs within cells: 1/2 sum_c P_c
//       N_c / (P N).
//   A3. Which version runs depends on the number of rows alone.
#pragma once

#include <cstdint>
#include <span>

#include "ramet/metric/metric.h"

namespace ramet {

inline constexpr size_t kMaxRowsToSort = size_t{1} << 22;
inline constexpr uint32_t kNumScoreCells = uint32_t{1} << 20;

// The cell of a score: monotone, even in rounded arithmetic, symmetric about 0, for scores on a
// log-odds scale. With c = 4 the cells are 8e-6 wide at score 0, 8e-5 at 9 (a probability of 1e-4),
// and infinities have the end cells.
uint32_t ScoreCell(double score);

// AUC of rows whose label is `positive` against all others. NaN if one side has no weight, or a
// score with weight is NaN. More than `max_rows_to_sort` rows go by cells. Called on the threads of
// the caller (parallel.h).
double OneAgainstRestAuc(std::span<const double> scores, std::span<const double> labels,
                         double positive, std::span<const float> weights,
                         size_t max_rows_to_sort = kMaxRowsToSort);

}  // namespace ramet
