// Makes a tree's leaf values keep monotonic constraints, exactly.
//
// While a tree grows, its constraints are kept by the values that the histograms estimate. Leaf
// values are exact sums, or quantiles of residuals: close by, or quite different. So they are moved
// by the least amount (weighted least squares) that puts every split of a monotonic feature right:
//
//   M. No leaf on its lower side is above any leaf on its upper side.
//
// That is enough: two rows that differ in one monotonic feature part at a split of it, in every
// tree; and a sum of float64s in a fixed order never falls when one of them rises.
#pragma once

#include <cstdint>
#include <span>

#include "ramet/tree/grow.h"

namespace ramet {

// `values` and `weights` (>= 0: what a leaf's value is worth, its hessian) are of `leaves`, in
// their order; `monotonic` is of features, or empty: then nothing changes. Splits keep missing
// values out of it: they may lie on either side. O(leaves x depth) where nothing is to be done,
// else times the logarithm of leaves.
void MakeMonotone(const Tree& tree, std::span<const LeafRows> leaves,
                  std::span<const int8_t> monotonic, std::span<const double> weights,
                  std::span<double> values);

}  // namespace ramet
