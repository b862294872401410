// From a grown tree to leaf values: which leaf each row is in, and the exact sums of each leaf's
// gradients.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ramet/base/exact_sum.h"
#include "ramet/bins/bins.h"
#include "ramet/loss/loss.h"
#include "ramet/tree/grow.h"

namespace ramet {

// A row's leaf: its position in GrownTree::leaves. kNoLeaf: the row was not used to grow the tree.
using LeafIndex = uint16_t;
inline constexpr LeafIndex kNoLeaf = 0xffff;
inline constexpr size_t kMaxLeaves = 0xffff;

struct LeafSums {
  double gradient = 0, hessian = 0;
};

// Writes the leaf of each row of the tree's partition; `all_rows`: these are all rows, else the
// others become kNoLeaf.
void AssignLeaves(const GrownTree& grown, const uint32_t* row_ids, bool all_rows,
                  std::span<LeafIndex> leaf_of_row);

// Routes the rows that are kNoLeaf through the tree.
void RouteUnusedRows(const GrownTree& grown, const BinnedMatrix& bins,
                     std::span<LeafIndex> leaf_of_row);

// Exact sums (design rule 5a) of the float32 gradients and hessians of each leaf over all members'
// rows; kNoLeaf rows count nowhere. `range` is that of all members.
std::vector<LeafSums> SumLeaves(const Context& context, size_t num_leaves,
                                std::span<const LeafIndex> leaf_of_row,
                                std::span<const GradientHessian> gradients,
                                const GradientRange& range);

// -gradient / (hessian + l2) of each leaf; 0 where that is undefined.
std::vector<double> NewtonSteps(std::span<const LeafSums> sums, double l2_regularization);

}  // namespace ramet
