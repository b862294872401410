// B1: the sample is the k rows with the smallest hashed ids, exactly.
#include "ramet/bins/sample.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "ramet/base/hash.h"
#include "ramet/parallel/parallel.h"

namespace ramet {
namespace {

std::vector<uint64_t> NaiveSample(size_t num_rows, const std::vector<float>& weights, uint64_t k,
                                  uint64_t seed) {
  const uint64_t key = StreamKey(seed, Purpose::kBinSample);
  std::vector<std::pair<uint64_t, uint64_t>> order;
  for (uint64_t row = 0; row < num_rows; ++row)
    if (weights.empty() || weights[row] != 0) order.emplace_back(CounterHash(key, row), row);
  std::sort(order.begin(), order.end());
  order.resize(std::min<size_t>(order.size(), k));
  std::vector<uint64_t> rows;
  for (const auto& [hash, row] : order) rows.push_back(row);
  std::sort(rows.begin(), rows.end());
  return rows;
}

TEST(Sample, IsTheSmallestHashes) {
  for (uint64_t seed = 0; seed < 53; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    const size_t num_rows = random() % (seed < 50 ? 3000 : 200000);
    std::vector<float> weights;
    if (seed % 2 == 0)
      for (size_t i = 0; i < num_rows; ++i) weights.push_back(static_cast<float>(random() % 3));
    for (const uint64_t k :
         {uint64_t{0}, uint64_t{1}, random() % (num_rows + 1), static_cast<uint64_t>(num_rows),
          uint64_t{num_rows + 1}, ~uint64_t{0}}) {
      const std::vector<uint64_t> expected = NaiveSample(num_rows, weights, k, seed);
      const uint64_t counted = NaiveSample(num_rows, weights, num_rows, seed).size();
      Context context;
      context.threads = 1 + static_cast<int>(random() % 4);
      RunOnThreads(context, [&] {
        ASSERT_EQ(SampleOfWhole(Context(), num_rows, weights, counted, k, seed).rows, expected)
            << "k " << k;
      });
    }
  }
}

TEST(Sample, DependsOnTheSeed) {
  EXPECT_NE(SampleOfWhole(Context(), 10000, {}, 10000, 100, 1).rows,
            SampleOfWhole(Context(), 10000, {}, 10000, 100, 2).rows);
}

// Weights that are zero for just the rows that were likely to be in it.
TEST(Sample, IsRightWhereTheLikelyRowsDoNotCount) {
  constexpr size_t kRows = 100'000;
  std::vector<float> weights(kRows, 1);
  for (const uint64_t row : NaiveSample(kRows, {}, 5000, 3)) weights[row] = 0;
  const std::vector<uint64_t> expected = NaiveSample(kRows, weights, 1000, 3);
  EXPECT_LT(
      SmallestHashes(Context(), kRows, 0, weights, 1000, 3, LikelyLargestHash(kRows - 5000, 1000))
          .rows.size(),
      1000u);
  EXPECT_EQ(SampleOfWhole(Context(), kRows, weights, kRows - 5000, 1000, 3).rows, expected);
}

}  // namespace
}  // namespace ramet
