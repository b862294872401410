#include "ramet/boost/monotone.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <vector>

namespace ramet {
namespace {

// A node while bounds are taken: of the leaves below it, and what ancestors ask.
struct Bounded {
  double mean = 0, weight = 0;
  double lower = -std::numeric_limits<double>::infinity();
  double upper = std::numeric_limits<double>::infinity();
  double Clip(double value) const { return std::min(std::max(value, lower), upper); }
};

Bounded Joined(const Bounded& left, const Bounded& right) {
  Bounded node;
  node.weight = left.weight + right.weight;
  const double share = node.weight > 0 ? left.weight / node.weight : 0.5;
  node.mean = left.mean * share + right.mean * (1 - share);
  return node;
}

}  // namespace

void MakeMonotone(const Tree& tree, std::span<const LeafRows> leaves,
                  std::span<const int8_t> monotonic, std::span<const double> weights,
                  std::span<double> values) {
  if (monotonic.empty()) return;
  std::vector<Bounded> nodes(tree.nodes.size());
  for (size_t leaf = 0; leaf < leaves.size(); ++leaf) {
    Bounded& node = nodes[static_cast<size_t>(leaves[leaf].node)];
    node.mean = values[leaf];
    node.weight = weights[leaf];
  }
  // Children come after their parents.
  for (size_t i = nodes.size(); i-- > 0;) {
    const size_t left = static_cast<size_t>(tree.nodes[i].left);
    if (!tree.nodes[i].is_leaf()) nodes[i] = Joined(nodes[left], nodes[left + 1]);
  }
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (tree.nodes[i].is_leaf()) continue;
    Bounded& left = nodes[static_cast<size_t>(tree.nodes[i].left)];
    Bounded& right = nodes[static_cast<size_t>(tree.nodes[i].left) + 1];
    left.lower = right.lower = nodes[i].lower;
    left.upper = right.upper = nodes[i].upper;
    const int direction = monotonic[static_cast<size_t>(tree.nodes[i].feature)];
    if (direction == 0) continue;
    const double middle = std::midpoint(nodes[i].Clip(left.mean), nodes[i].Clip(right.mean));
    (direction > 0 ? left : right).upper = middle;
    (direction > 0 ? right : left).lower = middle;
  }
  for (size_t leaf = 0; leaf < leaves.size(); ++leaf)
    values[leaf] = nodes[static_cast<size_t>(leaves[leaf].node)].Clip(values[leaf]) + 0.0;
}

}  // namespace ramet
