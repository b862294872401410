// Random nodes, and the naive search that FindBestSplit must equal.
//
// The oracle enumerates every candidate in the order of S1, takes its sums from the cells anew,
// applies S2 and the formula of split.h, and keeps the first of equals.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "ramet/split/split.h"

namespace ramet {

struct TestNode {
  BinMapper mapper;
  CellFormat format;
  Histogram histogram;
  NodeSums sums;
  SplitParameters parameters;
  std::vector<int8_t> directions;  // monotonic constraints, with the bounds
  double lower = -std::numeric_limits<double>::infinity();
  double upper = std::numeric_limits<double>::infinity();

  HistogramLayout layout() const { return HistogramLayout(mapper); }
  Monotone monotone() const { return {directions, lower, upper}; }
  Split Find(const Context& context, std::span<const uint32_t> allowed = {}) const {
    return FindBestSplit(context, layout(), format, histogram, sums, parameters, allowed,
                         monotone());
  }
};

// The search as the header documents it, candidate by candidate.
class NaiveSearch {
 public:
  explicit NaiveSearch(const TestNode& node) : node_(node), layout_(node.layout()) {
    const double g = GradientOf(node.sums),
                 h = WeightOf(node.sums) + node.parameters.l2_regularization;
    if (bounded())
      bounded_node_score_ = h > 0 ? BoundedScore(g, h) : 0;
    else
      node_score_ = h > 0 ? g * g / h : 0;
    best_score_ = node_score_ + node.parameters.min_split_gain;
  }

  Split Search(std::vector<uint32_t> features) {
    if (features.empty())
      for (uint32_t f = 0; f < layout_.num_features(); ++f) features.push_back(f);
    for (const uint32_t f : features)
      layout_.categorical(f) ? SearchCategorical(f) : SearchNumeric(f);
    if (best_.found()) best_.gain = best_score_ - node_score_;
    return best_.gain > 0 ? best_ : Split{};
  }

 private:
  double GradientOf(const NodeSums& s) const {
    return static_cast<double>(s.gradient) * node_.format.gradient_step();
  }
  double WeightOf(const NodeSums& s) const {
    return static_cast<double>(static_cast<int64_t>(s.hessian)) * node_.format.hessian_step();
  }
  bool bounded() const { return !node_.directions.empty(); }
  double Value(double g, double h) const { return std::clamp(-g / h, node_.lower, node_.upper); }
  double BoundedScore(double g, double h) const {
    const double v = Value(g, h);
    return -v * (2 * g + h * v);
  }
  NodeSums Sums(uint32_t feature, const BinSet& bins) const {
    NodeSums sums;
    for (size_t b = 0; b < layout_.num_bins(feature); ++b)
      if (bins.Contains(b)) sums = sums + node_.histogram.cell(layout_.begin(feature) + b);
    return sums;
  }
  bool IsPresent(uint32_t feature, size_t bin) const {
    return node_.histogram.counts()[layout_.begin(feature) + bin] > 0;
  }

  void Try(Split candidate, double extra_l2) {
    const uint32_t feature = static_cast<uint32_t>(candidate.feature);
    const SplitParameters& p = node_.parameters;
    const NodeSums left = Sums(feature, candidate.left_bins), right = node_.sums - left;
    for (const NodeSums& child : {left, right}) {
      if (child.count < std::max<uint64_t>(p.min_samples_leaf, 1)) return;
      if (WeightOf(child) < p.min_child_weight || !(WeightOf(child) + p.l2_regularization > 0))
        return;
    }
    const double l2 = p.l2_regularization + extra_l2;
    const double gl = GradientOf(left), hl = WeightOf(left) + l2;
    const double gr = GradientOf(right), hr = WeightOf(right) + l2;
    double score = (gl * gl * hr + gr * gr * hl) / (hl * hr);
    if (bounded()) {
      const int direction = node_.directions[feature];
      if (direction == 1 && Value(gl, hl) > Value(gr, hr)) return;
      if (direction == -1 && Value(gl, hl) < Value(gr, hr)) return;
      score = BoundedScore(gl, hl) + BoundedScore(gr, hr) - bounded_node_score_;
    }
    if (!(score > best_score_)) return;
    best_score_ = score;
    candidate.left = left;
    if (!IsPresent(feature, 0)) {
      candidate.missing_left = left.count >= right.count;  // S3
      if (candidate.missing_left) candidate.left_bins.Insert(0);
    }
    best_ = candidate;
    best_.gain = score;
  }

