// M: leaf values are put in order, by the least amount.
#include "ramet/boost/monotone.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
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
  size_t changed = 0, kept = 0;
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const TestTree t = RandomTree(1 + random() % (seed % 4 == 0 ? 3 : 20), random);
    const std::vector<double> made = t.Made(t.values);
    ASSERT_TRUE(t.IsMonotone(made));
    const auto [least, most] = std::minmax_element(t.values.begin(), t.values.end());
    for (const double value : made) {
      ASSERT_GE(value, *least);
      ASSERT_LE(value, *most);
    }
    ASSERT_EQ(t.Made(made), made);
    if (t.IsMonotone(t.values)) {
      ASSERT_EQ(made, t.values);
      ++kept;
    }
    changed += made != t.values;
  }
  EXPECT_GT(changed, 300u);
  EXPECT_GT(kept, 50u);
}

// x is the point of a closed convex cone nearest to v exactly where <v - x, x> = 0 and
// <v - x, y> <= 0 for all y of the cone.
TEST(MakeMonotone, MovesValuesByTheLeastAmount) {
  for (uint64_t seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const TestTree t = RandomTree(2 + random() % 16, random);
    const std::vector<double> made = t.Made(t.values);
    double scale = 0;
    for (size_t i = 0; i < made.size(); ++i)
      scale += t.weights[i] * (1 + t.values[i] * t.values[i]);
    const auto product = [&](const std::vector<double>& y) {
      double sum = 0;
      for (size_t i = 0; i < made.size(); ++i) sum += t.weights[i] * (t.values[i] - made[i]) * y[i];
      return sum;
    };
    ASSERT_NEAR(product(made), 0, 1e-12 * scale);
    for (int trial = 0; trial < 50; ++trial) {
      // Steps of the solution, and other members of the cone.
      std::vector<double> y = made;
      const double level = made[random() % made.size()];
      for (double& value : y) value = value > level ? 1 : value == level && trial % 2 == 0 ? 1 : 0;
      if (trial % 5 == 0) {
        for (double& value : y) value = static_cast<double>(random() % 3) - 1;
        y = t.Made(y);
      }
      ASSERT_TRUE(t.IsMonotone(y));
      ASSERT_LE(product(y), 1e-12 * scale);
    }
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

TEST(MakeMonotone, MeetsAtTheMeanOfWhatIsClipped) {
  // One split of a rising feature, whose left value is above its right one.
  TestTree t;
  t.tree.nodes.resize(3);
  t.tree.nodes[0].feature = 0;
  t.tree.nodes[0].left = 1;
  t.leaves = {{1, 0, 0}, {2, 0, 0}};
  t.monotonic = {1};
  t.weights = {1, 3};
  EXPECT_EQ(t.Made({8, 4}), (std::vector<double>{5, 5}));
  EXPECT_EQ(t.Made({4, 8}), (std::vector<double>{4, 8}));
  t.monotonic = {-1};
  EXPECT_EQ(t.Made({4, 8}), (std::vector<double>{7, 7}));
  t.weights = {0, 0};
  EXPECT_TRUE(t.IsMonotone(t.Made({4, 8})));
}

TEST(MakeMonotone, OfManyLeavesIsQuick) {
  // A chain of splits that all ask for what the values deny.
  TestTree t;
  const size_t num_leaves = 4000;
  t.monotonic = {1};
  t.tree.nodes.resize(1);
  size_t node = 0;
  for (size_t leaf = 0; leaf + 1 < num_leaves; ++leaf) {
    const size_t left = t.tree.nodes.size();
    t.tree.nodes[node].feature = 0;
    t.tree.nodes[node].left = static_cast<int32_t>(left);
    t.tree.nodes.resize(left + 2);
    t.leaves.push_back({static_cast<int32_t>(left), 0, 0});
    node = left + 1;
  }
  t.leaves.push_back({static_cast<int32_t>(node), 0, 0});
  for (size_t leaf = 0; leaf < num_leaves; ++leaf) {
    t.values.push_back(-static_cast<double>(leaf));
    t.weights.push_back(1);
  }
  const std::vector<double> made = t.Made(t.values);
  for (const double value : made) ASSERT_EQ(value, made[0]);
  EXPECT_NEAR(made[0], -static_cast<double>(num_leaves - 1) / 2, 1e-6);
}

}  // namespace
}  // namespace ramet
