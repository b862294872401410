// Counter-based randomness: equal to the written formulas, and random enough in every bit that is
// used.
#include "ramet/base/hash.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <string>
#include <vector>

namespace ramet {
namespace {

// Values from an independent program (Python's unbounded integers) written from the formulas in
// hash.h. Every model depends on them: they change only with the algorithm version.
TEST(Hash, GoldenValues) {
  EXPECT_EQ(Mix64(0x9e3779b97f4a7c15),
            0xe220a8397b1dcdafu);  // the first output of SplitMix64 with seed 0, as published
  EXPECT_EQ(Mix64(1), 0x5692161d100b05e5u);
  EXPECT_EQ(Mix32(1), 0x6d3fa73u);
  EXPECT_EQ(Mix32(0xffffffff), 0xd9b56683u);
  EXPECT_EQ(StreamKey(0, Purpose::kBinSample), 0x57d6a0bea909370fu);
  EXPECT_EQ(StreamKey(42, Purpose::kRounding, 7, 3), 0x95a67f3df8316ed2u);
  EXPECT_EQ(StreamKey(UINT64_MAX, Purpose::kValidation, UINT64_MAX, UINT64_MAX),
            0x9ddd01d4d4d111dcu);

  const uint64_t key = StreamKey(42, Purpose::kRowSample, 7);
  EXPECT_EQ(key, 0x18d4b6608efb1ae7u);
  EXPECT_EQ(CounterHash(key, 0), 0x861c8a8e1263db2bu);
  EXPECT_EQ(CounterHash(key, 1), 0x8d9706e288f0b7d2u);
  EXPECT_EQ(CounterHash(key, 123456789), 0x3833b3aa3d57eb50u);
  EXPECT_EQ(CounterHash(key, UINT64_MAX), 0x7787b001daa6d78bu);
  EXPECT_EQ(RowHash32(RowKeyOf(key, 0), 0), 0x5b322151u);
  EXPECT_EQ(RowHash32(RowKeyOf(key, 0), 1), 0x0b04f473u);
  EXPECT_EQ(RowHash32(RowKeyOf(key, 0), 0xffffffff), 0x0644c26cu);
  EXPECT_EQ(RowHash32(RowKeyOf(key, 1), 0), 0xc3c231b8u);
  EXPECT_EQ(RowHash32(RowKeyOf(key, 3), 77), 0x6e848ba4u);
}

// (chi^2 - degrees) / sqrt(2 degrees), about standard normal for a uniform hash.
double ChiSquareDeviation(const std::vector<uint64_t>& cells, uint64_t draws) {
  const double expected = static_cast<double>(draws) / static_cast<double>(cells.size());
  double chi_square = 0;
  for (uint64_t count : cells) {
    const double difference = static_cast<double>(count) - expected;
    chi_square += difference * difference / expected;
  }
  const double degrees = static_cast<double>(cells.size() - 1);
  return (chi_square - degrees) / std::sqrt(2 * degrees);
}

constexpr uint64_t kDraws = 1 << 18;
constexpr double kSixSigma = 6;

// Each byte of the hash of consecutive counters is uniform, and so is the pair of neighbours (top 5
// bits of each).
template <class Draw>
void ExpectUniform(int bits, Draw draw) {
  for (int shift = 0; shift < bits; shift += 8) {
    std::vector<uint64_t> cells(256);
    for (uint64_t i = 0; i < kDraws; ++i) ++cells[(draw(i) >> shift) & 255];
    EXPECT_LT(std::fabs(ChiSquareDeviation(cells, kDraws)), kSixSigma) << "byte at bit " << shift;
  }
  std::vector<uint64_t> pairs(1024);
  for (uint64_t i = 0; i < kDraws; ++i)
    ++pairs[draw(i) >> (bits - 5) << 5 | draw(i + 1) >> (bits - 5)];
  EXPECT_LT(std::fabs(ChiSquareDeviation(pairs, kDraws)), kSixSigma) << "neighbours";
}

// One flipped input bit flips each output bit in half the cases.
template <class Input, class Draw>
void ExpectAvalanche(int bits, Draw draw) {
  constexpr int kTrials = 4096;
  for (int flipped = 0; flipped < static_cast<int>(8 * sizeof(Input)); ++flipped) {
    std::vector<int> flips(static_cast<size_t>(bits));
    for (Input i = 0; i < kTrials; ++i) {
      const Input input = i * Input{2654435761u};
      const uint64_t difference = draw(input) ^ draw(input ^ Input{1} << flipped);
      for (int bit = 0; bit < bits; ++bit)
        flips[static_cast<size_t>(bit)] += static_cast<int>(difference >> bit & 1);
    }
    for (int bit = 0; bit < bits; ++bit)
      ASSERT_NEAR(flips[static_cast<size_t>(bit)], kTrials / 2, kSixSigma * std::sqrt(kTrials) / 2)
          << "input bit " << flipped << ", output bit " << bit;
  }
}

TEST(CounterHash, IsUniformOverConsecutiveRows) {
  for (uint64_t seed : {0, 1, 2, 12345}) {
    SCOPED_TRACE(seed);
    const uint64_t key = StreamKey(seed, Purpose::kRowSample, seed);
    ExpectUniform(64, [&](uint64_t i) { return CounterHash(key, i); });
  }
}

TEST(CounterHash, EveryBitOfCounterAndKeyMatters) {
  ExpectAvalanche<uint64_t>(
      64, [](uint64_t i) { return CounterHash(StreamKey(3, Purpose::kBinSample), i); });
  ExpectAvalanche<uint64_t>(64, [](uint64_t i) { return CounterHash(i, 5); });
  ExpectAvalanche<uint64_t>(64, [](uint64_t i) { return StreamKey(i, Purpose::kRounding); });
  ExpectAvalanche<uint64_t>(64, [](uint64_t i) { return StreamKey(1, Purpose::kRounding, i); });
  ExpectAvalanche<uint64_t>(64, [](uint64_t i) { return StreamKey(1, Purpose::kRounding, 2, i); });
}

TEST(RowHash32, IsUniformOverConsecutiveRowsAndOverIterations) {
  for (uint64_t seed : {0, 1, 2, 12345}) {
    SCOPED_TRACE(seed);
    const RowKey key = RowKeyOf(StreamKey(seed, Purpose::kRounding), static_cast<uint32_t>(seed));
    ExpectUniform(32, [&](uint64_t i) { return RowHash32(key, static_cast<uint32_t>(i)); });
    ExpectUniform(32, [&](uint64_t i) {
      return RowHash32(RowKeyOf(StreamKey(seed, Purpose::kRounding, i), 0), 9);
    });
  }
}

TEST(RowHash32, EveryBitOfTheRowMatters) {
  const RowKey key = RowKeyOf(StreamKey(3, Purpose::kRounding), 0);
  ExpectAvalanche<uint32_t>(32, [&](uint32_t i) { return uint64_t{RowHash32(key, i)}; });
}

TEST(RowHash32, HighHalvesOfTheRowIdGiveOtherStreams) {
  const uint64_t key = StreamKey(3, Purpose::kRounding);
  uint64_t equal_bits = 0;
  constexpr uint32_t kRows = 4096;
  for (uint32_t row = 0; row < kRows; ++row)
    equal_bits += static_cast<uint64_t>(
        32 - std::popcount(RowHash32(RowKeyOf(key, 0), row) ^ RowHash32(RowKeyOf(key, 1), row)));
  EXPECT_NEAR(static_cast<double>(equal_bits), kRows * 16.0,
              kSixSigma * std::sqrt(kRows * 32.0) / 2);
}

}  // namespace
}  // namespace ramet
