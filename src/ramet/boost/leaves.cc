#include "ramet/boost/leaves.h"

#include <algorithm>

#include "ramet/collective/collective.h"
#include "ramet/parallel/parallel.h"

namespace ramet {
namespace {

constexpr size_t kRowsPerTask = 1 << 15;
// |q| <= 2^46, so 2^16 addends fit an int64: more than a task has rows.
constexpr int kAddendBits = 46;

struct LimbSums {
  int64_t gradient = 0, hessian = 0;
};
struct WideSums {
  ExactSum gradient, hessian;
};

}  // namespace

void AssignLeaves(const GrownTree& grown, const uint32_t* row_ids, bool all_rows,
                  std::span<LeafIndex> leaf_of_row) {
  if (!all_rows) std::fill(leaf_of_row.begin(), leaf_of_row.end(), kNoLeaf);
  ParallelFor(0, grown.leaves.size(), 1, [&](size_t leaf, size_t) {
    const LeafRows& rows = grown.leaves[leaf];
    for (size_t i = rows.begin; i < rows.end; ++i)
      leaf_of_row[row_ids[i]] = static_cast<LeafIndex>(leaf);
  });
}

void RouteUnusedRows(const GrownTree& grown, const BinnedMatrix& bins,
                     std::span<LeafIndex> leaf_of_row) {
  std::vector<LeafIndex> leaf_of_node(grown.route.size(), kNoLeaf);
  for (size_t leaf = 0; leaf < grown.leaves.size(); ++leaf)
    leaf_of_node[static_cast<size_t>(grown.leaves[leaf].node)] = static_cast<LeafIndex>(leaf);
  ParallelFor(0, leaf_of_row.size(), kRowsPerTask, [&](size_t begin, size_t end) {
    for (size_t row = begin; row < end; ++row)
      if (leaf_of_row[row] == kNoLeaf)
        leaf_of_row[row] = leaf_of_node[static_cast<size_t>(RouteRow(grown.route, bins.row(row)))];
  });
}

std::vector<LeafSums> SumLeaves(const Context& context, size_t num_leaves,
                                std::span<const LeafIndex> leaf_of_row,
                                std::span<const GradientHessian> gradients,
                                const GradientRange& range) {
  const FixedPoint g_scale = FixedPoint::For(range.max_gradient, kAddendBits);
  const FixedPoint h_scale = FixedPoint::For(range.max_hessian, kAddendBits);
  using Sums = std::vector<WideSums>;
  Sums sums = ParallelReduce<Sums>(
      0, leaf_of_row.size(), kRowsPerTask, Sums{},
      [&](Sums& wide, size_t begin, size_t end) {
        std::vector<LimbSums> limbs(num_leaves + 1);  // the last one takes rows without a leaf
        const LeafIndex last = static_cast<LeafIndex>(num_leaves);
        for (size_t row = begin; row < end; ++row) {
          LimbSums& limb = limbs[std::min(leaf_of_row[row], last)];
          limb.gradient += g_scale.Quantise(gradients[row].gradient);
          limb.hessian += h_scale.Quantise(gradients[row].hessian);
        }
        wide.resize(num_leaves);
        for (size_t leaf = 0; leaf < num_leaves; ++leaf) {
          wide[leaf].gradient.Add(limbs[leaf].gradient);
          wide[leaf].hessian.Add(limbs[leaf].hessian);
        }
      },
      [&](Sums& into, const Sums& from) {
        into.resize(num_leaves);
        for (size_t leaf = 0; leaf < num_leaves; ++leaf) {
          into[leaf].gradient.Add(from[leaf].gradient);
          into[leaf].hessian.Add(from[leaf].hessian);
        }
      });
  sums.resize(num_leaves);  // also of a member without rows
  AllReduce(context, std::span(sums), [](WideSums& into, const WideSums& from) {
    into.gradient.Add(from.gradient);
    into.hessian.Add(from.hessian);
  });
  std::vector<LeafSums> result;
  for (const WideSums& leaf : sums)
    result.push_back({g_scale.ToDouble(leaf.gradient), h_scale.ToDouble(leaf.hessian)});
  return result;
}

std::vector<double> NewtonSteps(std::span<const LeafSums> sums, double l2_regularization) {
  std::vector<double> steps(sums.size(), 0);
  for (size_t leaf = 0; leaf < sums.size(); ++leaf) {
    const double hessian = sums[leaf].hessian + l2_regularization;
    if (hessian > 0) steps[leaf] = -sums[leaf].gradient / hessian;
  }
  return steps;
}

}  // namespace ramet
