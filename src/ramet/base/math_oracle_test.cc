// The error bounds that math-inl.h claims, against an oracle with at least 11 more bits, and equal
// bits on every instruction set and in every lane.
#include <cstddef>

#include "ramet/base/math.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ramet/base/math_oracle_test.cc"
#include <hwy/foreach_target.h>
// After foreach_target.h, so that it is compiled per target.
#include "ramet/base/dispatch.h"
#include "ramet/base/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ramet {
namespace HWY_NAMESPACE {

// `count` is a multiple of every vector's lanes.
void ExpAndLog(const double* x, size_t count, double* exp, double* log) {
  const hwy::HWY_NAMESPACE::ScalableTag<double> d;
  for (size_t i = 0; i < count; i += hwy::HWY_NAMESPACE::Lanes(d)) {
    const auto v = hwy::HWY_NAMESPACE::LoadU(d, x + i);
    hwy::HWY_NAMESPACE::StoreU(Exp(d, v), d, exp + i);
    hwy::HWY_NAMESPACE::StoreU(Log(d, v), d, log + i);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace ramet
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace ramet {
HWY_EXPORT(ExpAndLog);

namespace {

static_assert(std::numeric_limits<long double>::digits >= 64,
              "the oracle needs more digits than float64");

constexpr double kLargest = std::numeric_limits<double>::max();
constexpr double kSmallestNormal = std::numeric_limits<double>::min();
constexpr double kSmallest = std::numeric_limits<double>::denorm_min();

// |got - exact| in units of float64's spacing at `exact`.
double UlpError(double got, long double exact) {
  if (exact == 0) return got == 0 ? 0 : INFINITY;
  int exponent;
  std::frexp(exact, &exponent);
  return static_cast<double>(std::fabs(got - exact) /
                             std::ldexp(1.0L, std::max(exponent - 53, -1074)));
}

struct Worst {
  double error = 0;
  double at = 0;
  void See(double x, double candidate) {
    if (!(candidate <= error)) error = candidate, at = x;
  }
};

// x and its neighbours, for the seams of a range reduction.
void AddWithNeighbours(std::vector<double>& values, double x) {
  double below = x, above = x;
  for (int i = 0; i < 4; ++i) {
    values.insert(values.end(), {below, above});
    below = std::nextafter(below, -INFINITY);
    above = std::nextafter(above, INFINITY);
  }
}

std::vector<double> ExpArguments() {
  std::vector<double> values;
  std::mt19937_64 random(20);
  std::uniform_real_distribution<double> wide(-708, 709), near(-1, 1), exponent(-60, 0);
  for (int i = 0; i < 300000; ++i)
    values.insert(values.end(), {wide(random), near(random),
                                 std::copysign(std::exp2(exponent(random)), near(random))});
  for (int k = -2040; k <= 2044; ++k)
    AddWithNeighbours(values, 0.5 * k * 0.69314718055994530942);  // seams at odd k
  for (double x : {0.0, -708.0, 709.0, kSmallest, kSmallestNormal, 0.34657359027997264})
    AddWithNeighbours(values, x);
  std::erase_if(values, [](double x) { return x < -708 || x > 709; });
  return values;
}

std::vector<double> LogArguments() {
  std::vector<double> values;
  std::mt19937_64 random(21);
  std::uniform_real_distribution<double> exponent(-1022, 1023.99), near(0.5, 2), tiny(-50, -1);
  for (int i = 0; i < 300000; ++i)
    values.insert(values.end(), {std::exp2(exponent(random)), near(random),
                                 1 + std::exp2(tiny(random)), 1 - std::exp2(tiny(random))});
  for (int k = -1021; k <= 1022; ++k) {
    AddWithNeighbours(values, std::ldexp(1.0, k));
    AddWithNeighbours(values, std::ldexp(std::sqrt(0.5), k));  // the seam between exponents
  }
  values.insert(values.end(), {kSmallestNormal, kLargest, 1.0});
  return values;
}

TEST(Exp, ErrorIsBelowOneUlp) {
  Worst worst;
  for (double x : ExpArguments())
    worst.See(x, UlpError(Exp(x), std::exp(static_cast<long double>(x))));
  EXPECT_LT(worst.error, 1) << std::hexfloat << worst.at;
  RecordProperty("worst_ulp", std::to_string(worst.error));
}

TEST(Exp, ErrorIsBelowOneUlpInItsSubnormalTail) {
  std::mt19937_64 random(22);
  std::uniform_real_distribution<double> tail(-745.13, -708);
  Worst worst;
  for (int i = 0; i < 200000; ++i) {
    const double x = tail(random);
    worst.See(x, UlpError(Exp(x), std::exp(static_cast<long double>(x))));
  }
  EXPECT_LT(worst.error, 1.1) << std::hexfloat
                              << worst.at;  // rounded a second time, to the subnormal's spacing
  EXPECT_EQ(Exp(-745.2), 0);
  EXPECT_LT(UlpError(Exp(709.78), std::exp(static_cast<long double>(709.78))),
            1);  // finite up to the end
  EXPECT_EQ(Exp(709.79), INFINITY);
}

TEST(Log, ErrorIsBelowTwoUlps) {
  Worst worst;
  for (double x : LogArguments())
    worst.See(x, UlpError(Log(x), std::log(static_cast<long double>(x))));
  EXPECT_LT(worst.error, 2) << std::hexfloat << worst.at;
  RecordProperty("worst_ulp", std::to_string(worst.error));
}

TEST(Log, ErrorIsBelowTwoUlpsForSubnormals) {
  std::mt19937_64 random(23);
  Worst worst;
  for (int i = 0; i < 100000; ++i) {
    const double x = std::bit_cast<double>(1 + (random() >> (12 + random() % 52)));
    worst.See(x, UlpError(Log(x), std::log(static_cast<long double>(x))));
  }
  EXPECT_LT(worst.error, 2) << std::hexfloat << worst.at;
}

TEST(Math, OneSetOfBitsOnEveryInstructionSetAndInEveryLane) {
  std::vector<double> x = ExpArguments();
  for (double argument : LogArguments()) x.push_back(argument);
  for (double special : {0.0, -0.0, HUGE_VAL, -HUGE_VAL, -1.0, kLargest, -kLargest, kSmallest,
                         -kSmallest, 709.79, 710.0, 1e4, -745.1, -745.2, -746.0, -1e4, 5e-310})
    AddWithNeighbours(x, special);
  std::mt19937_64 random(24);
  for (int i = 0; i < 200000; ++i)
    x.push_back(std::bit_cast<double>(random()));  // any bits, NaN among them
  x.push_back(std::numeric_limits<double>::quiet_NaN());
  std::shuffle(x.begin(), x.end(), random);
  x.resize(x.size() / 64 * 64);
  // A NaN's payload is no one's business.
  const auto same = [](double a, double b) {
    return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b) ||
           (std::isnan(a) && std::isnan(b));
  };
  std::vector<double> exp(x.size()), log(x.size());
  for (Isa isa : SupportedIsas()) {
    SCOPED_TRACE(IsaName(isa));
    RAMET_DISPATCH(isa, ExpAndLog)(x.data(), x.size(), exp.data(), log.data());
    for (size_t i = 0; i < x.size(); ++i) {
      ASSERT_TRUE(same(exp[i], Exp(x[i])))
          << std::hexfloat << x[i] << " " << exp[i] << " " << Exp(x[i]);
      ASSERT_TRUE(same(log[i], Log(x[i])))
          << std::hexfloat << x[i] << " " << log[i] << " " << Log(x[i]);
    }
  }
}

}  // namespace
}  // namespace ramet
#endif
