// The top of a tree for a block of rows: the vector kernel under FindLeaves.
#pragma once

#include "ramet/predict/forest.h"

namespace ramet {

// exits[i] = number of the exit that row i takes, for all rows of the block. The tree has a top.
void WalkTop(Isa isa, const ForestTree<uint8_t>& tree, const uint8_t* bins, size_t rows, uint8_t* exits);
void WalkTop(Isa isa, const ForestTree<uint16_t>& tree, const uint16_t* bins, size_t rows, uint16_t* exits);
void WalkTop(Isa isa, const ForestTree<uint32_t>& tree, const uint32_t* bins, size_t rows, uint32_t* exits);

}  // namespace ramet
