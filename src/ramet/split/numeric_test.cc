// S1–S3 of numeric features: FindBestSplit equals the naive search, bit by bit, on every
// instruction set.
#include <gtest/gtest.h>

#include <cmath>

#include "ramet/parallel/parallel.h"
#include "ramet/split/testing.h"

namespace ramet {
namespace {

using Random = std::mt19937_64;

void ExpectSame(const Split& got, const Split& expected) {
  EXPECT_EQ(got.feature, expected.feature);
  EXPECT_EQ(got.gain, expected.gain);
  EXPECT_EQ(got.last_left_bin, expected.last_left_bin);
  EXPECT_EQ(got.missing_left, expected.missing_left);
  EXPECT_EQ(got.left_bins, expected.left_bins);
  EXPECT_EQ(got.left, expected.left);
  EXPECT_EQ(got, expected);
}

TEST(FindBestSplit, EqualsTheNaiveSearchOfNumericFeatures) {
  size_t found = 0, missing_left = 0, missing_alone = 0;
  for (uint64_t seed = 0; seed < 1500; ++seed) {
    Random random(seed);
    const TestNode node = RandomNode(1 + random() % 6, 1 + random() % 300, 0, random);
    const Split expected = NaiveSearch(node).Search({});
    for (const Isa isa : SupportedIsas()) {
      SCOPED_TRACE(testing::Message() << "seed " << seed << " " << IsaName(isa));
      Context context;
      context.isa = isa;
      ExpectSame(node.Find(context), expected);
      if (testing::Test::HasFailure()) return;
    }
    if (!expected.found()) continue;
    ++found;
    missing_left += expected.missing_left;
    missing_alone += expected.last_left_bin ==
                     node.mapper.features[static_cast<size_t>(expected.feature)].num_bins() - 1;
    EXPECT_TRUE(std::isfinite(expected.gain));
  }
  // The cases that the search is about have all come up.
  EXPECT_GT(found, 500u);
  EXPECT_GT(missing_left, 50u);
  EXPECT_GT(missing_alone, 20u);
}

TEST(FindBestSplit, EqualsTheNaiveSearchOfManyFeaturesOnThreads) {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const TestNode node = RandomNode(150, 200, seed % 2 == 0 ? 0 : 40, random);
    const Split expected = NaiveSearch(node).Search({});
    for (const int threads : {1, 2, 8}) {
      Context context;
      context.threads = threads;
      context.isa = SupportedIsas().back();
      RunOnThreads(context, [&] { ExpectSame(node.Find(context), expected); });
    }
  }
}

TEST(FindBestSplit, LooksAtAllowedFeaturesOnly) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const TestNode node = RandomNode(10, 100, 30, random);
    std::vector<uint32_t> allowed;
    for (uint32_t f = 0; f < 10; ++f)
      if (random() % 2 == 0) allowed.push_back(f);
    if (allowed.empty()) continue;
    ExpectSame(node.Find(Context(), allowed), NaiveSearch(node).Search(allowed));
  }
}

// A node of one or more equal features with the given cells, the missing bin first; hessians are 1
// a row.
TestNode NodeOf(size_t num_features, const std::vector<std::pair<int64_t, uint32_t>>& cells) {
  TestNode node;
  FeatureBins bins;
  bins.has_values = true;
  bins.thresholds.resize(cells.size() - 2);
  node.mapper.features.assign(num_features, bins);
  node.histogram = Histogram(node.layout().num_cells());
  for (const auto& [gradient, count] : cells)
    node.sums = node.sums + NodeSums{gradient, count, count};
  for (size_t f = 0; f < num_features; ++f) {
    for (size_t b = 0; b < cells.size(); ++b) {
      const size_t cell = f * cells.size() + b;
      node.histogram.gradients()[cell] = cells[b].first;
      node.histogram.hessians()[cell] = node.histogram.counts()[cell] = cells[b].second;
    }
  }
  return node;
}

