// Exact weighted means, the one sum behind all metrics but those of ranks.
//
//   value of each row ──► weight x value, rounded once ──► integers on one scale ──► sum / sum of
//   weights, over the rows of all members
//
// Invariants
//   W1. The scale of the integers comes from the largest magnitude of all terms, so the sum depends
//   neither on the
//       order of rows nor on threads nor on who holds which rows (base/exact_sum.h). The rounding
//       error is below 2^-51 of the largest term per row.
//   W2. A row of weight zero counts nowhere, whatever its value, NaN included.
#pragma once

#include <span>

#include "ramet/metric/metric.h"
#include "ramet/parallel/parallel.h"

namespace ramet {

// Rows of one piece of parallel work.
inline constexpr size_t kMetricGrain = 1 << 14;

// Writes the values of rows [begin, end), each >= 0, to out[0 … end - begin).
using RowValues = FunctionRef<void(size_t begin, size_t end, double* out)>;

// The weighted mean of all members' values, `num_rows` of which are here; `weights` may be empty
// (all 1). NaN without any weight, and if some value of non-zero weight is NaN; infinity if one is
// infinite. Takes 8 bytes a row, and two exchanges.
double WeightedMean(const Context& context, size_t num_rows, std::span<const float> weights,
                    RowValues values);

}  // namespace ramet
