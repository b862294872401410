// Exact weighted quantiles: those of a naive oracle, on any number of threads and in any order.
#include "ramet/boost/residuals.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "ramet/parallel/parallel.h"

namespace ramet {
namespace {

using Random = std::mt19937_64;

struct Rows {
  std::vector<double> labels, scores;
  std::vector<float> weights;  // whole numbers, so that the oracle's sums are exact
  std::vector<LeafIndex> leaf_of_row;
  size_t num_leaves = 0;
  int percent = 50;
  double quantile() const { return percent / 100.0; }
};

double RandomLabel(Random& random, int kind) {
  std::normal_distribution<double> normal;
  switch (kind) {
    case 0:  // ties
      return static_cast<double>(random() % 5) - 2;
    case 1:  // of all magnitudes
      return std::ldexp(normal(random), static_cast<int>(random() % 2000) - 1000);
    case 2:  // zeros and huge ones
      return random() % 3 != 0 ? 0 : (random() % 2 ? 1 : -1) * 1e307 * (1 + (random() % 9));
    case 3:  // adjacent numbers
      return std::bit_cast<double>(std::bit_cast<uint64_t>(1e6) + random() % 3000);
    default:
      return normal(random) * 10;
  }
}

Rows RandomRows(Random& random, size_t num_rows) {
  Rows rows;
  const int kind = static_cast<int>(random() % 6);
  const bool weighted = random() % 2;
  for (size_t i = 0; i < num_rows; ++i) {
    rows.labels.push_back(RandomLabel(random, kind));
    rows.scores.push_back(kind == 2 ? 0 : static_cast<double>(random() % 4));
    if (weighted) rows.weights.push_back(static_cast<float>(random() % 5));
  }
  // Leaves of many sizes, some of them empty; some rows are in none.
  rows.num_leaves = 1 + random() % (random() % 2 ? 3 : 1000);
  const size_t percent_used = random() % 2 ? 100 : random() % 101;
  for (size_t i = 0; i < num_rows; ++i) {
    const size_t leaf = (random() % rows.num_leaves) * (random() % rows.num_leaves);
    rows.leaf_of_row.push_back(
        random() % 100 < percent_used ? static_cast<LeafIndex>(leaf / rows.num_leaves) : kNoLeaf);
  }
  rows.percent = static_cast<int>(random() % 3 == 0 ? 50 : random() % 101);
  return rows;
}

// By the definition, on all copies of all rows in order.
double Oracle(const Rows& rows, size_t leaf) {
  std::vector<double> copies;
  for (size_t row = 0; row < rows.labels.size(); ++row) {
    if (rows.leaf_of_row[row] != leaf) continue;
    const size_t weight = rows.weights.empty() ? 1 : static_cast<size_t>(rows.weights[row]);
    copies.insert(copies.end(), weight, rows.labels[row] - rows.scores[row]);
  }
  if (copies.empty()) return 0;
  std::sort(copies.begin(), copies.end());
  size_t low = 0;  // (low + 1) / total >= percent / 100
  while ((low + 1) * 100 < static_cast<size_t>(rows.percent) * copies.size()) ++low;
  size_t high = low;
  while (high + 1 < copies.size() &&
         (high + 1) * 100 <= static_cast<size_t>(rows.percent) * copies.size())
    ++high;
  return copies[low] == copies[high] ? copies[low] : 0.5 * copies[low] + 0.5 * copies[high];
}

Rows Permuted(const Rows& rows, Random& random) {
  std::vector<size_t> order(rows.labels.size());
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), random);
  Rows permuted = rows;
  for (size_t i = 0; i < order.size(); ++i) {
    permuted.labels[i] = rows.labels[order[i]];
    permuted.scores[i] = rows.scores[order[i]];
    permuted.leaf_of_row[i] = rows.leaf_of_row[order[i]];
    if (!rows.weights.empty()) permuted.weights[i] = rows.weights[order[i]];
  }
  return permuted;
}

