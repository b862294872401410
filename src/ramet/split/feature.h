// The search within one feature, which FindBestSplit calls for each.
#pragma once

#include <algorithm>

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
  // With monotonic constraints only.
  bool bounded;
  double direction, lower, upper;
  double node_score;

  NodeSums cell(size_t bin) const { return {gradients[bin], hessians[bin], counts[bin]}; }
  // S2's first half.
  bool Allowed(const NodeSums& left) const {
    const NodeSums right = node - left;
    return left.count >= parameters->min_samples_leaf &&
           right.count >= parameters->min_samples_leaf &&
           WeightOf(left) >= parameters->min_child_weight &&
           WeightOf(right) >= parameters->min_child_weight &&
           WeightOf(left) + parameters->l2_regularization > 0 &&
           WeightOf(right) + parameters->l2_regularization > 0;
  }
  double GradientOf(const NodeSums& sums) const {
    return static_cast<double>(sums.gradient) * gradient_step;
  }
  double WeightOf(const NodeSums& sums) const {
    return static_cast<double>(static_cast<int64_t>(sums.hessian)) * hessian_step;
  }
};

// Score of two children: GL^2/HL + GR^2/HR over a common denominator (one division), l2 included in
// h. The vector kernel computes the same, in this order.
inline double PairScore(double g_left, double h_left, double g_right, double h_right) {
  return (g_left * g_left * h_right + g_right * g_right * h_left) / (h_left * h_right);
}

// A child's value within the bounds, and its score by it; l2 included in h.
inline double ClippedValue(double g, double h, double lower, double upper) {
  return std::min(std::max(-(g / h), lower), upper);
}
inline double ValueScore(double g, double h, double value) {
  return -(value * ((g + g) + h * value));
}

// What takes the place of PairScore with monotonic constraints: the gain itself, for scores can be
// negative; -1 if S4 refuses the split. The vector kernel computes the same, in this order.
inline double BoundedGain(const FeatureCells& cells, double g_left, double h_left, double g_right,
                          double h_right) {
  const double left = ClippedValue(g_left, h_left, cells.lower, cells.upper);
  const double right = ClippedValue(g_right, h_right, cells.lower, cells.upper);
  if (cells.direction * left > cells.direction * right) return -1;
  return (ValueScore(g_left, h_left, left) + ValueScore(g_right, h_right, right)) -
         cells.node_score;
}

// Both return the best split whose score is above `score_to_beat`, with the *score* as its gain and
// no feature; gain 0 if there is none. Scores are gains where the cells are bounded.
Split FindNumericSplit(Isa isa, const FeatureCells& cells, double score_to_beat);
Split FindCategoricalSplit(const FeatureCells& cells, double score_to_beat);

}  // namespace ramet