  void SearchNumeric(uint32_t feature) {
    for (size_t last = 1; last < layout_.num_bins(feature); ++last) {
      Split split;
      split.feature = static_cast<int32_t>(feature);
      split.last_left_bin = static_cast<int32_t>(last);
      for (size_t b = 1; b <= last; ++b) split.left_bins.Insert(b);
      Try(split, 0);
      if (!IsPresent(feature, 0)) continue;
      split.missing_left = true;
      split.left_bins.Insert(0);
      Try(split, 0);
    }
  }

  void SearchCategorical(uint32_t feature) {
    const SplitParameters& p = node_.parameters;
    std::vector<uint32_t> present;
    for (uint32_t b = 0; b < layout_.num_bins(feature); ++b)
      if (IsPresent(feature, b)) present.push_back(b);
    const auto cell = [&](uint32_t b) { return node_.histogram.cell(layout_.begin(feature) + b); };
    const auto try_set = [&](const std::vector<uint32_t>& bins, double l2) {
      Split split;
      split.feature = static_cast<int32_t>(feature);
      split.categorical = true;
      for (uint32_t b : bins) split.left_bins.Insert(b);
      split.missing_left = split.left_bins.Contains(0);
      Try(split, l2);
    };
    if (present.size() <= p.max_categories_one_vs_rest) {
      if (present.size() < 2) return;
      for (uint32_t b : present) try_set({b}, 0);
      return;
    }
    std::erase_if(present, [&](uint32_t b) { return cell(b).count < p.min_samples_category; });
    const auto ratio = [&](uint32_t b) {
      const double g = GradientOf(cell(b));
      return g == 0 ? 0 : g / (WeightOf(cell(b)) + p.categorical_smoothing);
    };
    std::stable_sort(present.begin(), present.end(),
                     [&](uint32_t a, uint32_t b) { return ratio(a) < ratio(b); });
    for (int end = 0; end < 2; ++end) {
      if (end == 1) std::reverse(present.begin(), present.end());
      uint64_t last = 0;  // rows of the last set that was large enough a step
      std::vector<uint32_t> set;
      uint64_t rows = 0;
      for (size_t i = 0; i + 1 < present.size() && i < p.max_categories_per_split; ++i) {
        set.push_back(present[i]);
        rows += cell(present[i]).count;
        if (rows - last < p.min_samples_category_group) continue;
        last = rows;
        if (node_.sums.count - rows >= p.min_samples_category_group) try_set(set, p.categorical_l2);
      }
    }
  }

