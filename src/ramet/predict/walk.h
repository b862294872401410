// The vector kernels under FindLeaves: the top of a tree for all rows of a block, and triplets
// below it.
#pragma once

#include "ramet/predict/forest.h"

namespace ramet {

// exits[i] = number of the exit that row i takes, for all rows of the block. The tree has a top.
void WalkTop(Isa isa, const ForestTree<uint8_t>& tree, const ForestBlock<uint8_t>& block,
             size_t rows, uint8_t* exits);
void WalkTop(Isa isa, const ForestTree<uint16_t>& tree, const ForestBlock<uint16_t>& block,
             size_t rows, uint16_t* exits);
void WalkTop(Isa isa, const ForestTree<uint32_t>& tree, const ForestBlock<uint32_t>& block,
             size_t rows, uint32_t* exits);

// For rows that take the given exits of the tree's top: leaves[i] = node of the leaf of row i, or
// scores[i * stride] += its value. The tree has triplets. Not for Isa::kScalar.
void FindLeavesByTriplets(Isa isa, const ForestTree<uint8_t>& tree,
                          const ForestBlock<uint8_t>& block, size_t rows, const uint8_t* exits,
                          uint32_t* leaves);
void AddTreeByTriplets(Isa isa, const ForestTree<uint8_t>& tree, const ForestBlock<uint8_t>& block,
                       size_t rows, const uint8_t* exits, double* scores, size_t stride);

// The row-major copy of a block (kRowsPerBlock rows of row_stride bytes, a multiple of 16, padded
// with 0).
void TransposeBlock(Isa isa, const uint8_t* columns, size_t num_features, uint8_t* rows_major,
                    size_t row_stride);

}  // namespace ramet
