#include "ramet/predict/forest.h"

#include <algorithm>
#include <cmath>

#include "ramet/predict/walk.h"

namespace ramet {
namespace {

// Rows walked down a tree together: their loads overlap.
constexpr size_t kLanes = 8;
// Levels between two looks at whether all lanes have arrived.
constexpr size_t kLevelsPerCheck = 4;

std::vector<uint64_t> LeftBins(const ModelFeature& feature, const Node& node, const CategorySet& set) {
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
  const Bin bin = static_cast<Bin>(bins[split.column] - split.missing_right);
  return split.left + (bin > split.limit ? 1 : 0);
}

template <class Bin>
inline uint32_t AnyStep(const ForestTree<Bin>& tree, uint32_t node, const Bin* bins) {
  const int32_t set = tree.set_of_node[node];
  if (set < 0) return NumericStep(tree.nodes.data(), node, bins);
  const ForestNode<Bin>& split = tree.nodes[node];
  const Bin bin = bins[split.column];
  return split.left + (((tree.sets[static_cast<size_t>(set)][bin / 64] >> (bin % 64)) & 1) ? 0 : 1);
}

// Moves `n` rows from their nodes down to their leaves, a level at a time, for at most `levels` levels.
template <size_t n, class Bin>
inline void WalkDown(const ForestTree<Bin>& tree, const Bin* bins, size_t levels, uint32_t* leaves) {
  uint32_t node[n];
  for (size_t j = 0; j < n; ++j) node[j] = leaves[j];
  const ForestNode<Bin>* nodes = tree.nodes.data();
  while (levels > 0) {
    const size_t steps = std::min(levels, kLevelsPerCheck);
    levels -= steps;
    uint32_t before[n];
    for (size_t j = 0; j < n; ++j) before[j] = node[j];
    for (size_t k = 0; k < steps; ++k)
      for (size_t j = 0; j < n; ++j)
        node[j] = tree.sets.empty() ? NumericStep(nodes, node[j], bins + j) : AnyStep(tree, node[j], bins + j);
    bool moved = false;
    for (size_t j = 0; j < n; ++j) moved |= node[j] != before[j];
    if (!moved) break;
  }
  for (size_t j = 0; j < n; ++j) leaves[j] = node[j];
}

// The first numeric splits of the tree, level by level.
template <class Bin>
void SetTop(ForestTree<Bin>& tree) {
  const auto in_top = [&](uint32_t node) {
    return tree.nodes[node].left != node && (tree.set_of_node.empty() || tree.set_of_node[node] < 0);
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
    TopNode<Bin> top{node.column, node.limit, node.missing_right, 0, 0};
    top.left = follow(node.left);
    top.right = follow(node.left + 1);
    tree.top.push_back(top);
  }
}

template <class Bin>
ForestTree<Bin> MakeTree(const Model& model, const Tree& tree, std::span<const std::vector<double>> thresholds,
                         std::span<const uint32_t> position) {
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
    out.column = position[feature] * static_cast<uint32_t>(kRowsPerBlock);
    depth[static_cast<size_t>(node.left)] = depth[static_cast<size_t>(node.left) + 1] = depth[i] + 1;
    if (node.category_set >= 0) {
      forest_tree.set_of_node[i] = static_cast<int32_t>(forest_tree.sets.size());
      forest_tree.sets.push_back(LeftBins(model.features[feature], node,
                                          tree.category_sets[static_cast<size_t>(node.category_set)]));
      continue;
    }
    const std::vector<double>& sorted = thresholds[feature];
    // An infinite threshold is above all: every present value goes left, as bins 1 to sorted.size() + 1.
    const size_t rank =
        static_cast<size_t>(std::lower_bound(sorted.begin(), sorted.end(), node.threshold) - sorted.begin()) + 1;
    out.missing_right = node.missing_left ? 0 : 1;
    out.limit = static_cast<Bin>(rank - (node.missing_left ? 0 : 1));
  }
  SetTop(forest_tree);
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
  std::vector<uint32_t> position(used.size(), 0);
  uint32_t next = 0;
  for (size_t f = 0; f < used.size(); ++f)
    if (used[f]) position[f] = next++;
  Forest<Bin> forest;
  for (const Tree& tree : model.trees) forest.trees.push_back(MakeTree<Bin>(model, tree, thresholds, position));
  return forest;
}

template <class Bin>
void FindLeaves(Isa isa, const ForestTree<Bin>& tree, const Bin* bins, size_t rows, uint32_t* leaves) {
  size_t levels = tree.depth;
  // One lane is no vector: it would visit the whole top for every row.
  if (!tree.top.empty() && isa != Isa::kScalar) {
    alignas(64) Bin exits[kRowsPerBlock];
    WalkTop(isa, tree, bins, rows, exits);
    for (size_t i = 0; i < rows; ++i) leaves[i] = tree.exits[exits[i]];
    levels -= tree.shallowest_exit;
  } else {
    std::fill(leaves, leaves + rows, 0);
  }
  size_t i = 0;
  for (; i + kLanes <= rows; i += kLanes) WalkDown<kLanes>(tree, bins + i, levels, leaves + i);
  for (; i < rows; ++i) WalkDown<1>(tree, bins + i, levels, leaves + i);
}

#define RAMET_INSTANTIATE_FOREST(Bin)                                                                          \
  template Forest<Bin> MakeForest(const Model&, std::span<const std::vector<double>>);                         \
  template void FindLeaves(Isa, const ForestTree<Bin>&, const Bin*, size_t, uint32_t*);
RAMET_INSTANTIATE_FOREST(uint8_t)
RAMET_INSTANTIATE_FOREST(uint16_t)
RAMET_INSTANTIATE_FOREST(uint32_t)
#undef RAMET_INSTANTIATE_FOREST

}  // namespace ramet
