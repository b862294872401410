// exp and log: close to libm everywhere (the high-precision oracle is in tests/), equal to it at
// special values.
#include "ramet/base/math.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace ramet {
namespace {

double UlpsApart(double a, double b) {
  if (a == b) return 0;
  return std::fabs(a - b) / (std::nextafter(std::fabs(b), INFINITY) - std::fabs(b));
}

TEST(Exp, StaysWithinOneUlpOfLibm) {
  std::mt19937_64 random(1);
  std::uniform_real_distribution<double> wide(-745, 709.7), near(-1, 1);
  for (int i = 0; i < 200000; ++i) {
    for (double x : {wide(random), near(random)})
      EXPECT_LE(UlpsApart(Exp(x), std::exp(x)), 1.5) << x;
  }
}

TEST(Exp, SpecialValues) {
  EXPECT_EQ(Exp(0), 1);
  EXPECT_EQ(Exp(-0.0), 1);
  EXPECT_EQ(Exp(INFINITY), INFINITY);
  EXPECT_EQ(Exp(710), INFINITY);
  EXPECT_EQ(Exp(-INFINITY), 0);
  EXPECT_EQ(Exp(-746), 0);
  EXPECT_TRUE(std::isnan(Exp(NAN)));
}

TEST(Log, StaysWithinTwoUlpsOfLibm) {
  std::mt19937_64 random(2);
  std::uniform_real_distribution<double> exponent(-1074, 1023), near(0.5, 2);
  for (int i = 0; i < 200000; ++i) {
    for (double x : {std::exp2(exponent(random)), near(random)})
      EXPECT_LE(UlpsApart(Log(x), std::log(x)), 2) << x;
  }
}

TEST(Log, SpecialValues) {
  EXPECT_EQ(Log(1), 0);
  EXPECT_EQ(Log(0), -INFINITY);
  EXPECT_EQ(Log(INFINITY), INFINITY);
  EXPECT_TRUE(std::isnan(Log(-1)));
  EXPECT_TRUE(std::isnan(Log(NAN)));
}

}  // namespace
}  // namespace ramet
