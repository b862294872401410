// The best split of one tree node: a pure function of its histogram (design rule 6).
//
//   Histogram + NodeSums + SplitParameters ──FindBestSplit──► Split { feature, bins that go left,
//   gain, sums of the left child }
//
// gain = GL^2/(HL + l2) + GR^2/(HR + l2) - G^2/(H + l2), the decrease of twice the loss (Chen &
// Guestrin 2016), in float64 and in one fixed order of operations.
//
// Numeric features: every threshold, with the missing values on either side where the node has
// some; the last candidate parts missing from present. Categorical features with few categories in
// the node: one against the rest. With more: categories are put in order of gradient / (hessian +
// smoothing) (Fisher 1958), and some from either end go left — at most `max_categories_per_split`,
// in steps of `min_samples_category_group` rows, without those that have fewer than
// `min_samples_category` rows, and at a price in l2, as LightGBM does: many ways to choose fit much
// noise. The missing and the folded bin are categories like others.
//
// Where some feature is monotonic (Monotone), a child's value v = -G/(H + l2) is clipped to the
// node's bounds, a child's score is -v (2G + (H + l2) v), as is the node's, and the gain the
// difference: the same as above where nothing is clipped.
//
// Invariants
//   S1. Ties: the lower feature, then the lower bin (categories: the front end of the order, then
//   fewer), then missing to the
//       right.
//   S2. Both children have at least `min_samples_leaf` rows (exact) and `min_child_weight` hessian,
//   and a hessian
//       above 0 with l2 added; gain > min_split_gain.
//   S3. Where the node has no missing values of the feature, they go to the child with more rows
//   (the left one if equal).
//   S4. No split of a rising feature has a left value above its right one, nor below of a falling
//   one.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <span>

#include "ramet/histogram/histogram.h"

namespace ramet {

struct SplitParameters {
  double l2_regularization = 0;
  double min_child_weight = 0;
  double min_split_gain = 0;
  uint64_t min_samples_leaf = 1;
  size_t max_categories_one_vs_rest = 4;
  double categorical_smoothing = 10;
  double categorical_l2 = 10;
  size_t max_categories_per_split = 32;
  uint64_t min_samples_category = 10;
  uint64_t min_samples_category_group = 100;
};

// What monotonic constraints ask of a node: its ancestors' splits bound the values below it.
struct Monotone {
  // Of each feature: predictions rise (1) or fall (-1) with it, or are free (0); of categorical
  // ones 0. Empty: no constraints at all.
  std::span<const int8_t> directions;
  double lower = -std::numeric_limits<double>::infinity();
  double upper = std::numeric_limits<double>::infinity();
};

// The value of a leaf of these sums: -G/(H + l2), within the bounds.
double BoundedValue(const CellFormat& format, const NodeSums& sums,
                    const SplitParameters& parameters, const Monotone& monotone);

// Bins of one feature that go left, bit b of 256.
struct BinSet {
  std::array<uint64_t, 4> words{};
  bool Contains(size_t bin) const { return (words[bin / 64] >> (bin % 64)) & 1; }
  void Insert(size_t bin) { words[bin / 64] |= uint64_t{1} << (bin % 64); }
  bool operator==(const BinSet&) const = default;
};

struct Split {
  double gain = 0;  // 0: none found
  int32_t feature = -1;
  bool categorical = false;
  int32_t last_left_bin = 0;  // numeric: value bins up to this one go left
  bool missing_left = false;
  BinSet left_bins;  // of all bins, the missing one included
  NodeSums left;     // of the left child
  bool found() const { return feature >= 0; }
  bool operator==(const Split&) const = default;
};

// True if `a` is the better split of one node (S1): by gains, or both by scores.
inline bool Better(const Split& a, const Split& b) {
  if (a.gain != b.gain) return a.gain > b.gain;
  return a.found() && (!b.found() || a.feature < b.feature);
}

// The best split among the layout's features, or those of `allowed` (ascending) where it is not
// empty. Its `gain` is still a score: comparable between features of one node, so that the best of
// several members' features can be found, and then made a gain. O(cells); on all threads for many
// features.
Split FindBestScore(const Context& context, const HistogramLayout& layout, const CellFormat& format,
                    const Histogram& histogram, const NodeSums& node,
                    const SplitParameters& parameters, std::span<const uint32_t> allowed,
                    const Monotone& monotone = {});

// A node's best score as its gain; no split where it gains nothing.
Split SplitOfScore(Split best, const CellFormat& format, const NodeSums& node,
                   const SplitParameters& parameters, const Monotone& monotone = {});

// Both, for who has all features.
Split FindBestSplit(const Context& context, const HistogramLayout& layout, const CellFormat& format,
                    const Histogram& histogram, const NodeSums& node,
                    const SplitParameters& parameters, std::span<const uint32_t> allowed,
                    const Monotone& monotone = {});

}  // namespace ramet
