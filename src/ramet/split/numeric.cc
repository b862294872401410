// Numeric features: every threshold of the feature, in vectors.
//
// A first pass takes the prefix sums of the bins, in integers. A second scores all thresholds, a
// vector at a time, with the missing values right of them and, where there are some, left of them.

#include <algorithm>

#include "ramet/split/feature.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ramet/split/numeric.cc"
#include <hwy/foreach_target.h>
// After foreach_target.h; highway.h is read again for each target.
#include <hwy/highway.h>

#include "ramet/base/dispatch.h"

// Shared by the targets and the code below them.
#ifndef RAMET_SPLIT_NUMERIC_THRESHOLDS_
#define RAMET_SPLIT_NUMERIC_THRESHOLDS_
namespace ramet {

// Sums of the value bins 1 to b at position b - 1, for b = 1 … num_bins - 1.
struct Prefixes {
  static constexpr size_t kMaxBins = 255;
  alignas(64) int64_t gradients[kMaxBins + 1];
  alignas(64) int64_t hessians[kMaxBins + 1];
  alignas(64) int64_t counts[kMaxBins + 1];
};

struct BestThreshold {
  double score;             // to beat, then that of the best
  size_t index = SIZE_MAX;  // position of the best in Prefixes
};

}  // namespace ramet
#endif

