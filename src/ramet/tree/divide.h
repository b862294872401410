// The innermost loop of partitioning: which rows go left.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ramet/base/isa.h"
#include "ramet/split/split.h"

namespace ramet {

// Writes those of rows[0, count) whose bin in `column` is in `left_bins` to `left` and the others
// to `right`, each in order; returns how many went left. `left` may be `rows` itself. Writes only
// to the first `count` places of either. `column` is readable 3 bytes beyond its last row. About
// 0.5 ns a row for the bins of a threshold, 1 ns for those of categories.
size_t DivideRows(Isa isa, const uint32_t* rows, size_t count, const uint8_t* column,
                  const BinSet& left_bins, uint32_t* left, uint32_t* right);

}  // namespace ramet
