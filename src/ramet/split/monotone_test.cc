// S4 and the gain with bounds: FindBestSplit equals the naive search, bit by bit, on every
// instruction set, and keeps its word about values.
#include <gtest/gtest.h>

#include <cmath>

#include "ramet/split/testing.h"

namespace ramet {
namespace {

using Random = std::mt19937_64;

TEST(FindBestSplit, EqualsTheNaiveSearchWithMonotonicConstraints) {
  size_t found = 0, refused = 0, clipped = 0, of_constrained = 0;
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    Random random(seed);
    TestNode node =
        RandomNode(1 + random() % 6, 1 + random() % 300, seed % 3 == 0 ? 40 : 0, random);
    const Split free = node.Find(Context());
    ConstrainAtRandom(node, random);
    const Split expected = NaiveSearch(node).Search({});
    for (const Isa isa : SupportedIsas()) {
      SCOPED_TRACE(testing::Message() << "seed " << seed << " " << IsaName(isa));
      Context context;
      context.isa = isa;
      ASSERT_EQ(node.Find(context), expected);
    }
    refused += free.found() && !expected.found();
    if (!expected.found()) continue;
    ++found;
    clipped += free.gain != expected.gain;
    of_constrained += node.directions[static_cast<size_t>(expected.feature)] != 0;
    ASSERT_TRUE(std::isfinite(expected.gain));
  }
  EXPECT_GT(found, 500u);
  EXPECT_GT(refused, 100u);
  EXPECT_GT(clipped, 100u);
  EXPECT_GT(of_constrained, 200u);
}

TEST(FindBestSplit, NeverGoesTheWrongWay) {
  size_t found = 0;
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    TestNode node = RandomNode(3, 200, 0, random);
    ConstrainAtRandom(node, random);
    const Split split = node.Find(Context());
    if (!split.found()) continue;
    ++found;
    const auto value = [&](const NodeSums& sums) {
      return BoundedValue(node.format, sums, node.parameters, node.monotone());
    };
    const double left = value(split.left), right = value(node.sums - split.left);
    const int direction = node.directions[static_cast<size_t>(split.feature)];
    ASSERT_GE(direction * (right - left), 0);
    for (const double v : {left, right}) {
      ASSERT_GE(v, node.lower);
      ASSERT_LE(v, node.upper);
    }
    // The gain is the decrease of twice the quadratic loss G v + (H + l2) v^2 / 2 by these values.
    const auto loss = [&](const NodeSums& sums) {
      const double g = static_cast<double>(sums.gradient) * node.format.gradient_step();
      const double h = static_cast<double>(sums.hessian) * node.format.hessian_step() +
                       node.parameters.l2_regularization;
      return 2 * g * value(sums) + h * value(sums) * value(sums);
    };
    const double losses[] = {loss(node.sums), loss(split.left), loss(node.sums - split.left)};
    const double scale = std::fabs(losses[0]) + std::fabs(losses[1]) + std::fabs(losses[2]);
    ASSERT_NEAR(split.gain, losses[0] - losses[1] - losses[2], 1e-9 * scale);
  }
  EXPECT_GT(found, 200u);
}

TEST(FindBestSplit, ConstraintsThatAskNothingChangeNothing) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    TestNode node = RandomNode(4, 200, 30, random);
    const Split free = node.Find(Context());
    node.directions.assign(4, 0);
    const Split bounded = node.Find(Context());
    // The same formula in another form: equal but for rounding, which may choose among equals.
    const double h = static_cast<double>(node.sums.hessian) * node.format.hessian_step();
    const double g = static_cast<double>(node.sums.gradient) * node.format.gradient_step();
    const double scale = free.gain + bounded.gain + (h > 0 ? g * g / h : 0);
    ASSERT_NEAR(bounded.gain, free.gain, 1e-9 * scale);
  }
}

// One numeric feature with the given cells, the missing bin first; hessians are 1 a row.
TestNode NodeOf(const std::vector<std::pair<int64_t, uint32_t>>& cells) {
  TestNode node;
  FeatureBins bins;
  bins.has_values = true;
  bins.thresholds.resize(cells.size() - 2);
  node.mapper.features = {bins};
  node.histogram = Histogram(cells.size());
  for (size_t b = 0; b < cells.size(); ++b) {
    node.histogram.gradients()[b] = cells[b].first;
    node.histogram.hessians()[b] = node.histogram.counts()[b] = cells[b].second;
    node.sums = node.sums + node.histogram.cell(b);
  }
  return node;
}

TEST(FindBestSplit, RefusesASplitAgainstTheDirection) {
  TestNode node = NodeOf({{0, 0}, {-5, 10}, {5, 10}});  // values 0.5, -0.5: it falls
  node.directions = {-1};
  EXPECT_EQ(node.Find(Context()).gain, 5.0);
  node.directions = {1};
  EXPECT_FALSE(node.Find(Context()).found());
}

TEST(FindBestSplit, MissingValuesMaySitOnEitherSide) {
  // Only with the missing rows on the left does the feature rise.
  TestNode node = NodeOf({{50, 10}, {-5, 10}, {5, 10}});
  node.directions = {1};
  const Split split = node.Find(Context());
  EXPECT_TRUE(split.missing_left);
  EXPECT_EQ(split.last_left_bin, 1);
}

TEST(FindBestSplit, BoundsCutTheGain) {
  TestNode node = NodeOf({{0, 0}, {-5, 10}, {5, 10}});
  node.directions = {0};
  node.upper = 0.25;  // of 0.5: of the left child's 2.5, 1.875 remain
  EXPECT_EQ(node.Find(Context()).gain, 2.5 + 1.875);
  node.lower = node.upper = 0.25;  // no split changes anything
  EXPECT_FALSE(node.Find(Context()).found());
}

// L2 as scikit-learn means it: added to the hessian of each child and of the node, in the gain and
// in the values.
TEST(FindBestSplit, RegularisesByAddingToTheHessians) {
  TestNode node = NodeOf({{0, 0}, {-6, 10}, {8, 20}});
  node.parameters.l2_regularization = 2;
  EXPECT_NEAR(node.Find(Context()).gain, 36.0 / 12 + 64.0 / 22 - 4.0 / 32, 1e-12);
  EXPECT_EQ(BoundedValue(node.format, {-6, 10, 10}, node.parameters, {}), 0.5);
}

}  // namespace
}  // namespace ramet