  const TestNode& node_;
  HistogramLayout layout_;
  double node_score_ = 0, bounded_node_score_ = 0, best_score_;
  Split best_;
};

// A node of `rows` rows over random features; `categorical` is the share of categorical ones in
// percent.
inline TestNode RandomNode(size_t num_features, size_t rows, unsigned categorical,
                           std::mt19937_64& random) {
  TestNode node;
  for (size_t f = 0; f < num_features; ++f) {
    FeatureBins bins;
    const size_t size = random() % 3 == 0 ? random() % 255 : random() % 12;
    if (random() % 100 < categorical) {
      bins.kind = FeatureKind::kCategorical;
      for (size_t i = 0; i < std::min<size_t>(size, 254); ++i)
        bins.categories.emplace_back(static_cast<int64_t>(i));
      bins.folded = random() % 2 == 0;
    } else {
      bins.has_values = random() % 10 > 0;
      if (bins.has_values) bins.thresholds.resize(std::min<size_t>(size, 254));
    }
    node.mapper.features.push_back(bins);
  }
  node.format.gradient_shift = static_cast<int>(random() % 30);
  node.format.hessian_shift = static_cast<int>(random() % 30);
  const HistogramLayout layout(node.mapper);
  node.histogram = Histogram(layout.num_cells());
  std::fill_n(node.histogram.gradients(), layout.num_cells(), 0);
  std::fill_n(node.histogram.hessians(), layout.num_cells(), 0);
  std::fill_n(node.histogram.counts(), layout.num_cells(), 0);
  // Few distinct gradients and hessians of zero make ties and empty children.
  const bool coarse = random() % 2 == 0, zero_hessians = random() % 4 == 0;
  std::vector<std::pair<bool, bool>> shape(
      num_features);  // has missing values; values in few bins only
  for (auto& [missing, narrow] : shape) {
    missing = random() % 2 == 0;
    narrow = random() % 3 == 0;
  }
  for (size_t row = 0; row < rows; ++row) {
    int64_t g = static_cast<int64_t>(random() % 65537) - 32768;
    if (coarse) g = g > 0 ? 1000 : -1000;
    uint64_t h = coarse ? 16 : random() % 4097;
    if (zero_hessians && random() % 2 == 0) h = 0;
    node.sums = node.sums + NodeSums{g, h, 1};
    for (size_t f = 0; f < num_features; ++f) {
      const size_t bins = layout.num_bins(f);
      size_t bin =
          bins == 1 ? 0
                    : 1 + random() % (shape[f].second ? std::min<size_t>(bins - 1, 3) : bins - 1);
      if (shape[f].first && random() % 5 == 0) bin = 0;
      const size_t cell = layout.begin(f) + bin;
      node.histogram.gradients()[cell] += g;
      node.histogram.hessians()[cell] += h;
      node.histogram.counts()[cell] += 1;
    }
  }
  SplitParameters& p = node.parameters;
  p.min_samples_leaf = random() % 3 == 0 ? 1 + random() % (rows / 2 + 1) : 1;
  p.min_child_weight = random() % 2 == 0 ? 0
                                         : std::ldexp(static_cast<double>(random() % 100000),
                                                      -node.format.hessian_shift);
  p.l2_regularization = random() % 2 == 0 ? 0 : static_cast<double>(random() % 1000) / 16;
  p.min_split_gain = random() % 4 == 0 ? static_cast<double>(random() % 1000) : 0;
  p.max_categories_one_vs_rest = random() % 8;
  p.categorical_smoothing = random() % 3 == 0 ? 0 : 10;
  p.categorical_l2 = random() % 3 == 0 ? 0 : 10;
  p.max_categories_per_split = random() % 2 == 0 ? 1 + random() % 40 : 255;
  p.min_samples_category = random() % 2 == 0 ? 0 : random() % 10;
  p.min_samples_category_group = random() % 2 == 0 ? 0 : random() % (rows / 4 + 1);
  return node;
}

// Constraints on some numeric features, and bounds of the order of the node's value, on one side,
// on both or on none.
inline void ConstrainAtRandom(TestNode& node, std::mt19937_64& random) {
  const HistogramLayout layout = node.layout();
  for (size_t f = 0; f < layout.num_features(); ++f) {
    const int direction = layout.categorical(f) ? 0 : static_cast<int>(random() % 3) - 1;
    node.directions.push_back(static_cast<int8_t>(direction));
  }
  const double h = std::max<double>(1, static_cast<double>(node.sums.hessian));
  const double scale = node.format.gradient_step() / node.format.hessian_step() *
                       (1 + std::fabs(static_cast<double>(node.sums.gradient)) / h);
  const auto draw = [&] { return scale * (static_cast<double>(random() % 2001) - 1000) / 500; };
  const double a = draw(), b = draw();
  if (random() % 3 > 0) node.lower = std::min(a, b);
  if (random() % 3 > 0) node.upper = std::max(a, b);
}

}  // namespace ramet