HWY_BEFORE_NAMESPACE();
namespace ramet {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// BoundedGain (feature.h) of a vector of splits.
template <class D, class V = hn::VFromD<D>>
HWY_INLINE V BoundedGains(D d, const FeatureCells& cells, V g_left, V h_left, V g_right,
                          V h_right) {
  const auto lower = hn::Set(d, cells.lower), upper = hn::Set(d, cells.upper);
  const auto value = [&](V g, V h) {
    return hn::Min(hn::Max(hn::Neg(hn::Div(g, h)), lower), upper);
  };
  const auto score = [&](V g, V h, V v) {
    return hn::Neg(hn::Mul(v, hn::Add(hn::Add(g, g), hn::Mul(h, v))));
  };
  const V left = value(g_left, h_left), right = value(g_right, h_right);
  const auto direction = hn::Set(d, cells.direction);
  const auto refused = hn::Gt(hn::Mul(direction, left), hn::Mul(direction, right));
  const auto gains = hn::Sub(hn::Add(score(g_left, h_left, left), score(g_right, h_right, right)),
                             hn::Set(d, cells.node_score));
  return hn::IfThenElse(refused, hn::Set(d, -1.0), gains);
}

// Scores the thresholds [first, last) whose left side also holds `extra`; the lowest index among
// equal best ones.
template <bool kBounded, class D>
HWY_INLINE size_t ScoreRange(D d, const FeatureCells& cells, const Prefixes& prefixes,
                             const NodeSums& extra, size_t first, size_t last,
                             BestThreshold& best) {
  const hn::RebindToSigned<D> di;
  const auto gradient_step = hn::Set(d, cells.gradient_step),
             hessian_step = hn::Set(d, cells.hessian_step);
  const auto l2 = hn::Set(d, cells.parameters->l2_regularization);
  const auto least_weight = hn::Set(d, cells.parameters->min_child_weight);
  const auto least_count =
      hn::Set(di, static_cast<int64_t>(cells.parameters->min_samples_leaf) - 1);
  const auto g_node = hn::Set(di, cells.node.gradient);
  const auto h_node = hn::Set(di, static_cast<int64_t>(cells.node.hessian));
  const auto n_node = hn::Set(di, static_cast<int64_t>(cells.node.count));
  const auto g_extra = hn::Set(di, extra.gradient);
  const auto h_extra = hn::Set(di, static_cast<int64_t>(extra.hessian));
  const auto n_extra = hn::Set(di, static_cast<int64_t>(extra.count));
  // A score below this needs no division to be seen not to beat the best: rounding is far smaller
  // than the margin.
  const double margin = 1 - 1e-9;
  auto not_better = hn::Set(d, best.score * (best.score > 0 ? margin : 1 / margin));

  size_t i = first;
  for (; i + hn::Lanes(d) <= last; i += hn::Lanes(d)) {
    const auto n_left = hn::Add(hn::LoadU(di, prefixes.counts + i), n_extra);
    const auto g_left_sum = hn::Add(hn::LoadU(di, prefixes.gradients + i), g_extra);
    const auto h_left_sum = hn::Add(hn::LoadU(di, prefixes.hessians + i), h_extra);
    const auto g_left = hn::Mul(hn::ConvertTo(d, g_left_sum), gradient_step);
    const auto g_right = hn::Mul(hn::ConvertTo(d, hn::Sub(g_node, g_left_sum)), gradient_step);
    const auto h_left = hn::Mul(hn::ConvertTo(d, h_left_sum), hessian_step);
    const auto h_right = hn::Mul(hn::ConvertTo(d, hn::Sub(h_node, h_left_sum)), hessian_step);
    const auto enough_weight = hn::And(hn::Ge(h_left, least_weight), hn::Ge(h_right, least_weight));
    const auto enough_rows =
        hn::And(hn::Gt(n_left, least_count), hn::Gt(hn::Sub(n_node, n_left), least_count));
    const auto h_left_l2 = hn::Add(h_left, l2), h_right_l2 = hn::Add(h_right, l2);
    const auto positive = hn::Gt(hn::Min(h_left_l2, h_right_l2), hn::Zero(d));
    const auto allowed = hn::And(hn::And(enough_weight, positive), hn::RebindMask(d, enough_rows));
    HWY_ALIGN double scores[HWY_MAX_BYTES / sizeof(double)];
    if constexpr (kBounded) {
      const auto gains = BoundedGains(d, cells, g_left, h_left_l2, g_right, h_right_l2);
      hn::Store(hn::IfThenElse(allowed, gains, hn::Set(d, -1.0)), d, scores);
    } else {
      const auto numerator = hn::Add(hn::Mul(hn::Mul(g_left, g_left), h_right_l2),
                                     hn::Mul(hn::Mul(g_right, g_right), h_left_l2));
      const auto denominator = hn::Mul(h_left_l2, h_right_l2);
      if (hn::AllFalse(d, hn::And(allowed, hn::Gt(numerator, hn::Mul(denominator, not_better)))))
        continue;
      hn::Store(hn::IfThenElse(allowed, hn::Div(numerator, denominator), hn::Set(d, -1.0)), d,
                scores);
    }
    for (size_t j = 0; j < hn::Lanes(d); ++j) {
      if (!(scores[j] > best.score)) continue;
      best = {scores[j], i + j};
      not_better = hn::Set(d, best.score * margin);
    }
  }
  return i;
}

template <bool kBounded>
HWY_INLINE void ScoreAll(const FeatureCells& cells, const Prefixes& prefixes, const NodeSums& extra,
                         size_t count, BestThreshold& best) {
  const size_t rest =
      ScoreRange<kBounded>(hn::ScalableTag<double>(), cells, prefixes, extra, 0, count, best);
  ScoreRange<kBounded>(hn::CappedTag<double, 1>(), cells, prefixes, extra, rest, count, best);
}

void FindBestThreshold(const FeatureCells& cells, const Prefixes& prefixes, const NodeSums& extra,
                       size_t count, BestThreshold* best) {
  ScoreAll<false>(cells, prefixes, extra, count, *best);
}
void FindBestBounded(const FeatureCells& cells, const Prefixes& prefixes, const NodeSums& extra,
                     size_t count, BestThreshold* best) {
  ScoreAll<true>(cells, prefixes, extra, count, *best);
}

}  // namespace HWY_NAMESPACE
}  // namespace ramet
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ramet {

HWY_EXPORT(FindBestThreshold);
HWY_EXPORT(FindBestBounded);

namespace {

void TakePrefixes(const FeatureCells& cells, Prefixes& prefixes) {
  int64_t gradient = 0, hessian = 0, count = 0;
  for (size_t bin = 1; bin < cells.num_bins; ++bin) {
    prefixes.gradients[bin - 1] = gradient += cells.gradients[bin];
    prefixes.hessians[bin - 1] = hessian += static_cast<int64_t>(cells.hessians[bin]);
    prefixes.counts[bin - 1] = count += cells.counts[bin];
  }
}

}  // namespace

Split FindNumericSplit(Isa isa, const FeatureCells& cells, double score_to_beat) {
  Split split;
  if (cells.num_bins < 2) return split;
  Prefixes prefixes;
  TakePrefixes(cells, prefixes);
  const auto find =
      cells.bounded ? RAMET_DISPATCH(isa, FindBestBounded) : RAMET_DISPATCH(isa, FindBestThreshold);
  const size_t value_bins = cells.num_bins - 1;
  const bool has_missing = cells.counts[0] > 0;
  // All present values against the missing ones is the last candidate.
  BestThreshold best{score_to_beat};
  find(cells, prefixes, NodeSums{}, has_missing ? value_bins : value_bins - 1, &best);
  split.missing_left = false;
  if (has_missing) {
    // A threshold with missing to the left wins against an equal one only where it is lower (S1).
    BestThreshold other{score_to_beat};
    find(cells, prefixes, cells.cell(0), value_bins - 1, &other);
    if (other.index != SIZE_MAX && (best.index == SIZE_MAX || other.score > best.score ||
                                    (other.score == best.score && other.index < best.index))) {
      best = other;
      split.missing_left = true;
    }
  }
  if (best.index == SIZE_MAX) return Split{};
  split.left =
      NodeSums{prefixes.gradients[best.index], static_cast<uint64_t>(prefixes.hessians[best.index]),
               static_cast<uint64_t>(prefixes.counts[best.index])};
  if (split.missing_left) split.left = split.left + cells.cell(0);
  if (!has_missing) split.missing_left = split.left.count >= cells.node.count - split.left.count;
  split.gain = best.score;
  split.last_left_bin = static_cast<int32_t>(best.index + 1);
  if (split.missing_left) split.left_bins.Insert(0);
  for (size_t bin = 1; bin <= best.index + 1; ++bin) split.left_bins.Insert(bin);
  return split;
}

}  // namespace ramet
#endif
