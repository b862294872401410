// P1: a split is a stable partition of a node's rows, for any bins, sizes, threads and instruction
// sets.
#include "ramet/tree/partition.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "ramet/parallel/parallel.h"

namespace ramet {
namespace {

using Random = std::mt19937_64;

// A column as BinnedMatrix keeps it: some bytes beyond its last row are readable.
std::vector<uint8_t> RandomColumn(size_t rows, Random& random) {
  std::vector<uint8_t> column(rows + 3);
  const uint64_t bins = random() % 4 == 0 ? 256 : 1 + random() % 20;
  for (uint8_t& bin : column) bin = static_cast<uint8_t>(random() % bins);
  return column;
}

// What splits make: a prefix of the bins, with or without the missing one; or any set.
BinSet RandomBins(Random& random) {
  BinSet bins;
  const uint64_t kind = random() % 4;
  const size_t last = random() % (kind == 0 ? 256 : 20);
  for (size_t b = kind == 1 ? 0 : 1; b <= last; ++b)
    if (kind < 3 || random() % 2 == 0) bins.Insert(b);
  if (kind == 3 && random() % 8 == 0) bins = BinSet();
  return bins;
}

Context ContextOf(Isa isa, int threads) {
  Context context;
  context.isa = isa;
  context.threads = threads;
  return context;
}

// Splits `from` rows as the partition did, naively.
void ExpectStable(std::vector<uint32_t> rows, size_t begin, size_t end,
                  const std::vector<uint8_t>& column, const BinSet& left, size_t middle,
                  const RowPartition& partition) {
  const auto border =
      std::stable_partition(rows.begin() + begin, rows.begin() + end,
                            [&](uint32_t row) { return left.Contains(column[row]); });
  ASSERT_EQ(middle, static_cast<size_t>(border - rows.begin()));
  ASSERT_TRUE(std::equal(rows.begin(), rows.end(), partition.ids()));
}

TEST(RowPartition, IsAStablePartition) {
  const std::vector<size_t> sizes = {0,     1,     2,     7,     8,     16,    17,    33,    1000,
                                     4095,  4096,  4097,  8191,  8192,  8193,  16383, 16384, 16385,
                                     32767, 32768, 32769, 49151, 49152, 49153, 100001};
  for (const Isa isa : SupportedIsas()) {
    for (size_t i = 0; i < sizes.size(); ++i) {
      for (uint64_t seed = 0; seed < 6; ++seed) {
        const int threads = 1 + static_cast<int>(seed % 3);
        SCOPED_TRACE(testing::Message()
                     << IsaName(isa) << " rows " << sizes[i] << " seed " << seed);
        Random random(seed * 100 + i);
        const std::vector<uint8_t> column = RandomColumn(sizes[i], random);
        const BinSet left = RandomBins(random);
        RowPartition partition(isa, sizes[i]);
        RunOnThreads(ContextOf(isa, threads), [&] {
          partition.ResetToAll(sizes[i]);
          ASSERT_EQ(partition.size(), sizes[i]);
          const std::vector<uint32_t> before(partition.ids(), partition.ids() + sizes[i]);
          const size_t middle = partition.Split(0, sizes[i], column.data(), left);
          ExpectStable(before, 0, sizes[i], column, left, middle, partition);
        });
      }
    }
  }
}

TEST(RowPartition, SplitsOfSplitsKeepTheOrderOfRows) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const std::vector<Isa> isas = SupportedIsas();
    const Isa isa = isas[seed % isas.size()];
    const size_t num_rows = 1 + random() % 3000;
    std::vector<uint32_t> rows;
    for (uint32_t row = 0; row < num_rows; ++row)
      if (random() % 3 > 0) rows.push_back(row);
    RowPartition partition(isa, num_rows);
    partition.Reset(rows);
    ASSERT_EQ(partition.size(), rows.size());
    std::vector<std::pair<size_t, size_t>> nodes = {{0, rows.size()}};
    for (int splits = 0; splits < 30; ++splits) {
      const size_t chosen = random() % nodes.size();
      const auto [begin, end] = nodes[chosen];
      const std::vector<uint8_t> column = RandomColumn(num_rows, random);
      const BinSet left = RandomBins(random);
      const std::vector<uint32_t> before(partition.ids(), partition.ids() + rows.size());
      const size_t middle = partition.Split(begin, end, column.data(), left);
      ExpectStable(before, begin, end, column, left, middle, partition);
      nodes[chosen] = {begin, middle};
      nodes.emplace_back(middle, end);
      for (const auto& [first, last] : nodes)
        ASSERT_TRUE(std::is_sorted(partition.ids() + first, partition.ids() + last));
    }
  }
}

TEST(RowPartition, SplitsDifferentRangesAtOnce) {
  constexpr size_t kRanges = 6, kRows = 40000;  // a range is longer than two blocks
  Random random(1);
  const Isa isa = SupportedIsas().back();
  const std::vector<uint8_t> column = RandomColumn(kRanges * kRows, random);
  std::vector<BinSet> left;
  for (size_t i = 0; i < kRanges; ++i) left.push_back(RandomBins(random));
  RowPartition partition(isa, kRanges * kRows), expected(isa, kRanges * kRows);
  expected.ResetToAll(kRanges * kRows);
  std::vector<size_t> middles(kRanges);
  for (int repeat = 0; repeat < 10; ++repeat) {
    RunOnThreads(ContextOf(isa, 8), [&] {
      partition.ResetToAll(kRanges * kRows);
      ParallelFor(0, kRanges, 1, [&](size_t i, size_t) {
        middles[i] = partition.Split(i * kRows, (i + 1) * kRows, column.data(), left[i]);
      });
    });
    for (size_t i = 0; i < kRanges && repeat == 0; ++i)
      ASSERT_EQ(expected.Split(i * kRows, (i + 1) * kRows, column.data(), left[i]), middles[i]);
    ASSERT_TRUE(std::equal(partition.ids(), partition.ids() + kRanges * kRows, expected.ids()));
  }
}

}  // namespace
}  // namespace ramet
