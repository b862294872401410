// Makes a tree's leaf values keep monotonic constraints, exactly.
//
// While a tree grows, its constraints are kept by the values that the histograms estimate. Leaf
// values are exact sums, or quantiles of residuals: close by, or quite different. So the bounds are
// taken anew from them, as scikit-learn takes them while growing: a node's value is the weighted
// mean of its leaves' within its bounds; a split of a rising feature bounds its left side from
// above, and its right side from below, by the middle of both children's values (the other way
// round where it falls); leaves are clipped to their bounds. Then
//
//   M. of every split of a monotonic feature, no leaf of the lower side is above any of the upper.
//
// That is enough: two rows that differ in one monotonic feature part at a split of it, in every
// tree; and a sum of float64s in a fixed order never falls when one of them rises.
#pragma once

#include <cstdint>
#include <span>

#include "ramet/tree/grow.h"

namespace ramet {

// `values` (finite) and `weights` (>= 0) are of `leaves`, in their order; `monotonic` is of
// features, or empty: then nothing changes. Missing values may lie on either side of a split.
// O(nodes).
void MakeMonotone(const Tree& tree, std::span<const LeafRows> leaves,
                  std::span<const int8_t> monotonic, std::span<const double> weights,
                  std::span<double> values);

}  // namespace ramet
