// The vector kernels under FindLeaves: the top of a tree for all rows of a block, and triplets
// below it.
#pragma once

#include "ramet/predict/forest.h"

namespace ramet {

// exits[i] = number of the exit that row i takes, for all rows of the block. The tree has a top.
void WalkTop(Isa isa, const ForestTree<uint8_t>& tree, const uint8_t* bins, size_t rows,
             uint8_t* exits);
void WalkTop(Isa isa, const ForestTree<uint16_t>& tree, const uint16_t* bins, size_t rows,
             uint16_t* exits);
void WalkTop(Isa isa, const ForestTree<uint32_t>& tree, const uint32_t* bins, size_t rows,
             uint32_t* exits);

// leaves[i] = node of the leaf that row i reaches from triplet start[i] (or from ~node: that leaf
// itself). Not for Isa::kScalar.
void WalkTriplets(Isa isa, std::span<const Triplet> triplets, const uint8_t* rows_major,
                  size_t row_stride, size_t rows, const int32_t* start, uint32_t* leaves);

}  // namespace ramet
