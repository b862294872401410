// Rows of two sides in the order of their scores: what AUC and average precision are made of.
//
//   few rows:   (score, weight) ──sort──► groups of equal score ─┐
//   many rows:  score ──► one of 2^20 fixed cells ──► counts ────┴─► (positives, negatives) of each
//   group, best first
//
// Members merge the counts of the cells. Where they sort, each of a few owners gets all rows of one
// range of scores, so that every record travels once, and no member needs room for all of them; the
// owners visit their groups in turn, best first, and hand on what the visits made. A member sends
// 16 bytes a row, or 32 MiB where cells are counted, in 5 to 14 exchanges.
//
// Invariants
//   A1. Counts are exact sums of integer weights (integer_weights.h), so order-free. The rounding
//   of the weights moves a share of the total by less than rows x 2^-60. A2. Cells cut the line
//   monotonically (ScoreCell), so rows in different cells are in the right order; the cell version
//   only takes the rows of one cell for equal. A3. Which version runs depends on the number of all
//   members' rows alone. A4. All members end with the same state, that of one member with all rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "ramet/metric/metric.h"
#include "ramet/parallel/parallel.h"

namespace ramet {

inline constexpr size_t kMaxRowsToSort = size_t{1} << 22;
inline constexpr uint32_t kNumScoreCells = uint32_t{1} << 20;

// The cell of a score: monotone, even in rounded arithmetic, symmetric about 0, for scores on a
// log-odds scale. With c = 4 the cells are 8e-6 wide at score 0, 8e-5 at 9 (a probability of 1e-4),
// and infinities have the end cells.
uint32_t ScoreCell(double score);

// Unsigned integers in the order of the numbers; -0 and +0 are one, NaN has none.
uint64_t OrderedBits(double x);

// One class's rows against all others.
struct OneAgainstRest {
  std::span<const double> scores, labels;
  double positive;                 // label of the one class
  std::span<const float> weights;  // empty: all 1
};

using GroupVisitor = FunctionRef<void(int64_t positives, int64_t negatives)>;

// Calls visit(weight of positives, weight of negatives) for each group of equal score, the highest
// first. More than `max_rows_to_sort` rows go by cells. False, and no call, if a score with weight
// is NaN. `state`: the object that the visits change, and nothing else; it is copied as bytes. On
// the threads of the caller (parallel.h).
bool VisitScoreGroups(const Context& context, const OneAgainstRest& rows, size_t max_rows_to_sort,
                      std::span<std::byte> state, GroupVisitor visit);
template <class State>
std::span<std::byte> BytesOf(State& state) {
  static_assert(std::is_trivially_copyable_v<State>);
  return std::as_writable_bytes(std::span(&state, 1));
}

// `measure` of a binary model's scores for class 1; of several classes, its mean over the classes
// by log p(class), over those for which it is defined (not NaN).
double OfEachClass(const Context& context, const Evaluation& evaluation,
                   FunctionRef<double(const OneAgainstRest&)> measure);

}  // namespace ramet
