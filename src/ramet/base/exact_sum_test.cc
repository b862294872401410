// Laws of exact sums: order-free, within half a step of the truth per addend, at every magnitude of
// float64.
#include "ramet/base/exact_sum.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <vector>

namespace ramet {
namespace {

constexpr double kLargest = std::numeric_limits<double>::max();
constexpr double kSmallest = std::numeric_limits<double>::denorm_min();

double MaxAbs(const std::vector<double>& values) {
  double max = 0;
  for (double x : values) max = std::max(max, std::fabs(x));
  return max;
}

ExactSum SumOf(const std::vector<double>& values, const FixedPoint& scale) {
  ExactSum sum;
  for (double x : values) sum.Add(scale.Quantise(x));
  return sum;
}

double Total(const std::vector<double>& values) {
  const FixedPoint scale = FixedPoint::For(MaxAbs(values));
  return scale.ToDouble(SumOf(values, scale));
}

std::vector<double> RandomValues(std::mt19937_64& random, size_t count, int spread) {
  const int centre = static_cast<int>(random() % 1800) - 900;
  std::uniform_real_distribution<double> mantissa(-1, 1);
  std::vector<double> values;
  for (size_t i = 0; i < count; ++i)
    values.push_back(
        std::ldexp(mantissa(random), centre - static_cast<int>(random() % (spread + 1))));
  return values;
}

TEST(ExactSum, DoesNotDependOnOrderOrGrouping) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    std::vector<double> values = RandomValues(random, 5000, 80);
    const FixedPoint scale = FixedPoint::For(MaxAbs(values));
    const ExactSum expected = SumOf(values, scale);
    std::shuffle(values.begin(), values.end(), random);
    ExactSum grouped;
    for (size_t begin = 0; begin < values.size();) {
      const size_t end = std::min(values.size(), begin + 1 + random() % 700);
      grouped.Add(SumOf({values.begin() + static_cast<ptrdiff_t>(begin),
                         values.begin() + static_cast<ptrdiff_t>(end)},
                        scale));
      begin = end;
    }
    EXPECT_EQ(grouped, expected);
  }
}

// E1 and the error's bound, each addend against exact arithmetic.
TEST(ExactSum, EachAddendIsRoundedToTheNearestStep) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const std::vector<double> values = RandomValues(random, 2000, 60);
    const double max = MaxAbs(values);
    for (int bits : {50, 40, 16}) {
      const FixedPoint scale = FixedPoint::For(max, bits);
      for (double x : values) {
        const int64_t q = scale.Quantise(x);
        ASSERT_LE(std::abs(q), int64_t{1} << bits);
        // Exact: a 64-bit mantissa holds a float64 scaled, and its distance to the integer nearby.
        const long double exact = std::ldexp(static_cast<long double>(x), scale.shift());
        ASSERT_LE(std::fabs(exact - static_cast<long double>(q)), 0.5L) << x;
      }
      EXPECT_LT(std::ldexp(0.5, -scale.shift()), std::ldexp(max, -bits));
    }
  }
}

TEST(ExactSum, TiesGoToTheEvenInteger) {
  const FixedPoint scale = FixedPoint::For(1);
  const double step = std::ldexp(1.0, -50);
  EXPECT_EQ(scale.Quantise(0.5 * step), 0);
  EXPECT_EQ(scale.Quantise(1.5 * step), 2);
  EXPECT_EQ(scale.Quantise(2.5 * step), 2);
  EXPECT_EQ(scale.Quantise(-0.5 * step), 0);
  EXPECT_EQ(scale.Quantise(-1.5 * step), -2);
}

TEST(ExactSum, LargestAddendsFillALimbAndNoMore) {
  for (double max : {kSmallest, 1e-300, 0.1, 1.0, 1.5, 3e10, kLargest}) {
    const FixedPoint scale = FixedPoint::For(max);
    int64_t limb = 0;
    for (int i = 0; i < ExactSum::kRowsPerLimb; ++i)
      ASSERT_FALSE(__builtin_add_overflow(limb, scale.Quantise(-max), &limb)) << max;
    ExactSum sum;
    sum.Add(limb);
    if (max == kLargest)
      EXPECT_EQ(scale.ToDouble(sum), -INFINITY);
    else
      EXPECT_NEAR(scale.ToDouble(sum) / ExactSum::kRowsPerLimb, -max, std::ldexp(max, -50));
  }
}

TEST(ExactSum, Extremes) {
  EXPECT_EQ(Total({}), 0);
  EXPECT_EQ(Total({0, 0, -0.0}), 0);
  EXPECT_EQ(Total({kSmallest, kSmallest, kSmallest}), 3 * kSmallest);
  EXPECT_EQ(Total({kSmallest, -kSmallest}), 0);
  EXPECT_NEAR(Total({1e308, -1e308, 1e308}), 1e308, std::ldexp(1e308, -49));
  EXPECT_EQ(Total({kLargest, -kLargest}), 0);
  EXPECT_EQ(Total({kLargest, kLargest}), INFINITY);
  EXPECT_NEAR(Total({1e308, 1, kSmallest}), 1e308, std::ldexp(1e308, -50));
  std::vector<double> one_huge(10000, 1e-3);
  one_huge[1234] =
      1e12;  // the step is 2^(40 - 50): each small addend is rounded to 2^-10, one step
  EXPECT_NEAR(Total(one_huge), 1e12 + 9.999, 9999 * std::ldexp(0.5, -10));
}

TEST(ExactSum, NearlyEqualAddendsGiveTheCorrectlyRoundedSum) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    std::vector<double> values;
    long double exact = 0;
    for (int i = 0; i < 4000; ++i) {  // floats: 24 bits, so nothing is lost below the step
      values.push_back(static_cast<float>(1 + static_cast<double>(random() % 1000) / 7));
      exact += values.back();
    }
    EXPECT_EQ(Total(values), static_cast<double>(exact));
  }
}

TEST(CeilLog2, IsTheSmallestPowerThatCovers) {
  EXPECT_EQ(CeilLog2(0), -1074);
  EXPECT_EQ(CeilLog2(kSmallest), -1074);
  EXPECT_EQ(CeilLog2(kLargest), 1024);
  for (int e = -1074; e <= 1023; ++e) {
    const double power = std::ldexp(1.0, e);
    ASSERT_EQ(CeilLog2(power), e);
    ASSERT_EQ(CeilLog2(-power), e);
    ASSERT_EQ(CeilLog2(std::nextafter(power, INFINITY)), e + 1);
  }
}

}  // namespace
}  // namespace ramet
