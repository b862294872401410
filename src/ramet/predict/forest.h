// A model's trees as prediction walks them: decisions on small integers instead of float64 values.
//
//   thresholds of feature f over all trees, sorted ──► a value's position among them (Bin) ──► x <= t  <=>  position <= rank(t)
//
// A categorical feature's bin is 0 for missing, 1 + index for a listed category, and one more for any other key.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ramet/bins/encode.h"
#include "ramet/model/model.h"

namespace ramet {

// Numeric: bins b with b - missing_right > limit, in unsigned arithmetic of Bin, go right. With missing_right = 1 the bin 0 of
// missing values wraps around to the largest. A leaf is its own left child and has the largest limit, so that a row stays.
template <class Bin>
struct ForestNode {
  uint32_t left = 0;      // index in the tree; the right child is left + 1
  uint16_t feature = 0;   // position among the used features
  Bin limit = static_cast<Bin>(~Bin{0});
  Bin missing_right = 0;  // 0 or 1
};

template <class Bin>
struct ForestTree {
  std::vector<ForestNode<Bin>> nodes;
  std::vector<double> values;         // of leaves, 0 elsewhere
  std::vector<int32_t> set_of_node;   // categorical splits: index into sets; -1 elsewhere; empty if there are none
  std::vector<std::vector<uint64_t>> sets;  // bins that go left
  size_t depth = 0;                   // longest path
};

// The features that some tree uses, and how their values become bins.
struct ForestFeature {
  size_t model_feature;
  FeatureKind kind;
  NumericEncoder numeric;
  CategoryEncoder categories;
};

template <class Bin>
struct Forest {
  std::vector<ForestTree<Bin>> trees;
};

// Sorted distinct finite thresholds of every feature.
std::vector<std::vector<double>> ThresholdsOf(const Model& model);
std::vector<bool> UsedFeatures(const Model& model);

template <class Bin>
Forest<Bin> MakeForest(const Model& model, std::span<const std::vector<double>> thresholds);

// scores[i * stride] += the value of the leaf of row i, for `rows` rows of `num_features` bins each.
template <class Bin>
void AddTree(const ForestTree<Bin>& tree, const Bin* bins, size_t num_features, size_t rows, double* scores, size_t stride);

// leaves[i * stride] = node index of the leaf of row i.
template <class Bin>
void FindLeaves(const ForestTree<Bin>& tree, const Bin* bins, size_t num_features, size_t rows, int32_t* leaves,
                size_t stride);

}  // namespace ramet
