// The search within one feature, which FindBestSplit calls for each.
#pragma once

#include "ramet/split/split.h"

namespace ramet {

// One feature's cells of a node, and what scores a partition of them.
struct FeatureCells {
  const int64_t* gradients;
  const uint64_t* hessians;
  const uint32_t* counts;
  size_t num_bins;
  NodeSums node;
  double gradient_step, hessian_step;
  const SplitParameters* parameters;

  NodeSums cell(size_t bin) const { return {gradients[bin], hessians[bin], counts[bin]}; }
  // S2's first half.
  bool Allowed(const NodeSums& left) const {
    const NodeSums right = node - left;
    return left.count >= parameters->min_samples_leaf && right.count >= parameters->min_samples_leaf &&
           WeightOf(left) >= parameters->min_child_weight && WeightOf(right) >= parameters->min_child_weight;
  }
  double WeightOf(const NodeSums& sums) const { return static_cast<double>(sums.hessian) * hessian_step; }
};

// Score of two children: GL^2/HL + GR^2/HR over a common denominator (one division), h including l2. What the vector
// kernel computes too, in this order.
inline double PairScore(double g_left, double h_left, double g_right, double h_right) {
  return (g_left * g_left * h_right + g_right * g_right * h_left) / (h_left * h_right);
}
inline double ParentScore(const FeatureCells& cells) {
  const double g = static_cast<double>(cells.node.gradient) * cells.gradient_step;
  const double h = cells.WeightOf(cells.node) + cells.parameters->l2_regularization;
  return h > 0 ? g * g / h : 0;
}

// Both set everything but Split::feature; gain stays 0 where nothing is allowed and better than min_split_gain.
Split FindNumericSplit(Isa isa, const FeatureCells& cells);
Split FindCategoricalSplit(const FeatureCells& cells);

}  // namespace ramet