TEST(FindBestSplit, TiesGoToTheLowerFeatureAndBin) {
  // Empty bins beside the best threshold, equal features, more than one task of them.
  const TestNode node = NodeOf(200, {{0, 0}, {-5, 10}, {0, 0}, {0, 0}, {5, 10}});
  const Split split = node.Find(Context());
  EXPECT_EQ(split.feature, 0);
  EXPECT_EQ(split.last_left_bin, 1);
  EXPECT_EQ(split.gain, 5.0);
  EXPECT_EQ(split.left, (NodeSums{-5, 10, 10}));
  EXPECT_TRUE(split.missing_left);  // as many left as right
  const std::vector<uint32_t> allowed = {77, 140, 199};
  EXPECT_EQ(node.Find(Context(), allowed).feature, 77);
}

TEST(FindBestSplit, AnEqualScoreSendsMissingRight) {
  // Missing rows without gradient gain as much on either side.
  const Split split = NodeOf(1, {{0, 10}, {-6, 10}, {6, 10}}).Find(Context());
  EXPECT_EQ(split.last_left_bin, 1);
  EXPECT_FALSE(split.missing_left);
}

TEST(FindBestSplit, PartsMissingFromPresent) {
  const Split split = NodeOf(1, {{8, 10}, {-4, 10}, {-4, 10}}).Find(Context());
  EXPECT_EQ(split.last_left_bin, 2);
  EXPECT_FALSE(split.missing_left);
  EXPECT_EQ(split.left, (NodeSums{-8, 20, 20}));
  const Split one_bin = NodeOf(1, {{8, 10}, {-4, 10}}).Find(Context());
  EXPECT_EQ(one_bin.last_left_bin, 1);
}

TEST(FindBestSplit, MissingFollowsTheLargerChildWhereThereIsNone) {
  EXPECT_FALSE(NodeOf(1, {{0, 0}, {-6, 9}, {6, 10}}).Find(Context()).missing_left);
  EXPECT_TRUE(NodeOf(1, {{0, 0}, {-6, 10}, {6, 9}}).Find(Context()).missing_left);
}

TEST(FindBestSplit, CountsSamplesExactly) {
  TestNode node = NodeOf(1, {{0, 0}, {-50, 19}, {0, 1}, {50, 20}});
  node.parameters.min_samples_leaf = 20;
  EXPECT_EQ(node.Find(Context()).last_left_bin, 2);
  node.parameters.min_samples_leaf = 21;
  EXPECT_FALSE(node.Find(Context()).found());
  node.parameters.min_samples_leaf = 1;
  node.parameters.min_child_weight = 19.5;
  EXPECT_EQ(node.Find(Context()).last_left_bin, 2);
  node.parameters.min_child_weight = 20.5;
  EXPECT_FALSE(node.Find(Context()).found());
}

TEST(FindBestSplit, TheGainMustBeatItsMinimum) {
  TestNode node = NodeOf(1, {{0, 0}, {-5, 10}, {5, 10}});
  node.parameters.min_split_gain = 5;
  EXPECT_FALSE(node.Find(Context()).found());
  node.parameters.min_split_gain = 4.999;
  EXPECT_TRUE(node.Find(Context()).found());
}

TEST(FindBestSplit, AChildWithoutHessianIsNone) {
  TestNode node = NodeOf(1, {{0, 0}, {-5, 10}, {5, 10}});
  node.histogram.hessians()[1] = 0;
  node.sums.hessian = 10;
  EXPECT_FALSE(node.Find(Context()).found());
  node.parameters.l2_regularization = 1;
  EXPECT_TRUE(node.Find(Context()).found());
}

TEST(FindBestSplit, OfEqualGradientsIsNone) {
  EXPECT_FALSE(NodeOf(3, {{0, 0}, {-5, 10}, {-5, 10}, {-5, 10}}).Find(Context()).found());
  EXPECT_FALSE(NodeOf(3, {{0, 0}, {0, 10}, {0, 10}}).Find(Context()).found());
}

}  // namespace
}  // namespace ramet