std::vector<double> OfLeaves(const Rows& rows, int threads) {
  Context context;
  context.threads = threads;
  std::vector<double> values;
  RunOnThreads(context, [&] {
    values = ResidualQuantiles(context, rows.quantile(), rows.labels, rows.weights)
                 .OfLeaves(rows.num_leaves, rows.leaf_of_row, rows.scores);
  });
  return values;
}

TEST(ResidualQuantiles, AreThoseOfTheOracle) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const Rows rows = RandomRows(random, 1 + random() % (seed % 20 == 0 ? 100'000 : 2'000));
    const std::vector<double> values = OfLeaves(rows, 1 + static_cast<int>(seed % 3));
    ASSERT_EQ(values.size(), rows.num_leaves);
    for (size_t leaf = 0; leaf < values.size(); ++leaf)
      ASSERT_EQ(values[leaf], Oracle(rows, leaf)) << "leaf " << leaf;
  }
}

TEST(ResidualQuantiles, DependNeitherOnThreadsNorOnTheOrderOfRows) {
  for (uint64_t seed = 0; seed < 6; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    Rows rows = RandomRows(random, 300'000);
    if (!rows.weights.empty())
      for (float& weight : rows.weights) weight *= std::exp2f(static_cast<float>(random() % 30));
    const std::vector<double> expected = OfLeaves(rows, 1);
    for (const int threads : {2, 8}) EXPECT_EQ(OfLeaves(rows, threads), expected);
    EXPECT_EQ(OfLeaves(Permuted(rows, random), 3), expected);
  }
}

TEST(ResidualQuantiles, OfLabelsAreThoseOfZeroScores) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    Rows rows = RandomRows(random, 2 + random() % 5000);
    std::fill(rows.scores.begin(), rows.scores.end(), 0);
    const Context context;
    const ResidualQuantiles quantiles(context, rows.quantile(), rows.labels, rows.weights);
    std::vector<uint32_t> ids;
    for (uint32_t row = 0; row < rows.labels.size(); ++row)
      if (rows.leaf_of_row[row] == 0) ids.push_back(row);
    if (!ids.empty()) {
      EXPECT_EQ(quantiles.OfLabels({false, ids}), Oracle(rows, 0));
    }
    std::fill(rows.leaf_of_row.begin(), rows.leaf_of_row.end(), LeafIndex{0});
    EXPECT_EQ(quantiles.OfLabels({}), Oracle(rows, 0));
  }
}

// S2: percents are what they look like, of up to 10^6 rows: 0.55 of 100 is 55.
TEST(ResidualQuantiles, RanksAreThoseOfTheDecimal) {
  const Context context;
  std::vector<double> labels(100);
  std::iota(labels.begin(), labels.end(), 1);
  for (int percent = 1; percent < 100; ++percent)
    EXPECT_EQ(ResidualQuantiles(context, percent / 100.0, labels, {}).OfLabels({}), percent + 0.5);
  EXPECT_EQ(ResidualQuantiles(context, 0, labels, {}).OfLabels({}), 1);
  EXPECT_EQ(ResidualQuantiles(context, 1, labels, {}).OfLabels({}), 100);
  EXPECT_EQ(ResidualQuantiles(context, 0.005, labels, {}).OfLabels({}), 1);
}

TEST(ResidualQuantiles, RowsOfLittleWeightStillHaveAQuantile) {
  const Context context;
  const std::vector<double> labels = {5, 7, 9, -1e9};
  const std::vector<float> weights = {1e-30f, 1e-30f, 1e-30f, 1e30f};
  const std::vector<uint32_t> ids = {0, 1, 2};
  EXPECT_EQ(ResidualQuantiles(context, 0.5, labels, weights).OfLabels({false, ids}), 7);
  EXPECT_EQ(ResidualQuantiles(context, 0.5, labels, weights).OfLabels({}), -1e9);
}

}  // namespace
}  // namespace ramet
