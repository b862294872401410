// Q1, Q2: integers are within their fields, unbiased, and the same on every instruction set and
// number of threads.
#include "ramet/histogram/quantise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "ramet/collective/members_testing.h"
#include "ramet/parallel/parallel.h"

namespace ramet {
namespace {

using Random = std::mt19937_64;
using Gradients = std::vector<GradientHessian>;

GradientRange RangeOf(const Gradients& gradients) {
  GradientRange range;
  for (const GradientHessian& gh : gradients) {
    range.max_gradient = std::max(range.max_gradient, std::fabs(gh.gradient));
    range.max_hessian = std::max(range.max_hessian, gh.hessian);
  }
  return range;
}

QuantisedGradients Quantised(const Gradients& gradients, uint64_t key,
                             Isa isa = SupportedIsas().back(), int threads = 1) {
  Context context;
  context.isa = isa;
  context.threads = threads;
  QuantisedGradients out;
  RunOnThreads(context, [&] {
    Quantise(context, gradients, RowIds(gradients.size()), RangeOf(gradients), key, out);
  });
  return out;
}

struct Integers {
  int64_t gradient;
  uint64_t hessian, count;
};

// A row's word, taken apart as quantise.h says it is put together.
Integers IntegersOf(const QuantisedGradients& quantised, size_t row) {
  if (!quantised.format.packed) {
    const uint64_t second = quantised.words[2 * row + 1];
    return {static_cast<int64_t>(quantised.words[2 * row]), second & ((uint64_t{1} << 48) - 1),
            second >> 48};
  }
  const uint64_t word = quantised.words[row];
  const int64_t gradient = static_cast<int64_t>(word << 36) >> 36;
  const uint64_t rest = word - static_cast<uint64_t>(gradient);
  return {gradient, (rest >> 28) & 0xffffff, rest >> 52};
}

// Mostly of the order of `scale`, with both extremes.
Gradients RandomGradients(size_t rows, float scale, Random& random) {
  std::uniform_real_distribution<float> uniform(-1, 1);
  Gradients gradients(rows);
  for (GradientHessian& gh : gradients)
    gh = {uniform(random) * scale, std::fabs(uniform(random)) * scale};
  gradients[random() % rows] = {scale, scale};
  gradients[random() % rows] = {-scale, 0};
  return gradients;
}

constexpr size_t kSmall = 3000, kLarge = CellFormat::kSmallestPackedTable;

TEST(Quantise, IsTheSameOnEveryInstructionSetAndNumberOfThreads) {
  for (uint64_t seed = 0; seed < 8; ++seed) {
    Random random(seed);
    const size_t rows = (seed % 2 == 0 ? kLarge : 1) + random() % 3000;
    const Gradients gradients = RandomGradients(rows, 0.75f, random);
    const QuantisedGradients expected = Quantised(gradients, seed, Isa::kScalar);
    for (const Isa isa : SupportedIsas()) {
      for (const int threads : {1, 3}) {
        SCOPED_TRACE(testing::Message()
                     << "seed " << seed << " " << IsaName(isa) << " threads " << threads);
        const QuantisedGradients got = Quantised(gradients, seed, isa, threads);
        ASSERT_EQ(got.format.packed, expected.format.packed);
        ASSERT_EQ(got.format.gradient_shift, expected.format.gradient_shift);
        ASSERT_EQ(got.format.hessian_shift, expected.format.hessian_shift);
        const size_t words = rows * got.format.words_per_row();
        ASSERT_TRUE(
            std::equal(got.words.begin(), got.words.begin() + words, expected.words.begin()));
      }
    }
  }
}

TEST(Quantise, RoundsToANeighbourWithinTheFields) {
  constexpr float kDenormal = std::numeric_limits<float>::denorm_min();
  const float scales[] = {1.0f,          0.5f,         0x1p-126f, 0x1.fffffep-127f,
                          kDenormal,     0x1p127f,     1e38f,     std::numeric_limits<float>::max(),
                          0x1.000002p0f, 0x1.fffffep0f};
  for (const float scale : scales) {
    for (const size_t rows : {kSmall, kLarge}) {
      SCOPED_TRACE(testing::Message() << "scale " << scale << " rows " << rows);
      Random random(1);
      const Gradients gradients = RandomGradients(rows, scale, random);
      const QuantisedGradients quantised = Quantised(gradients, 7);
      const CellFormat& format = quantised.format;
      EXPECT_EQ(format.packed, rows == kLarge);
      const int g_bits = format.packed ? CellFormat::kPackedGradientBits : CellFormat::kWideBits;
      const int h_bits = format.packed ? CellFormat::kPackedHessianBits : CellFormat::kWideBits;
      int64_t most = 0;
      for (size_t row = 0; row < rows; ++row) {
        const Integers got = IntegersOf(quantised, row);
        ASSERT_EQ(got.count, 1u);
        ASSERT_LE(std::abs(got.gradient), int64_t{1} << g_bits);
        ASSERT_LE(got.hessian, uint64_t{1} << h_bits);
        most = std::max(most, std::abs(got.gradient));
        const double g =
            std::ldexp(static_cast<double>(gradients[row].gradient), format.gradient_shift);
        const double h =
            std::ldexp(static_cast<double>(gradients[row].hessian), format.hessian_shift);
        ASSERT_LT(std::fabs(static_cast<double>(got.gradient) - g), 1) << row;
        ASSERT_LT(std::fabs(static_cast<double>(got.hessian) - h), 1) << row;
      }
      EXPECT_GE(most, int64_t{1} << (g_bits - 1));  // no bit is wasted
    }
  }
}

TEST(Quantise, IsUnbiased) {
  for (const size_t rows : {size_t{20000}, kLarge}) {
    for (uint64_t seed = 0; seed < 5; ++seed) {
      SCOPED_TRACE(testing::Message() << "rows " << rows << " seed " << seed);
      Random random(seed);
      const Gradients gradients = RandomGradients(rows, 3.3f, random);
      const QuantisedGradients quantised = Quantised(gradients, seed);
      double g_error = 0, h_error = 0, product = 0;
      for (size_t row = 0; row < rows; ++row) {
        const Integers got = IntegersOf(quantised, row);
        const double g = static_cast<double>(got.gradient) -
                         std::ldexp(static_cast<double>(gradients[row].gradient),
                                    quantised.format.gradient_shift);
        const double h =
            static_cast<double>(got.hessian) -
            std::ldexp(static_cast<double>(gradients[row].hessian), quantised.format.hessian_shift);
        g_error += g;
        h_error += h;
        product += g * h;
      }
      // An error lies in (-1, 1) and has a variance of at most 1/4; five standard deviations.
      const double limit = 5 * std::sqrt(static_cast<double>(rows) / 4);
      EXPECT_LT(std::fabs(g_error), limit);
      EXPECT_LT(std::fabs(h_error), limit);
      EXPECT_LT(std::fabs(product), limit);  // both halves of the hash are independent
    }
  }
}

TEST(Quantise, RoundsTheSameValueUpAsOftenAsItsFractionSays) {
  for (const double fraction : {0.0, 0.001, 0.25, 0.5, 0.999}) {
    Gradients gradients(kLarge, {static_cast<float>(16384 + fraction), 1});
    gradients[0].gradient = 32768;  // a step of 1
    const QuantisedGradients quantised = Quantised(gradients, 3);
    ASSERT_EQ(quantised.format.gradient_shift, 0);
    double ups = 0;
    for (size_t row = 1; row < kLarge; ++row) ups += IntegersOf(quantised, row).gradient == 16385;
    const double n = static_cast<double>(kLarge - 1);
    const double exact = static_cast<double>(gradients[1].gradient) - 16384;
    EXPECT_NEAR(ups / n, exact, 5 * std::sqrt(exact * (1 - exact) / n) + 1.0 / 65536) << fraction;
  }
}

TEST(Quantise, ChoosesTheFormatByStatistics) {
  Random random(5);
  const auto packed = [](const Gradients& gradients) {
    return Quantised(gradients, 1).format.packed;
  };
  EXPECT_TRUE(packed(RandomGradients(kLarge, 1, random)));
  EXPECT_FALSE(packed(RandomGradients(kLarge - 1, 1, random)));
  Gradients tail = RandomGradients(kLarge, 1, random);
  tail[17].gradient = -1e6f;
  EXPECT_FALSE(packed(tail)) << "a gradient that dwarfs the others";
  tail = RandomGradients(kLarge, 1, random);
  tail[kLarge - 1].hessian = 1e6f;
  EXPECT_FALSE(packed(tail)) << "a hessian that dwarfs the others";
  EXPECT_FALSE(packed(Gradients(kLarge, {0, 0})));
  EXPECT_TRUE(packed(Gradients(kLarge, {-1, 1})));
}

TEST(Quantise, DependsOnTheKeyAndReusesItsBuffer) {
  Random random(5);
  const Gradients gradients = RandomGradients(kLarge, 1, random);
  Context context;
  QuantisedGradients out;
  Quantise(context, gradients, RowIds(gradients.size()), RangeOf(gradients), 1, out);
  const uint64_t* words = out.words.data();
  const std::vector<uint64_t> first(out.words.begin(), out.words.begin() + kLarge);
  Quantise(context, gradients, RowIds(gradients.size()), RangeOf(gradients), 2, out);
  EXPECT_EQ(out.words.data(), words);
  EXPECT_FALSE(std::equal(first.begin(), first.end(), out.words.begin()));
  Quantise(context, gradients, RowIds(gradients.size()), RangeOf(gradients), 1, out);
  EXPECT_TRUE(std::equal(first.begin(), first.end(), out.words.begin()));
}

// Design rules 1 and 2: a row's rounding is that of its place in the whole table.
TEST(Quantise, IsTheSameWhoeverHoldsTheRows) {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const size_t rows = (seed % 2 == 0 ? kLarge : 1) + random() % 3000;
    Gradients gradients = RandomGradients(rows, 0.75f, random);
    if (seed % 4 == 0) gradients[random() % rows].gradient = 1e6f;  // wide
    const QuantisedGradients expected = Quantised(gradients, seed);
    const size_t words = expected.format.words_per_row(), members = 1 + random() % 4;
    const auto dealt = DealRows(rows, members, random);
    RunMembers(members, Context(), [&](const Context& context, size_t rank) {
      Gradients own;
      std::vector<RowIds::Run> runs;
      for (const uint32_t row : dealt[rank]) {
        own.push_back(gradients[row]);
        runs.push_back({row, 1});
      }
      QuantisedGradients got;
      Quantise(context, own, RowIds(runs, rows), RangeOf(gradients), seed, got);
      ASSERT_EQ(got.format.packed, expected.format.packed);
      for (size_t i = 0; i < own.size() * words; ++i)
        ASSERT_EQ(got.words[i], expected.words[dealt[rank][i / words] * words + i % words]);
    });
  }
}

TEST(Quantise, KnowsRowsBeyondTheThirtySecondBit) {
  const uint64_t border = uint64_t{1} << 32, first = border - 100;
  const Gradients gradients(200, {0.001f, 0.002f});  // no whole number of steps
  const GradientRange range = {0.75f, 0.75f};
  const Context context;
  QuantisedGradients across, after;
  Quantise(context, gradients, RowIds({{first, 200}}, border + 100), range, 9, across);
  Quantise(context, std::span(gradients).first(100), RowIds({{border, 100}}, border + 100), range,
           9, after);
  const size_t words = 100 * across.format.words_per_row();
  const uint64_t* second_half = across.words.data() + words;
  EXPECT_TRUE(std::equal(second_half, second_half + words, after.words.data()));
  QuantisedGradients small;
  Quantise(context, std::span(gradients).first(100), RowIds({{0, 100}}, border + 100), range, 9,
           small);
  EXPECT_FALSE(std::equal(second_half, second_half + words, small.words.data()))
      << "the upper half of a row's id counts too";
}

}  // namespace
}  // namespace ramet
