// One row through many trees, for calls of few rows, whose blocks would be nearly empty.
//
// Eight trees are walked at once, so that the loads of one overlap those of the others. No vectors,
// so the instruction set does not matter.
//
// Private to this folder.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "ramet/predict/forest.h"

namespace ramet {

// Calls of up to this many rows go row by row: a row costs about 2 us with 100 trees of 31 leaves,
// a block of any number at least 8.
inline constexpr size_t kFewRows = 4;
inline constexpr size_t kTreesAtOnce = 8;

// leaves[j] = node of the leaf of `row` in trees[j]; row[f] is the bin of used feature f. At most
// kTreesAtOnce trees.
template <class Bin>
void FindLeavesOfRow(std::span<const ForestTree<Bin>> trees, const Bin* row, uint32_t* leaves);

// Calls found(tree, leaf) for trees[0], trees[1], ….
template <class Bin, class Found>
void ForEachLeafOfRow(std::span<const ForestTree<Bin>> trees, const Bin* row, const Found& found) {
  uint32_t leaves[kTreesAtOnce];
  for (size_t first = 0; first < trees.size(); first += kTreesAtOnce) {
    const size_t count = std::min(kTreesAtOnce, trees.size() - first);
    FindLeavesOfRow(trees.subspan(first, count), row, leaves);
    for (size_t j = 0; j < count; ++j) found(first + j, leaves[j]);
  }
}

}  // namespace ramet
