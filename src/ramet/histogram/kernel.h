// The innermost loops: rows into a scratch histogram, and scratch into a node's cells.
//
// The scratch has kScratchStride cells per feature, whatever its bins, so that a cell's address is
// the feature's constant offset plus its bin. The stride is not a power of two: features with few
// bins would all fall into one cache set.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ramet/base/isa.h"

namespace ramet {

inline constexpr size_t kScratchStride = 256 + 8;

// Adds the words of `count` rows (ids[i], or first + i if `ids` is null) to the scratch of features
// [0, num_features), whose bins begin at `bins` (row r at bins + r * stride). Packed: one word a
// row and cell; wide: two.
void AddRowsPacked(const uint8_t* bins, size_t stride, size_t num_features, const uint32_t* ids,
                   size_t first, size_t count, const uint64_t* words, uint64_t* scratch);
void AddRowsWide(const uint8_t* bins, size_t stride, size_t num_features, const uint32_t* ids,
                 size_t first, size_t count, const uint64_t* words, uint64_t* scratch);

// Adds the scratch of one feature (num_bins cells) to wide cells and clears it.
void WidenPacked(Isa isa, uint64_t* scratch, size_t num_bins, int64_t* gradients,
                 uint64_t* hessians, uint32_t* counts);
void WidenWide(Isa isa, uint64_t* scratch, size_t num_bins, int64_t* gradients, uint64_t* hessians,
               uint32_t* counts);

// a[i] += b[i] or a[i] -= b[i] for all cells.
void AddCells(Isa isa, size_t num_cells, int64_t* gradients, uint64_t* hessians, uint32_t* counts,
              const int64_t* other_gradients, const uint64_t* other_hessians,
              const uint32_t* other_counts);
void SubtractCells(Isa isa, size_t num_cells, int64_t* gradients, uint64_t* hessians,
                   uint32_t* counts, const int64_t* other_gradients, const uint64_t* other_hessians,
                   const uint32_t* other_counts);

}  // namespace ramet
