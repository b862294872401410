// A model's trees as prediction walks them: decisions on small integers instead of float64 values.
//
//   thresholds of feature f over all trees, sorted ──► a value's position among them (Bin) ──► x <=
//   t  <=>  position <= rank(t)
//
// A categorical feature's bin is 0 for missing, 1 + index for a listed category, and one more for
// any other key. Rows come in blocks, column-major: the bin of row i and used feature f is bins[f *
// kRowsPerBlock + i].
//
// A tree is walked in two steps. Its first levels (`top`) are decided for a whole vector of rows at
// once: every node of them is compared for all rows, and masks say who gets there — a few
// operations per node, shared by as many rows as a vector has bytes. From the exits of the top,
// rows walk on one by one: three levels at a time (`triplets`: the bins of all seven splits are
// picked from the row by byte shuffles and compared at once), or, where bins are wider than a byte,
// features many or splits categorical, one level at a time.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ramet/base/isa.h"
#include "ramet/bins/encode.h"
#include "ramet/model/model.h"

namespace ramet {

// Rows of a block: their bins, beside one tree, stay in the first-level cache. A multiple of every
// vector's lanes.
inline constexpr size_t kRowsPerBlock = 256;
// Splits of a tree's top at most: five levels. Each costs a few operations a vector, whoever gets
// there.
inline constexpr size_t kMaxTopNodes = 31;

// Numeric: bins b with b - missing_right > limit, in unsigned arithmetic of Bin, go right. With
// missing_right = 1 the bin 0 of missing values wraps around to the largest. A leaf is its own left
// child and has the largest limit, so that a row stays.
template <class Bin>
struct ForestNode {
  uint32_t left = 0;     // index in the tree; the right child is left + 1
  uint16_t feature = 0;  // position among the used features
  Bin limit = static_cast<Bin>(~Bin{0});
  Bin missing_right = 0;  // 0 or 1
};

// A numeric split of the top. `left` and `right` are the top node that follows, or kExit + the
// exit's number.
template <class Bin>
struct TopNode {
  static constexpr uint8_t kExit = 0x80;
  uint16_t feature;
  Bin limit, missing_right;
  Bin present_limit;  // for blocks without missing values: bins above it go right
  uint8_t left, right;
};

// Seven numeric splits of three levels: 0, then its children 1 and 2, then theirs, 3 and 4, 5
// and 6.
struct Triplet {
  static constexpr size_t kMaxFeatures = 64;  // of the forest: four shuffles of 16 bytes
  uint8_t shuffle[kMaxFeatures / 16]
                 [8];  // [j][split]: feature - 16 j, or 0x80 where it is not among those 16
  uint8_t missing_right[8];
  uint8_t limit[8];
  uint8_t present_limit[8];
  int32_t next[8];  // for each of the eight ways through: a triplet, or ~node of the leaf
  double value[8];  // of those leaves
};

// A block of rows: column-major always, row-major (padded to a multiple of 16 bytes) for triplets.
template <class Bin>
struct ForestBlock {
  const Bin* columns;
  const uint8_t* rows;  // null where the forest has no triplets
  size_t row_stride;
  bool has_missing = true;  // false: no bin is 0, and one operation a split is saved
};

template <class Bin>
struct ForestTree {
  std::vector<ForestNode<Bin>> nodes;
  std::vector<double> values;  // of leaves, 0 elsewhere
  std::vector<int32_t>
      set_of_node;  // categorical splits: index into sets; -1 elsewhere; empty if there are none
  std::vector<std::vector<uint64_t>> sets;  // bins that go left
  size_t depth = 0;                         // longest path
  std::vector<TopNode<Bin>>
      top;  // the first numeric splits, level by level; parents before children
  bool whole_top =
      false;  // kMaxTopNodes of them: five full levels, exits in order of the way to them
  std::vector<uint32_t> exits;           // node of each exit
  size_t shallowest_exit = 0;            // its level
  std::vector<Triplet> triplets;         // below the exits; empty if the tree has none
  std::vector<int32_t> triplet_of_exit;  // or ~node of a leaf
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
  size_t num_features = 0;  // used ones
  // Bytes from row to row of row-major blocks; 0 where triplets are not used.
  size_t row_stride = 0;
};

// Sorted distinct finite thresholds of every feature.
std::vector<std::vector<double>> ThresholdsOf(const Model& model);
std::vector<bool> UsedFeatures(const Model& model);

template <class Bin>
Forest<Bin> MakeForest(const Model& model, std::span<const std::vector<double>> thresholds);

// leaves[i] = node index of the leaf of row i, for the first `rows` rows of a block (readable for
// all kRowsPerBlock).
template <class Bin>
void FindLeaves(Isa isa, const ForestTree<Bin>& tree, const ForestBlock<Bin>& block, size_t rows,
                uint32_t* leaves);

// scores[i * stride] += the value of the leaf of row i.
template <class Bin>
void AddTree(Isa isa, const ForestTree<Bin>& tree, const ForestBlock<Bin>& block, size_t rows,
             double* scores, size_t stride);

}  // namespace ramet
