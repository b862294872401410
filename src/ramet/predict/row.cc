#include "ramet/predict/row.h"

namespace ramet {
namespace {

template <class Bin>
inline uint32_t NumericStep(const ForestNode<Bin>* nodes, uint32_t node, const Bin* row) {
  const ForestNode<Bin>& split = nodes[node];
  const Bin bin = static_cast<Bin>(row[split.feature] - split.missing_right);
  return split.left + (bin > split.limit ? 1 : 0);
}

// A tree with categorical splits.
template <class Bin>
uint32_t LeafOf(const ForestTree<Bin>& tree, const Bin* row) {
  uint32_t node = 0;
  while (tree.nodes[node].left != node) {
    const int32_t set = tree.set_of_node[node];
    if (set < 0) {
      node = NumericStep(tree.nodes.data(), node, row);
      continue;
    }
    const ForestNode<Bin>& split = tree.nodes[node];
    const Bin bin = row[split.feature];
    const bool left = (tree.sets[static_cast<size_t>(set)][bin / 64] >> (bin % 64)) & 1;
    node = split.left + (left ? 0 : 1);
  }
  return node;
}

// Numeric trees. A leaf is its own left child, so rows that have arrived stay while others walk on.
template <class Bin>
void WalkTogether(const ForestTree<Bin>* const* trees, size_t depth, const Bin* row,
                  uint32_t* leaves) {
  const ForestNode<Bin>* nodes[kTreesAtOnce];
  uint32_t at[kTreesAtOnce] = {};
  for (size_t j = 0; j < kTreesAtOnce; ++j) nodes[j] = trees[j]->nodes.data();
  constexpr size_t kLevelsPerCheck = 3;
  for (size_t level = 0; level < depth; level += kLevelsPerCheck) {
    uint32_t moved = 0;
    for (size_t j = 0; j < kTreesAtOnce; ++j) {
      const uint32_t before = at[j];
      for (size_t step = 0; step < kLevelsPerCheck; ++step)
        at[j] = NumericStep(nodes[j], at[j], row);
      moved |= at[j] ^ before;
    }
    if (moved == 0) break;
  }
  std::copy_n(at, kTreesAtOnce, leaves);
}

}  // namespace

template <class Bin>
void FindLeavesOfRow(std::span<const ForestTree<Bin>> trees, const Bin* row, uint32_t* leaves) {
  const ForestTree<Bin>* numeric[kTreesAtOnce];
  size_t depth = 0;
  bool together = true;
  for (size_t j = 0; j < kTreesAtOnce; ++j) {
    numeric[j] = &trees[std::min(j, trees.size() - 1)];
    depth = std::max(depth, numeric[j]->depth);
    together &= numeric[j]->sets.empty();
  }
  if (together) {
    uint32_t found[kTreesAtOnce];
    WalkTogether(numeric, depth, row, found);
    std::copy_n(found, trees.size(), leaves);
    return;
  }
  for (size_t j = 0; j < trees.size(); ++j) {
    if (trees[j].sets.empty()) {
      uint32_t node = 0;
      const ForestNode<Bin>* nodes = trees[j].nodes.data();
      while (nodes[node].left != node) node = NumericStep(nodes, node, row);
      leaves[j] = node;
    } else {
      leaves[j] = LeafOf(trees[j], row);
    }
  }
}

template void FindLeavesOfRow(std::span<const ForestTree<uint8_t>>, const uint8_t*, uint32_t*);
template void FindLeavesOfRow(std::span<const ForestTree<uint16_t>>, const uint16_t*, uint32_t*);
template void FindLeavesOfRow(std::span<const ForestTree<uint32_t>>, const uint32_t*, uint32_t*);

}  // namespace ramet
