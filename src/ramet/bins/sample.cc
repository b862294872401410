#include "ramet/bins/sample.h"

#include <algorithm>
#include <array>
#include <utility>

#include "ramet/base/hash.h"
#include "ramet/parallel/parallel.h"

namespace ramet {
namespace {

constexpr int kBucketBits = 12;
constexpr size_t kBuckets = size_t{1} << kBucketBits;
constexpr size_t kRowsPerTask = 1 << 16;
using BucketCounts = std::array<uint64_t, kBuckets>;

uint64_t BucketOf(uint64_t hash) { return hash >> (64 - kBucketBits); }

}  // namespace

std::vector<uint64_t> SampleRows(const Context& context, size_t num_rows,
                                 std::span<const float> weights, uint64_t k, uint64_t seed) {
  const uint64_t key = StreamKey(seed, Purpose::kBinSample);
  const auto counts_row = [&](size_t row) { return weights.empty() || weights[row] != 0; };

  // Count rows by the top bits of their hash, to find the bucket in which the k-th smallest lies.
  const BucketCounts counts = ParallelReduce<BucketCounts>(
      0, num_rows, std::max(kRowsPerTask, num_rows / 64 + 1), BucketCounts{},
      [&](BucketCounts& local, size_t begin, size_t end) {
        if (context.Cancelled()) return;
        for (size_t row = begin; row < end; ++row)
          if (counts_row(row)) ++local[BucketOf(CounterHash(key, row))];
      },
      [](BucketCounts& into, const BucketCounts& from) {
        for (size_t i = 0; i < kBuckets; ++i) into[i] += from[i];
      });
  uint64_t below = 0;
  size_t last = 0;
  while (last < kBuckets && below + counts[last] <= k) below += counts[last++];

  // All rows of the buckets below are in; of the last one, those with the smallest (hash, id).
  using Rows = std::pair<std::vector<uint64_t>, std::vector<std::pair<uint64_t, uint64_t>>>;
  Rows chosen = ParallelReduce<Rows>(
      0, num_rows, kRowsPerTask, Rows{},
      [&](Rows& local, size_t begin, size_t end) {
        if (context.Cancelled()) return;
        for (size_t row = begin; row < end; ++row) {
          if (!counts_row(row)) continue;
          const uint64_t hash = CounterHash(key, row);
          if (BucketOf(hash) < last) local.first.push_back(row);
          if (BucketOf(hash) == last) local.second.emplace_back(hash, row);
        }
      },
      [](Rows& into, const Rows& from) {
        into.first.insert(into.first.end(), from.first.begin(), from.first.end());
        into.second.insert(into.second.end(), from.second.begin(), from.second.end());
      });
  auto& [rows, candidates] = chosen;
  std::sort(candidates.begin(), candidates.end());
  for (size_t i = 0; i < candidates.size() && rows.size() < k; ++i)
    rows.push_back(candidates[i].second);
  std::sort(rows.begin(), rows.end());
  return rows;
}

}  // namespace ramet
