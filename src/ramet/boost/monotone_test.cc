// M: leaf values are put in order, by the bounds that the header speaks of.
#include "ramet/boost/monotone.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace ramet {
namespace {

using Random = std::mt19937_64;

struct TestTree {
  Tree tree;
  std::vector<LeafRows> leaves;
  std::vector<int8_t> monotonic;
  std::vector<double> weights, values;

  // Leaves below a node.
  std::vector<size_t> Below(size_t node) const {
    std::vector<size_t> below;
    for (size_t leaf = 0; leaf < leaves.size(); ++leaf) {
      size_t at = static_cast<size_t>(leaves[leaf].node);
      while (at != node && at != 0) at = ParentOf(at);
      if (at == node) below.push_back(leaf);
    }
    return below;
  }
  size_t ParentOf(size_t node) const {
    for (size_t i = 0; i < tree.nodes.size(); ++i) {
      const size_t left = static_cast<size_t>(tree.nodes[i].left);
      if (!tree.nodes[i].is_leaf() && (left == node || left + 1 == node)) return i;
    }
    return 0;
  }
  bool IsMonotone(const std::vector<double>& v) const {
    for (const Node& node : tree.nodes) {
      if (node.is_leaf()) continue;
      const int direction = monotonic[static_cast<size_t>(node.feature)];
      if (direction == 0) continue;
      for (const size_t left : Below(static_cast<size_t>(node.left)))
        for (const size_t right : Below(static_cast<size_t>(node.left) + 1))
          if (direction > 0 ? v[left] > v[right] : v[left] < v[right]) return false;
    }
    return true;
  }
  std::vector<double> Made(std::vector<double> v) const {
    MakeMonotone(tree, leaves, monotonic, weights, v);
    return v;
  }
};

TestTree RandomTree(size_t num_leaves, Random& random) {
  TestTree t;
  t.tree.nodes.resize(1);
  std::vector<size_t> open = {0};
  while (open.size() < num_leaves) {
    const size_t pick = random() % open.size(), node = open[pick];
    t.tree.nodes[node].feature = static_cast<int32_t>(random() % 4);
    t.tree.nodes[node].left = static_cast<int32_t>(t.tree.nodes.size());
    open[pick] = t.tree.nodes.size();
    open.push_back(t.tree.nodes.size() + 1);
    t.tree.nodes.resize(t.tree.nodes.size() + 2);
  }
  std::sort(open.begin(), open.end());
  t.monotonic = {1, -1, 0, static_cast<int8_t>(static_cast<int>(random() % 3) - 1)};
  const bool coarse = random() % 2 == 0;
  for (const size_t node : open) {
    t.leaves.push_back({static_cast<int32_t>(node), 0, 0});
    t.values.push_back(coarse ? static_cast<double>(random() % 5)
                              : std::ldexp(static_cast<double>(random() % 100000) - 50000, -10));
    t.weights.push_back(random() % 6 == 0 ? 0 : std::ldexp(1.0 + double(random() % 1000), -4));
  }
  return t;
}

TEST(MakeMonotone, PutsEverySplitRightExactly) {
  size_t changed = 0, was_right = 0;
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const TestTree t = RandomTree(1 + random() % (seed % 4 == 0 ? 3 : 20), random);
    const std::vector<double> made = t.Made(t.values);
    ASSERT_TRUE(t.IsMonotone(made));
    const auto [least, most] = std::minmax_element(t.values.begin(), t.values.end());
    for (const double value : made) {
      ASSERT_GE(value, *least - 1e-9);
      ASSERT_LE(value, *most + 1e-9);
    }
    was_right += t.IsMonotone(t.values);
    changed += made != t.values;
  }
  EXPECT_GT(changed, 300u);
  EXPECT_GT(was_right, 50u);
}

// The bounds of one node's leaves, from the root down, each mean from the leaves anew.
void ClipBelow(const TestTree& t, size_t node, double lower, double upper,
               std::vector<double>& values) {
  const Node& split = t.tree.nodes[node];
  if (split.is_leaf()) {
    for (const size_t leaf : t.Below(node))
      values[leaf] = std::min(std::max(t.values[leaf], lower), upper);
    return;
  }
  const size_t left = static_cast<size_t>(split.left), right = left + 1;
  const auto value = [&](size_t child) {
    double sum = 0, weight = 0;
    for (const size_t leaf : t.Below(child)) {
      sum += t.weights[leaf] * t.values[leaf];
      weight += t.weights[leaf];
    }
    return std::min(std::max(sum / weight, lower), upper);
  };
  const int direction = t.monotonic[static_cast<size_t>(split.feature)];
  const double middle = direction == 0 ? 0 : (value(left) + value(right)) / 2;
  ClipBelow(t, left, direction < 0 ? middle : lower, direction > 0 ? middle : upper, values);
  ClipBelow(t, right, direction > 0 ? middle : lower, direction < 0 ? middle : upper, values);
}

TEST(MakeMonotone, ClipsToTheMiddlesOfSplitsAbove) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  for (uint64_t seed = 0; seed < 500; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    TestTree t = RandomTree(1 + random() % 16, random);
    for (double& weight : t.weights) weight += 0.5;
    std::vector<double> expected = t.values;
    ClipBelow(t, 0, -kInf, kInf, expected);
    const std::vector<double> made = t.Made(t.values);
    for (size_t leaf = 0; leaf < made.size(); ++leaf)
      ASSERT_NEAR(made[leaf], expected[leaf], 1e-9) << "leaf " << leaf;
  }
}

TEST(MakeMonotone, LeavesOtherTreesAlone) {
  Random random(5);
  TestTree t = RandomTree(30, random);
  t.monotonic = {0, 0, 0, 0};
  EXPECT_EQ(t.Made(t.values), t.values);
  t.monotonic.clear();
  t.weights.clear();
  EXPECT_EQ(t.Made(t.values), t.values);
}

TEST(MakeMonotone, OneSplitMeetsInTheMiddle) {
  TestTree t;
  t.tree.nodes.resize(3);
  t.tree.nodes[0].feature = 0;
  t.tree.nodes[0].left = 1;
  t.leaves = {{1, 0, 0}, {2, 0, 0}};
  t.weights = {1, 3};
  t.monotonic = {1};
  EXPECT_EQ(t.Made({4, 8}), (std::vector<double>{4, 8}));
  EXPECT_EQ(t.Made({8, 4}), (std::vector<double>{6, 6}));
  t.monotonic = {-1};
  EXPECT_EQ(t.Made({4, 8}), (std::vector<double>{6, 6}));
}

// Sums overflow, halves underflow, no weight is left: the order holds all the same.
TEST(MakeMonotone, HoldsAtTheEndsOfTheNumbers) {
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    TestTree t = RandomTree(2 + random() % 12, random);
    const double extremes[] = {0, 5e-324, -5e-324, 1e-323, 1.7e308, -1.7e308, 1};
    for (double& value : t.values) value = extremes[random() % 7];
    for (double& weight : t.weights) weight = random() % 2 == 0 ? 0 : 5e-324;
    const std::vector<double> made = t.Made(t.values);
    ASSERT_TRUE(t.IsMonotone(made));
    for (const double value : made) {
      ASSERT_TRUE(std::isfinite(value));
      ASSERT_FALSE(value == 0 && std::signbit(value));
    }
  }
}

}  // namespace
}  // namespace ramet
