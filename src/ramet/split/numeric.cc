// Numeric features: every threshold of the feature, in vectors.
//
// A first pass takes the prefix sums over the bins as float64; those thresholds whose children are large enough are one range of
// bins, because counts and hessians only grow. A second pass scores that range, a vector at a time.

#include <algorithm>

#include "ramet/split/feature.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ramet/split/numeric.cc"
#include <hwy/foreach_target.h>
// After foreach_target.h; highway.h is read again for each target.
#include <hwy/highway.h>

#include "ramet/base/dispatch.h"

HWY_BEFORE_NAMESPACE();
namespace ramet {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Best score over the thresholds first, …, last - 1 given the left children's sums; the lowest index among equals. `best` holds
// the score to beat and, if some threshold beats it, that score and index.
template <class D>
HWY_INLINE size_t BestThresholdIn(D d, const double* g_left, const double* h_left, double g_node, double h_node,
                                  double l2, size_t first, size_t last, double* best_score, size_t* best_index) {
  const auto g_all = hn::Set(d, g_node), h_all = hn::Set(d, h_node), l2s = hn::Set(d, l2);
  auto scores = hn::Set(d, *best_score);
  auto indices = hn::Set(d, -1.0);
  auto index = hn::Add(hn::Iota(d, 0.0), hn::Set(d, static_cast<double>(first)));
  const auto step = hn::Set(d, static_cast<double>(hn::Lanes(d)));
  size_t i = first;
  for (; i + hn::Lanes(d) <= last; i += hn::Lanes(d)) {
    const auto gl = hn::LoadU(d, g_left + i);
    const auto hl = hn::LoadU(d, h_left + i);
    const auto gr = hn::Sub(g_all, gl);
    const auto hr = hn::Add(hn::Sub(h_all, hl), l2s);
    const auto hl2 = hn::Add(hl, l2s);
    const auto numerator = hn::Add(hn::Mul(hn::Mul(gl, gl), hr), hn::Mul(hn::Mul(gr, gr), hl2));
    const auto score = hn::Div(numerator, hn::Mul(hl2, hr));
    const auto better = hn::Gt(score, scores);  // false for NaN: 0/0 where a child has no hessian
    scores = hn::IfThenElse(better, score, scores);
    indices = hn::IfThenElse(better, index, indices);
    index = hn::Add(index, step);
  }
  HWY_ALIGN double score_lanes[HWY_MAX_BYTES / sizeof(double)], index_lanes[HWY_MAX_BYTES / sizeof(double)];
  hn::Store(scores, d, score_lanes);
  hn::Store(indices, d, index_lanes);
  for (size_t j = 0; j < hn::Lanes(d); ++j) {
    if (index_lanes[j] < 0) continue;
    const size_t candidate = static_cast<size_t>(index_lanes[j]);
    if (score_lanes[j] > *best_score || (score_lanes[j] == *best_score && candidate < *best_index)) {
      *best_score = score_lanes[j];
      *best_index = candidate;
    }
  }
  return i;
}

void BestThreshold(const double* g_left, const double* h_left, double g_node, double h_node, double l2, size_t first,
                   size_t last, double* best_score, size_t* best_index) {
  const size_t rest = BestThresholdIn(hn::ScalableTag<double>(), g_left, h_left, g_node, h_node, l2, first, last,
                                      best_score, best_index);
  BestThresholdIn(hn::CappedTag<double, 1>(), g_left, h_left, g_node, h_node, l2, rest, last, best_score, best_index);
}

}  // namespace HWY_NAMESPACE
}  // namespace ramet
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ramet {

HWY_EXPORT(BestThreshold);

namespace {

constexpr size_t kNoIndex = SIZE_MAX;

struct Candidate {
  double score;
  size_t bin = kNoIndex;  // last value bin that goes left
  NodeSums left;
};

// The best threshold with the missing values on the given side. Thresholds lie after bins 1, …, last_bin.
Candidate BestOfSide(Isa isa, const FeatureCells& cells, bool missing_left, size_t last_bin, double score_to_beat) {
  double g_left[256], h_left[256];
  NodeSums left = missing_left ? cells.cell(0) : NodeSums{};
  const double weight_needed = cells.parameters->min_child_weight;
  const uint64_t count_needed = cells.parameters->min_samples_leaf;
  size_t first = 1;
  size_t bin = 1;
  for (; bin <= last_bin; ++bin) {
    left = left + cells.cell(bin);
    g_left[bin] = static_cast<double>(left.gradient) * cells.gradient_step;
    h_left[bin] = static_cast<double>(left.hessian) * cells.hessian_step;
    if (left.count < count_needed || h_left[bin] < weight_needed) first = bin + 1;
    if (cells.node.count - left.count < count_needed || cells.WeightOf(cells.node - left) < weight_needed) break;
  }
  Candidate best{.score = score_to_beat, .left = {}};
  if (first < bin) {
    RAMET_DISPATCH(isa, BestThreshold)
    (g_left, h_left, static_cast<double>(cells.node.gradient) * cells.gradient_step, cells.WeightOf(cells.node),
     cells.parameters->l2_regularization, first, bin, &best.score, &best.bin);
  }
  if (best.bin != kNoIndex) {
    best.left = missing_left ? cells.cell(0) : NodeSums{};
    for (size_t b = 1; b <= best.bin; ++b) best.left = best.left + cells.cell(b);
  }
  return best;
}

}  // namespace

Split FindNumericSplit(Isa isa, const FeatureCells& cells) {
  Split split;
  if (cells.num_bins < 2) return split;
  const double parent = ParentScore(cells);
  const double score_to_beat = parent + cells.parameters->min_split_gain;
  const bool has_missing = cells.counts[0] > 0;
  // The last bin ends a left side only where missing values are left over for the right.
  const size_t last_bin = cells.num_bins - (has_missing ? 1 : 2);
  Candidate best = BestOfSide(isa, cells, /*missing_left=*/false, last_bin, score_to_beat);
  bool missing_left = false;
  if (has_missing) {
    const Candidate other = BestOfSide(isa, cells, /*missing_left=*/true, cells.num_bins - 2, score_to_beat);
    if (other.bin != kNoIndex &&
        (best.bin == kNoIndex || other.score > best.score || (other.score == best.score && other.bin < best.bin))) {
      best = other;
      missing_left = true;
    }
  }
  if (best.bin == kNoIndex) return split;
  split.gain = best.score - parent;
  if (!(split.gain > 0)) return Split{};
  split.left = best.left;
  split.last_left_bin = static_cast<int32_t>(best.bin);
  split.missing_left = has_missing ? missing_left : best.left.count >= cells.node.count - best.left.count;
  if (split.missing_left) split.left_bins.Insert(0);
  for (size_t bin = 1; bin <= best.bin; ++bin) split.left_bins.Insert(bin);
  return split;
}

}  // namespace ramet
#endif
