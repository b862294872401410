// Categorical features: one category against the rest where they are few, else the best prefix of the categories in order of
// their gradient per hessian.

#include <algorithm>
#include <vector>

#include "ramet/split/feature.h"

namespace ramet {
namespace {

struct Best {
  double score;
  size_t candidate = SIZE_MAX;
  NodeSums left;
};

// Scores the two children with `extra_l2` on each; keeps the first of equals.
void Consider(const FeatureCells& cells, const NodeSums& left, double extra_l2, size_t candidate, Best& best) {
  if (!cells.Allowed(left)) return;
  const double l2 = cells.parameters->l2_regularization + extra_l2;
  const NodeSums right = cells.node - left;
  const double score = PairScore(cells.GradientOf(left), cells.WeightOf(left) + l2, cells.GradientOf(right),
                                 cells.WeightOf(right) + l2);
  if (score > best.score) best = {score, candidate, left};
}

}  // namespace

Split FindCategoricalSplit(const FeatureCells& cells, double score_to_beat) {
  const SplitParameters& parameters = *cells.parameters;
  std::vector<uint32_t> present;  // bins with rows in this node
  for (uint32_t bin = 0; bin < cells.num_bins; ++bin)
    if (cells.counts[bin] > 0) present.push_back(bin);
  Split split;
  if (present.size() < 2) return split;

  Best best{.score = score_to_beat, .left = {}};
  if (present.size() <= parameters.max_categories_one_vs_rest) {
    for (uint32_t bin : present) Consider(cells, cells.cell(bin), 0, bin, best);
    if (best.candidate == SIZE_MAX) return split;
    split.left_bins.Insert(best.candidate);
  } else {
    // Rare categories have noisy ratios: the smoothing pulls these towards 0, the middle of the order.
    std::vector<std::pair<double, uint32_t>> order;
    for (uint32_t bin : present) {
      const double g = static_cast<double>(cells.gradients[bin]) * cells.gradient_step;
      const double h = static_cast<double>(cells.hessians[bin]) * cells.hessian_step + parameters.categorical_smoothing;
      order.emplace_back(g == 0 ? 0 : g / h, bin);  // never 0/0, which has no place in an order
    }
    std::sort(order.begin(), order.end());
    NodeSums left;
    for (size_t i = 0; i + 1 < order.size(); ++i) {
      left = left + cells.cell(order[i].second);
      Consider(cells, left, parameters.categorical_l2, i, best);
    }
    if (best.candidate == SIZE_MAX) return split;
    for (size_t i = 0; i <= best.candidate; ++i) split.left_bins.Insert(order[i].second);
  }
  split.categorical = true;
  split.gain = best.score;
  split.left = best.left;
  const bool larger_is_left = best.left.count >= cells.node.count - best.left.count;
  split.missing_left = cells.counts[0] > 0 ? split.left_bins.Contains(0) : larger_is_left;
  if (split.missing_left) split.left_bins.Insert(0);
  return split;
}

}  // namespace ramet
