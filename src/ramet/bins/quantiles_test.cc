// B2, B3: thresholds part exactly what they should, also between adjacent floats; bins weigh nearly
// the same.
#include "ramet/bins/quantiles.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>

namespace ramet {
namespace {

using Random = std::mt19937_64;
constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kMax = std::numeric_limits<double>::max();
constexpr double kDenormal = std::numeric_limits<double>::denorm_min();

// Any float64 but NaN and -0: all exponents alike, and the extremes.
double AnyValue(Random& random) {
  constexpr double kSpecial[] = {
      0,    kDenormal, -kDenormal, kMax, -kMax,
      kInf, -kInf,     1,          -1,   std::numeric_limits<double>::min()};
  if (random() % 4 == 0) return kSpecial[random() % std::size(kSpecial)];
  const double value = std::bit_cast<double>(random());
  return std::isnan(value) ? 1.0 : value + 0.0;
}

void ExpectThreshold(double left, double right) {
  SCOPED_TRACE(testing::Message() << std::hexfloat << left << " " << right);
  double threshold = 0;
  if (!ThresholdBetween(left, right, &threshold)) {
    EXPECT_EQ(left, -kInf);
    EXPECT_EQ(right, -kMax);
    return;
  }
  EXPECT_TRUE(std::isfinite(threshold));
  EXPECT_LE(left, threshold);
  EXPECT_LT(threshold, right);
  EXPECT_FALSE(threshold == 0 && std::signbit(threshold));
}

TEST(ThresholdBetween, PartsAnyTwoValues) {
  for (uint64_t seed = 0; seed < 20000; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const double a = AnyValue(random);
    const double b = random() % 2 == 0 ? AnyValue(random) : std::nextafter(a, kInf) + 0.0;
    if (a != b) ExpectThreshold(std::min(a, b), std::max(a, b));
  }
}

TEST(ThresholdBetween, PartsTheExtremes) {
  const std::vector<double> values = {-kInf,
                                      -kMax,
                                      std::nextafter(-kMax, 0.0),
                                      -1,
                                      -2 * kDenormal,
                                      -kDenormal,
                                      0,
                                      kDenormal,
                                      2 * kDenormal,
                                      3 * kDenormal,
                                      1,
                                      std::nextafter(kMax, 0.0),
                                      kMax,
                                      kInf};
  for (size_t i = 0; i < values.size(); ++i)
    for (size_t j = i + 1; j < values.size(); ++j) ExpectThreshold(values[i], values[j]);
}

TEST(ThresholdBetween, LiesInTheMiddleOfOrdinaryNumbers) {
  double threshold = 0;
  ASSERT_TRUE(ThresholdBetween(1, 2, &threshold));
  EXPECT_EQ(threshold, 1.5);
  ASSERT_TRUE(ThresholdBetween(-kMax, kMax, &threshold));
  EXPECT_EQ(threshold, 0);
}

std::vector<WeightedValue> Sorted(std::vector<WeightedValue> values) {
  std::stable_sort(values.begin(), values.end(),
                   [](const auto& a, const auto& b) { return a.value < b.value; });
  return values;
}

std::vector<WeightedValue> RandomValues(size_t count, size_t distinct, Random& random) {
  std::vector<double> pool(distinct);
  for (double& value : pool) value = AnyValue(random);
  std::vector<WeightedValue> values;
  for (size_t i = 0; i < count; ++i)
    values.push_back({pool[random() % distinct], static_cast<double>(i)});
  return values;
}

TEST(SortByValue, IsAStableSort) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    std::vector<WeightedValue> values = RandomValues(random() % 500, 1 + random() % 300, random);
    if (seed % 2 == 0)
      for (WeightedValue& v : values) v.value = static_cast<float>(random() % 100) + 0.5;
    const std::vector<WeightedValue> expected = Sorted(values);
    std::vector<WeightedValue> space;
    SortByValue(values, space);
    ASSERT_EQ(values.size(), expected.size());
    for (size_t i = 0; i < values.size(); ++i) {
      ASSERT_EQ(values[i].value, expected[i].value) << i;
      ASSERT_EQ(values[i].weight, expected[i].weight) << i;
    }
  }
}

size_t BinOf(double value, const std::vector<double>& thresholds) {
  return std::lower_bound(thresholds.begin(), thresholds.end(), value) - thresholds.begin();
}

void ExpectIncreasingAndFinite(const std::vector<double>& thresholds) {
  for (size_t i = 0; i < thresholds.size(); ++i) {
    ASSERT_TRUE(std::isfinite(thresholds[i]));
    ASSERT_LT(i > 0 ? thresholds[i - 1] : -kInf, thresholds[i]);
  }
}

