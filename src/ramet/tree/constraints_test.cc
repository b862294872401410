// R4, and what sampling means: which features may split which node.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "ramet/base/hash.h"
#include "ramet/tree/testing.h"

namespace ramet {
namespace {

using Random = std::mt19937_64;

TEST(AllowedFeatures, AreThoseThatShareAGroupWithThePath) {
  for (uint64_t seed = 0; seed < 500; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const uint32_t num_features = 1 + static_cast<uint32_t>(random() % 12);
    Interactions interactions;
    interactions.groups.resize(random() % 5);
    for (auto& group : interactions.groups)
      for (uint32_t f = 0; f < num_features; ++f)
        if (random() % 2 == 0) group.push_back(f);
    interactions.max_path_features = random() % 2 == 0 ? 0 : 1 + random() % 3;
    std::set<uint32_t> path;
    for (size_t i = random() % 4; i > 0; --i)
      path.insert(static_cast<uint32_t>(random() % num_features));
    const size_t most = interactions.max_path_features;
    if (most != 0 && path.size() > most) continue;

    const std::vector<uint32_t> allowed = AllowedFeatures(
        interactions, num_features, std::vector<uint32_t>(path.begin(), path.end()));
    EXPECT_TRUE(std::is_sorted(allowed.begin(), allowed.end()));
    for (uint32_t f = 0; f < num_features; ++f) {
      std::set<uint32_t> together = path;
      together.insert(f);
      const bool one_group =
          interactions.groups.empty() ||
          std::any_of(interactions.groups.begin(), interactions.groups.end(), [&](const auto& g) {
            return std::includes(g.begin(), g.end(), together.begin(), together.end());
          });
      const bool expected = most != 0 && together.size() > most ? false
                            : most != 0 && path.size() == most  ? true
                                                                : one_group;
      EXPECT_EQ(std::binary_search(allowed.begin(), allowed.end(), f), expected) << "feature " << f;
    }
  }
}

TEST(TreeGrower, NoPathMixesWhatNoGroupHolds) {
  size_t paths = 0, mixed = 0;
  for (uint64_t seed = 0; seed < 120; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const Problem p = MakeProblem(200 + random() % 1000, 2 + random() % 8, random);
    GrowParameters parameters = RandomParameters(random);
    ConstrainAtRandom(p, random, parameters);
    if (random() % 2 == 0) parameters.max_features = 0.4;
    const Interactions& interactions = parameters.interactions;
    const Tree tree = Grow(p, parameters, ContextOf(2)).grown.tree;
    std::vector<std::set<uint32_t>> above(tree.nodes.size());
    for (size_t i = 0; i < tree.nodes.size(); ++i) {
      const Node& node = tree.nodes[i];
      if (!node.is_leaf()) {
        const size_t left = static_cast<size_t>(node.left);
        above[left] = above[i];
        above[left].insert(static_cast<uint32_t>(node.feature));
        above[left + 1] = above[left];
        continue;
      }
      ++paths;
      mixed += above[i].size() > 1;
      if (interactions.max_path_features != 0) {
        ASSERT_LE(above[i].size(), interactions.max_path_features);
      }
      if (interactions.groups.empty()) continue;
      ASSERT_TRUE(std::any_of(
          interactions.groups.begin(), interactions.groups.end(), [&](const auto& group) {
            return std::includes(group.begin(), group.end(), above[i].begin(), above[i].end());
          }));
    }
  }
  EXPECT_GT(paths, 500u);
  EXPECT_GT(mixed, 200u);
}

// Equal features: a node is split by the lowest that was drawn.
Problem EqualFeatures(size_t num_features) {
  Random random(3);
  Problem p = MakeProblem(400, 1, random);
  while (p.mapper.features[0].kind != FeatureKind::kNumeric || p.mapper.features[0].num_bins() < 9)
    p = MakeProblem(400, 1, random);
  BinnedMatrix bins(p.num_rows, num_features);
  for (size_t f = 0; f < num_features; ++f) {
    for (size_t row = 0; row < p.num_rows; ++row)
      bins.mutable_column(f)[row] = bins.mutable_row(row)[f] = p.bins.row(row)[0];
  }
  p.bins = std::move(bins);
  p.mapper.features.assign(num_features, p.mapper.features[0]);
  return p;
}

double Choose(size_t n, size_t k) {
  double ways = k > n ? 0 : 1;
  for (size_t i = 0; i < k && ways > 0; ++i)
    ways = ways * static_cast<double>(n - i) / static_cast<double>(i + 1);
  return ways;
}

// Draws of `drawn` of n: the lowest is i in C(n - 1 - i, drawn - 1) of C(n, drawn) cases.
void ExpectLowestOfDraws(const std::map<int32_t, size_t>& lowest, size_t n, size_t drawn) {
  size_t trees = 0;
  for (const auto& [feature, count] : lowest) trees += count;
  for (size_t i = 0; i < n; ++i) {
    const double share = Choose(n - 1 - i, drawn - 1) / Choose(n, drawn);
    const auto found = lowest.find(static_cast<int32_t>(i));
    const double seen = found == lowest.end() ? 0 : static_cast<double>(found->second);
    const double expected = share * static_cast<double>(trees);
    if (share == 0)
      EXPECT_EQ(seen, 0) << "feature " << i;
    else
      EXPECT_NEAR(seen, expected, 5 * std::sqrt(expected)) << "feature " << i;
  }
}

TEST(TreeGrower, ANodeDrawsItsShareOfTheAllowedFeaturesRoundedUp) {
  const Problem p = EqualFeatures(8);
  GrowParameters parameters;
  parameters.max_leaf_nodes = 3;
  parameters.max_features = 0.3;  // of 8: 3; of 5: 2
  parameters.interactions.groups = {{0, 1, 2, 3, 4}, {5, 6, 7}};
  const Context context = ContextOf(1);
  TreeGrower grower(context, p.mapper, p.bins, parameters);
  std::map<int32_t, size_t> root, below;
  for (uint64_t key = 0; key < 3000; ++key) {
    const Tree tree = grower.Grow(p.quantised, Mix64(key)).tree;
    ++root[tree.nodes[0].feature];
    if (tree.nodes[0].feature > 4) continue;
    const Node& child = tree.nodes[tree.nodes[1].is_leaf() ? 2 : 1];
    if (!child.is_leaf()) ++below[child.feature];
  }
  ExpectLowestOfDraws(root, 8, 3);
  ExpectLowestOfDraws(below, 5, 2);
}

TEST(TreeGrower, DrawsOneFeatureAtLeast) {
  const Problem p = EqualFeatures(4);
  GrowParameters parameters;
  parameters.max_leaf_nodes = 2;
  parameters.max_features = 1e-9;
  const Context context = ContextOf(1);
  TreeGrower grower(context, p.mapper, p.bins, parameters);
  std::map<int32_t, size_t> root;
  for (uint64_t key = 0; key < 1000; ++key)
    ++root[grower.Grow(p.quantised, Mix64(key)).tree.nodes[0].feature];
  ExpectLowestOfDraws(root, 4, 1);
}

TEST(TreeGrower, ColumnSamplingDependsOnTheKeyAlone) {
  Random random(7);
  const Problem p = MakeProblem(1000, 12, random);
  GrowParameters parameters;
  parameters.max_features = 0.25;
  const Context context = ContextOf(1);
  TreeGrower grower(context, p.mapper, p.bins, parameters);
  const Tree first = grower.Grow(p.quantised, 1).tree, second = grower.Grow(p.quantised, 2).tree;
  EXPECT_NE(first, second);
  EXPECT_EQ(grower.Grow(p.quantised, 1).tree, first);
}

}  // namespace
}  // namespace ramet
