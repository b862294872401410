#include "ramet/predict/forest.h"

#include <algorithm>
#include <cmath>

#include "ramet/predict/walk.h"

namespace ramet {
namespace {

// Rows that walk down a deep tree together.
constexpr size_t kRowsPerGroup = 16;

std::vector<uint64_t> LeftBins(const ModelFeature& feature, const Node& node,
                               const CategorySet& set) {
  const size_t bins = feature.categories.size() + 2;
  std::vector<uint64_t> left((bins + 63) / 64, 0);
  const auto insert = [&](size_t bin) { left[bin / 64] |= uint64_t{1} << (bin % 64); };
  if (node.missing_left) insert(0);
  for (size_t i = 0; i < feature.categories.size(); ++i)
    if (set.Contains(i)) insert(i + 1);
  if (set.others_left) insert(feature.categories.size() + 1);
  return left;
}

template <class Bin>
inline uint32_t NumericStep(const ForestNode<Bin>* nodes, uint32_t node, const Bin* bins) {
  const ForestNode<Bin>& split = nodes[node];
  const Bin bin = static_cast<Bin>(bins[split.feature * kRowsPerBlock] - split.missing_right);
  return split.left + (bin > split.limit ? 1 : 0);
}

template <class Bin>
inline uint32_t AnyStep(const ForestTree<Bin>& tree, uint32_t node, const Bin* bins) {
  const int32_t set = tree.set_of_node[node];
  if (set < 0) return NumericStep(tree.nodes.data(), node, bins);
  const ForestNode<Bin>& split = tree.nodes[node];
  const Bin bin = bins[split.feature * kRowsPerBlock];
  return split.left + (((tree.sets[static_cast<size_t>(set)][bin / 64] >> (bin % 64)) & 1) ? 0 : 1);
}

template <bool kCategorical, class Bin>
inline uint32_t Step(const ForestTree<Bin>& tree, const ForestNode<Bin>* nodes, uint32_t node,
                     const Bin* bins) {
  return kCategorical ? AnyStep(tree, node, bins) : NumericStep(nodes, node, bins);
}

// Moves rows down a given number of levels. No branch depends on a row, so that the processor works
// on many at once.
template <bool kCategorical, size_t kLevels, class Bin>
void WalkLevels(const ForestTree<Bin>& tree, const Bin* bins, size_t rows, uint32_t* leaves) {
  const ForestNode<Bin>* nodes = tree.nodes.data();
  for (size_t i = 0; i < rows; ++i) {
    uint32_t node = leaves[i];
    for (size_t level = 0; level < kLevels; ++level)
      node = Step<kCategorical>(tree, nodes, node, bins + i);
    leaves[i] = node;
  }
}

// Moves rows down to their leaves, `levels` below at most: a few levels are done without looking;
// in deep trees rows go four levels at a time until all of a group have arrived.
template <bool kCategorical, class Bin>
void WalkDown(const ForestTree<Bin>& tree, const Bin* bins, size_t levels, size_t rows,
              uint32_t* leaves) {
  switch (levels) {
    case 0:
      return;
    case 1:
      return WalkLevels<kCategorical, 1>(tree, bins, rows, leaves);
    case 2:
      return WalkLevels<kCategorical, 2>(tree, bins, rows, leaves);
    case 3:
      return WalkLevels<kCategorical, 3>(tree, bins, rows, leaves);
    case 4:
      return WalkLevels<kCategorical, 4>(tree, bins, rows, leaves);
    case 5:
      return WalkLevels<kCategorical, 5>(tree, bins, rows, leaves);
    case 6:
      return WalkLevels<kCategorical, 6>(tree, bins, rows, leaves);
  }
  constexpr size_t kLevelsPerCheck = 4;
  for (size_t i = 0; i < rows; i += kRowsPerGroup) {
    const size_t group = std::min(kRowsPerGroup, rows - i);
    bool moved = true;
    for (size_t level = 0; level < levels && moved; level += kLevelsPerCheck) {
      uint32_t before[kRowsPerGroup];
      std::copy(leaves + i, leaves + i + group, before);
      WalkLevels<kCategorical, kLevelsPerCheck>(tree, bins + i, group, leaves + i);
      moved = !std::equal(before, before + group, leaves + i);
    }
  }
}

// The first numeric splits of the tree, level by level.
template <class Bin>
void SetTop(ForestTree<Bin>& tree) {
  const auto in_top = [&](uint32_t node) {
    return tree.nodes[node].left != node &&
           (tree.set_of_node.empty() || tree.set_of_node[node] < 0);
  };
  if (!in_top(0)) return;
  struct Entry {
    uint32_t node;
    size_t level;
  };
  std::vector<Entry> queue = {{0, 0}};
  tree.shallowest_exit = tree.depth;
  size_t planned = 1;  // nodes of the top, those in the queue included
  for (size_t i = 0; i < queue.size(); ++i) {
    const auto [index, level] = queue[i];
    const ForestNode<Bin>& node = tree.nodes[index];
    const auto follow = [&](uint32_t child) -> uint8_t {
      if (in_top(child) && planned < kMaxTopNodes) {
        queue.push_back({child, level + 1});
        return static_cast<uint8_t>(planned++);
      }
      const bool leaf = tree.nodes[child].left == child;
      if (!leaf) tree.shallowest_exit = std::min(tree.shallowest_exit, level + 1);
      tree.exits.push_back(child);
      return static_cast<uint8_t>(TopNode<Bin>::kExit + tree.exits.size() - 1);
    };
    TopNode<Bin> top{node.feature,
                     node.limit,
                     node.missing_right,
                     static_cast<Bin>(node.limit + node.missing_right),
                     0,
                     0};
    top.left = follow(node.left);
    top.right = follow(node.left + 1);
    tree.top.push_back(top);
  }
  tree.whole_top = queue.size() == kMaxTopNodes && queue.back().level == 4;
}

bool HasTriplets(const ForestTree<uint8_t>& tree) { return !tree.triplet_of_exit.empty(); }

// The triplets that hang below the exits of the top (or below the root), level by level.
void SetTriplets(ForestTree<uint8_t>& tree) {
  const auto is_leaf = [&](uint32_t node) { return tree.nodes[node].left == node; };
  std::vector<uint32_t> roots;  // of the triplets, in order
  const auto triplet_at = [&](uint32_t node) {
    if (is_leaf(node)) return ~static_cast<int32_t>(node);
    roots.push_back(node);
    return static_cast<int32_t>(roots.size() - 1);
  };
  for (uint32_t exit : tree.exits) tree.triplet_of_exit.push_back(triplet_at(exit));
  for (size_t t = 0; t < roots.size(); ++t) {
    Triplet triplet{};
    std::fill_n(&triplet.shuffle[0][0], sizeof triplet.shuffle, uint8_t{0x80});
    uint32_t level[8] = {roots[t]};
    // Splits 0; 1, 2; 3 to 6. Below a leaf all ways lead to it.
    for (size_t first = 0, width = 1; first < 7; first += width, width *= 2) {
      uint32_t below[8];
      for (size_t i = 0; i < width; ++i) {
        const ForestNode<uint8_t>& node = tree.nodes[level[i]];
        const size_t split = first + i;
        triplet.shuffle[node.feature / 16][split] = node.feature % 16;
        triplet.limit[split] = node.limit;
        triplet.missing_right[split] = node.missing_right;
        triplet.present_limit[split] = static_cast<uint8_t>(node.limit + node.missing_right);
        below[2 * i] = node.left;
        below[2 * i + 1] = is_leaf(level[i]) ? level[i] : node.left + 1;
      }
      std::copy(below, below + 2 * width, level);
    }
    for (size_t way = 0; way < 8; ++way) {
      // A leaf reached early stands at several ends; triplet_at gives the same ~leaf for each.
      triplet.next[way] = triplet_at(level[way]);
      triplet.value[way] = tree.values[level[way]];
    }
    tree.triplets.push_back(triplet);
  }
}

template <class Bin>
ForestTree<Bin> MakeTree(const Model& model, const Tree& tree,
                         std::span<const std::vector<double>> thresholds,
                         std::span<const uint16_t> position, bool triplets) {
  ForestTree<Bin> forest_tree;
  const size_t size = tree.nodes.size();
  forest_tree.nodes.resize(size);
  forest_tree.values.resize(size, 0);
  if (!tree.category_sets.empty()) forest_tree.set_of_node.assign(size, -1);
  std::vector<size_t> depth(size, 0);
  for (size_t i = 0; i < size; ++i) {
    const Node& node = tree.nodes[i];
    ForestNode<Bin>& out = forest_tree.nodes[i];
    forest_tree.depth = std::max(forest_tree.depth, depth[i]);
    if (node.is_leaf()) {
      out.left = static_cast<uint32_t>(i);
      forest_tree.values[i] = node.value;
      continue;
    }
    const size_t feature = static_cast<size_t>(node.feature);
    out.left = static_cast<uint32_t>(node.left);
    out.feature = position[feature];
    depth[static_cast<size_t>(node.left)] = depth[static_cast<size_t>(node.left) + 1] =
        depth[i] + 1;
    if (node.category_set >= 0) {
      forest_tree.set_of_node[i] = static_cast<int32_t>(forest_tree.sets.size());
      forest_tree.sets.push_back(
          LeftBins(model.features[feature], node,
                   tree.category_sets[static_cast<size_t>(node.category_set)]));
      continue;
    }
    const std::vector<double>& sorted = thresholds[feature];
    // An infinite threshold is above all: every present value goes left, as bins 1 to sorted.size()
    // + 1.
    const size_t rank =
        static_cast<size_t>(std::lower_bound(sorted.begin(), sorted.end(), node.threshold) -
                            sorted.begin()) +
        1;
    out.missing_right = node.missing_left ? 0 : 1;
    out.limit = static_cast<Bin>(rank - (node.missing_left ? 0 : 1));
  }
  SetTop(forest_tree);
  if constexpr (std::is_same_v<Bin, uint8_t>)
    if (triplets && !forest_tree.top.empty() && forest_tree.sets.empty()) SetTriplets(forest_tree);
  return forest_tree;
}

}  // namespace

std::vector<std::vector<double>> ThresholdsOf(const Model& model) {
  std::vector<std::vector<double>> thresholds(model.features.size());
  for (const Tree& tree : model.trees)
    for (const Node& node : tree.nodes)
      if (!node.is_leaf() && node.category_set < 0 && std::isfinite(node.threshold))
        thresholds[static_cast<size_t>(node.feature)].push_back(node.threshold);
  for (std::vector<double>& values : thresholds) {
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
  }
  return thresholds;
}

std::vector<bool> UsedFeatures(const Model& model) {
  std::vector<bool> used(model.features.size(), false);
  for (const Tree& tree : model.trees)
    for (const Node& node : tree.nodes)
      if (!node.is_leaf()) used[static_cast<size_t>(node.feature)] = true;
  return used;
}

template <class Bin>
Forest<Bin> MakeForest(const Model& model, std::span<const std::vector<double>> thresholds) {
  const std::vector<bool> used = UsedFeatures(model);
  std::vector<uint16_t> position(used.size(), 0);
  uint16_t next = 0;
  for (size_t f = 0; f < used.size(); ++f)
    if (used[f]) position[f] = next++;
  Forest<Bin> forest;
  forest.num_features = next;
  const bool triplets = std::is_same_v<Bin, uint8_t> && next > 0 && next <= Triplet::kMaxFeatures;
  if (triplets) forest.row_stride = (next + 15) / 16 * size_t{16};
  for (const Tree& tree : model.trees)
    forest.trees.push_back(MakeTree<Bin>(model, tree, thresholds, position, triplets));
  return forest;
}

template <class Bin>
void FindLeaves(Isa isa, const ForestTree<Bin>& tree, const ForestBlock<Bin>& block, size_t rows,
                uint32_t* leaves) {
  size_t levels = tree.depth;
  // One lane is no vector: it would visit the whole top for every row.
  if (!tree.top.empty() && isa != Isa::kScalar) {
    alignas(64) Bin exits[kRowsPerBlock];
    WalkTop(isa, tree, block, rows, exits);
    if constexpr (std::is_same_v<Bin, uint8_t>)
      if (HasTriplets(tree)) return FindLeavesByTriplets(isa, tree, block, rows, exits, leaves);
    for (size_t i = 0; i < rows; ++i) leaves[i] = tree.exits[exits[i]];
    levels -= tree.shallowest_exit;
  } else {
    std::fill(leaves, leaves + rows, 0);
  }
  if (tree.sets.empty())
    WalkDown<false>(tree, block.columns, levels, rows, leaves);
  else
    WalkDown<true>(tree, block.columns, levels, rows, leaves);
}

template <class Bin>
void AddTree(Isa isa, const ForestTree<Bin>& tree, const ForestBlock<Bin>& block, size_t rows,
             double* scores, size_t stride) {
  if constexpr (std::is_same_v<Bin, uint8_t>) {
    if (HasTriplets(tree) && isa != Isa::kScalar) {
      alignas(64) uint8_t exits[kRowsPerBlock];
      WalkTop(isa, tree, block, rows, exits);
      return AddTreeByTriplets(isa, tree, block, rows, exits, scores, stride);
    }
  }
  uint32_t leaves[kRowsPerBlock];
  FindLeaves(isa, tree, block, rows, leaves);
  for (size_t i = 0; i < rows; ++i) scores[i * stride] += tree.values[leaves[i]];
}

#define RAMET_INSTANTIATE_FOREST(Bin)                                                          \
  template Forest<Bin> MakeForest(const Model&, std::span<const std::vector<double>>);         \
  template void FindLeaves(Isa, const ForestTree<Bin>&, const ForestBlock<Bin>&, size_t,       \
                           uint32_t*);                                                         \
  template void AddTree(Isa, const ForestTree<Bin>&, const ForestBlock<Bin>&, size_t, double*, \
                        size_t);
RAMET_INSTANTIATE_FOREST(uint8_t)
RAMET_INSTANTIATE_FOREST(uint16_t)
RAMET_INSTANTIATE_FOREST(uint32_t)
#undef RAMET_INSTANTIATE_FOREST

}  // namespace ramet
