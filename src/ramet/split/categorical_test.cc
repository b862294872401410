// Categorical splits: FindBestSplit equals the naive search, and is the best of all subsets where
// the order promises it.
#include <gtest/gtest.h>

#include <cmath>

#include "ramet/split/testing.h"

namespace ramet {
namespace {

using Random = std::mt19937_64;

TEST(FindBestSplit, EqualsTheNaiveSearchOfCategories) {
  size_t one_vs_rest = 0, prefixes = 0;
  for (uint64_t seed = 0; seed < 1500; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const TestNode node =
        RandomNode(1 + random() % 5, 1 + random() % 300, seed % 3 == 0 ? 50 : 100, random);
    const Split expected = NaiveSearch(node).Search({});
    ASSERT_EQ(node.Find(Context()), expected);
    ASSERT_TRUE(std::isfinite(expected.gain));
    if (!expected.categorical) continue;
    (node.parameters.max_categories_one_vs_rest < 3 ? prefixes : one_vs_rest) += 1;
  }
  EXPECT_GT(one_vs_rest, 100u);
  EXPECT_GT(prefixes, 100u);
}

// Cells of one categorical feature, the missing bin first.
TestNode NodeOf(const std::vector<NodeSums>& cells) {
  TestNode node;
  FeatureBins bins;
  bins.kind = FeatureKind::kCategorical;
  for (size_t i = 1; i < cells.size(); ++i) bins.categories.emplace_back(static_cast<int64_t>(i));
  node.mapper.features.push_back(bins);
  node.histogram = Histogram(cells.size());
  for (size_t b = 0; b < cells.size(); ++b) {
    node.histogram.gradients()[b] = cells[b].gradient;
    node.histogram.hessians()[b] = cells[b].hessian;
    node.histogram.counts()[b] = static_cast<uint32_t>(cells[b].count);
    node.sums = node.sums + cells[b];
  }
  node.parameters.min_samples_category = node.parameters.min_samples_category_group = 0;
  return node;
}

TEST(FindBestSplit, IsTheBestOfAllSubsetsWithoutSmoothing) {
  // Fisher 1958: with ratios in order and no smoothing, the best of all subsets is a prefix.
  for (uint64_t seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    std::vector<NodeSums> cells(3 + random() % 8);
    for (NodeSums& cell : cells)
      cell = {static_cast<int64_t>(random() % 2001) - 1000, 1 + random() % 500, 1 + random() % 50};
    TestNode node = NodeOf(cells);
    node.parameters.max_categories_one_vs_rest = 0;
    node.parameters.categorical_smoothing = node.parameters.categorical_l2 = 0;
    const double g = static_cast<double>(node.sums.gradient),
                 h = static_cast<double>(node.sums.hessian);
    double best = 0;
    for (size_t subset = 1; subset + 1 < size_t{1} << cells.size(); ++subset) {
      double gl = 0, hl = 0;
      for (size_t b = 0; b < cells.size(); ++b) {
        if (!((subset >> b) & 1)) continue;
        gl += static_cast<double>(cells[b].gradient);
        hl += static_cast<double>(cells[b].hessian);
      }
      best = std::max(best, gl * gl / hl + (g - gl) * (g - gl) / (h - hl) - g * g / h);
    }
    EXPECT_NEAR(node.Find(Context()).gain, best, 1e-9 * (best + g * g / h));
  }
}

TEST(FindBestSplit, TakesOneCategoryAgainstTheRestWhereTheyAreFew) {
  TestNode node = NodeOf({{0, 0, 0}, {-10, 10, 10}, {10, 10, 10}, {-10, 10, 10}, {10, 10, 10}});
  node.parameters.categorical_l2 = 0;
  const Split one = node.Find(Context());
  EXPECT_TRUE(one.categorical);
  EXPECT_EQ(one.left, (NodeSums{-10, 10, 10}));
  EXPECT_TRUE(one.left_bins.Contains(1));  // the lowest of four equal ones
  EXPECT_FALSE(one.left_bins.Contains(3));
  EXPECT_FALSE(one.missing_left);  // the rest is larger
  node.parameters.max_categories_one_vs_rest = 3;
  const Split prefix = node.Find(Context());
  EXPECT_EQ(prefix.left, (NodeSums{-20, 20, 20}));
  EXPECT_TRUE(prefix.missing_left);
  EXPECT_GT(prefix.gain, one.gain);
}

TEST(FindBestSplit, TreatsMissingAsACategory) {
  const Split split = NodeOf({{-10, 10, 10}, {5, 10, 10}, {5, 10, 10}}).Find(Context());
  EXPECT_TRUE(split.missing_left);
  EXPECT_EQ(split.left, (NodeSums{-10, 10, 10}));
}

TEST(FindBestSplit, OrdersCategoriesWithoutHessians) {
  std::vector<NodeSums> cells;
  for (int i = 0; i < 100; ++i) cells.push_back({i % 3 - 1, static_cast<uint64_t>(i % 2), 1});
  TestNode node = NodeOf(cells);
  node.parameters.categorical_smoothing = 0;
  EXPECT_EQ(node.Find(Context()), NaiveSearch(node).Search({}));
}

TEST(FindBestSplit, LeavesOutRareCategories) {
  // The rare first category has the lowest ratio by far.
  std::vector<NodeSums> cells = {{0, 0, 0},    {-90, 3, 3},  {-20, 20, 20},
                                 {10, 20, 20}, {20, 20, 20}, {30, 20, 20}};
  TestNode node = NodeOf(cells);
  EXPECT_TRUE(node.Find(Context()).left_bins.Contains(1));
  node.parameters.min_samples_category = 4;
  EXPECT_FALSE(node.Find(Context()).left_bins.Contains(1));
}

TEST(FindBestSplit, PicksAFewCategoriesInStepsOfRows) {
  std::vector<NodeSums> cells = {{0, 0, 0}};
  for (int i = 1; i <= 60; ++i) cells.push_back({i - 30, 10, 10});
  TestNode node = NodeOf(cells);
  node.parameters.max_categories_per_split = 7;
  node.parameters.min_samples_category_group = 30;
  // From the back (the larger ratios) or the front, in threes: six of seven.
  EXPECT_EQ(node.Find(Context()).left.count, 60u);
}

TEST(FindBestSplit, OneCategoryIsNoSplit) {
  EXPECT_FALSE(NodeOf({{0, 0, 0}, {-10, 10, 10}, {0, 0, 0}}).Find(Context()).found());
}

}  // namespace
}  // namespace ramet
