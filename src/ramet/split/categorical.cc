// Categorical features: one category against the rest where they are few, else the best few from
// either end of the categories in order of their gradient per hessian.

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
void Consider(const FeatureCells& cells, const NodeSums& left, double extra_l2, size_t candidate,
              Best& best) {
  if (!cells.Allowed(left)) return;
  const double l2 = cells.parameters->l2_regularization + extra_l2;
  const NodeSums right = cells.node - left;
  const double g_left = cells.GradientOf(left), h_left = cells.WeightOf(left) + l2;
  const double g_right = cells.GradientOf(right), h_right = cells.WeightOf(right) + l2;
  const double score = cells.bounded ? BoundedGain(cells, g_left, h_left, g_right, h_right)
                                     : PairScore(g_left, h_left, g_right, h_right);
  if (score > best.score) best = {score, candidate, left};
}

// Candidates from the back of the order are numbered from here.
constexpr size_t kFromBack = 256;

// The bins that are not rare in the node, by gradient / (hessian + smoothing), then bin. Few rows
// make noisy ratios: the smoothing pulls these towards 0, the middle of the order.
std::vector<uint32_t> OrderByGradient(const FeatureCells& cells,
                                      const std::vector<uint32_t>& present) {
  std::vector<std::pair<double, uint32_t>> order;
  for (uint32_t bin : present) {
    const NodeSums sums = cells.cell(bin);
    if (sums.count < cells.parameters->min_samples_category) continue;
    const double g = cells.GradientOf(sums);
    // Never 0/0, which has no place in an order.
    order.emplace_back(
        g == 0 ? 0 : g / (cells.WeightOf(sums) + cells.parameters->categorical_smoothing), bin);
  }
  std::sort(order.begin(), order.end());
  std::vector<uint32_t> bins;
  for (const auto& [ratio, bin] : order) bins.push_back(bin);
  return bins;
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
    const std::vector<uint32_t> order = OrderByGradient(cells, present);
    const size_t most =
        std::min(parameters.max_categories_per_split, order.empty() ? 0 : order.size() - 1);
    const auto nth = [&](bool from_back, size_t i) {
      return order[from_back ? order.size() - 1 - i : i];
    };
    for (const bool from_back : {false, true}) {
      NodeSums left;
      uint64_t group = 0;  // rows since the last candidate
      for (size_t i = 0; i < most; ++i) {
        const NodeSums category = cells.cell(nth(from_back, i));
        left = left + category;
        group += category.count;
        if (group < parameters.min_samples_category_group) continue;
        group = 0;
        if (cells.node.count - left.count < parameters.min_samples_category_group) break;
        Consider(cells, left, parameters.categorical_l2, from_back ? kFromBack + i : i, best);
      }
    }
    if (best.candidate == SIZE_MAX) return split;
    for (size_t i = 0; i <= best.candidate % kFromBack; ++i)
      split.left_bins.Insert(nth(best.candidate >= kFromBack, i));
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