TEST(NumericThresholds, AreIncreasingFiniteAndFewEnough) {
  for (uint64_t seed = 0; seed < 500; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    std::vector<WeightedValue> values =
        Sorted(RandomValues(random() % 2000, 1 + random() % 1000, random));
    for (WeightedValue& v : values) v.weight = static_cast<double>(random() % 1000 + 1) / 8;
    const int max_bins = 2 + static_cast<int>(random() % 254);
    const std::vector<double> thresholds = NumericThresholds(values, max_bins);
    ExpectIncreasingAndFinite(thresholds);
    EXPECT_LT(thresholds.size(), static_cast<size_t>(max_bins));
  }
}

TEST(NumericThresholds, GiveEachOfFewValuesABin) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const int max_bins = 2 + static_cast<int>(random() % 254);
    std::vector<WeightedValue> values =
        Sorted(RandomValues(2000, 1 + random() % static_cast<size_t>(max_bins), random));
    for (WeightedValue& v : values) v.weight = 1;
    std::vector<WeightedValue> copy = values;
    const std::vector<double> thresholds = NumericThresholds(copy, max_bins);
    for (size_t i = 1; i < values.size(); ++i) {
      const double left = values[i - 1].value, right = values[i].value;
      const bool parted = BinOf(left, thresholds) != BinOf(right, thresholds);
      // No finite threshold parts -infinity from the lowest finite number.
      ASSERT_EQ(parted, left != right && !(left == -kInf && right == -kMax))
          << left << " " << right;
    }
  }
}

std::vector<double> BinWeights(const std::vector<WeightedValue>& values,
                               const std::vector<double>& thresholds) {
  std::vector<double> weights(thresholds.size() + 1, 0.0);
  for (const WeightedValue& v : values) weights[BinOf(v.value, thresholds)] += v.weight;
  return weights;
}

TEST(NumericThresholds, MakeBinsOfNearlyEqualCountsOfDistinctValues) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const size_t max_bins = 2 + random() % 254;
    const size_t n = max_bins + 1 + random() % 3000;
    std::vector<WeightedValue> values;
    for (size_t i = 0; i < n; ++i) values.push_back({static_cast<double>(i) / 3, 1});
    const std::vector<double> weights =
        BinWeights(values, NumericThresholds(values, static_cast<int>(max_bins)));
    EXPECT_EQ(weights.size(), max_bins);
    const auto [least, most] = std::minmax_element(weights.begin(), weights.end());
    EXPECT_LE(*most - *least, 1);
  }
}

TEST(NumericThresholds, BalanceRandomWeightsUpToOneValue) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const size_t max_bins = 2 + random() % 100;
    std::vector<WeightedValue> values;
    double total = 0;
    for (size_t i = 0; i < 5000; ++i) {
      values.push_back({static_cast<double>(i), 0.5 + static_cast<double>(random() % 1024) / 1024});
      total += values.back().weight;
    }
    const double share = total / static_cast<double>(max_bins);
    // A bin may exceed its share by a value; what the earlier bins took too much is missing later,
    // spread over all bins that are left.
    const double debt = 1.5 * (1 + std::log(static_cast<double>(max_bins)));
    const std::vector<double> thresholds = NumericThresholds(values, static_cast<int>(max_bins));
    for (const double weight : BinWeights(values, thresholds)) {
      EXPECT_LE(weight, share + 1.5);
      EXPECT_GE(weight, share - debt);
    }
  }
}

TEST(NumericThresholds, NeverPutTwoHeavyValuesIntoOneBin) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const size_t max_bins = 8 + random() % 100;
    std::vector<WeightedValue> values;
    for (size_t i = 0; i < 3000; ++i) values.push_back({static_cast<double>(i), 1});
    const size_t num_heavy = 1 + random() % (max_bins / 2);
    double total = 3000;
    for (size_t i = 0; i < num_heavy; ++i) {
      WeightedValue& v = values[random() % values.size()];
      total += 20000 - v.weight;
      v.weight = 20000;
    }
    const std::vector<double> thresholds = NumericThresholds(values, static_cast<int>(max_bins));
    std::vector<size_t> heavy_in(thresholds.size() + 1, 0);
    std::vector<double> light_in(thresholds.size() + 1, 0.0);
    const double share = total / static_cast<double>(max_bins);
    for (const WeightedValue& v : values) {
      if (v.weight >= share)
        ++heavy_in[BinOf(v.value, thresholds)];
      else
        light_in[BinOf(v.value, thresholds)] += v.weight;
    }
    for (size_t bin = 0; bin < heavy_in.size(); ++bin) {
      EXPECT_LE(heavy_in[bin], 1u) << bin;
      EXPECT_TRUE(heavy_in[bin] == 0 || light_in[bin] <= share) << bin;
    }
  }
}

TEST(NumericThresholds, NoValuesHaveNone) {
  std::vector<WeightedValue> none, one{{3, 1}, {3, 2}};
  EXPECT_TRUE(NumericThresholds(none, 255).empty());
  EXPECT_TRUE(NumericThresholds(one, 2).empty());
}

}  // namespace
}  // namespace ramet
