// Which rows the bin edges are taken from (B1), and their values.
//
// Private to this folder.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ramet/base/buffer.h"
#include "ramet/parallel/context.h"
#include "ramet/table/table.h"

namespace ramet {

// Rows of a part and the hashes of their ids.
struct HashedRows {
  std::vector<uint64_t> rows;  // ascending; 0 is the part's first
  std::vector<uint64_t> hashes;
};

// Of the part's rows of non-zero weight whose hash is at most `largest_hash`: the min(k, all) with
// the smallest one (ties by id). `weights` has an entry a row or is empty. O(rows) time. Where the
// context is cancelled, any rows.
HashedRows SmallestHashes(const Context& context, size_t num_rows, uint64_t first_row,
                          std::span<const float> weights, uint64_t k, uint64_t seed,
                          uint64_t largest_hash);

// A hash above which no row of the whole table is among the k of `counted` with the smallest one,
// but one time in 10^20. So parts need not know of each other.
uint64_t LikelyLargestHash(uint64_t counted, uint64_t k);

// What SmallestHashes gives for a whole table of which `counted` rows have weight: exactly the
// sample.
HashedRows SampleOfWhole(const Context& context, size_t num_rows, std::span<const float> weights,
                         uint64_t counted, uint64_t k, uint64_t seed);

// out[j * rows.size() + i] = row rows[i] of columns[j].
void ReadRows(const Context& context, const Table& table, std::span<const size_t> columns,
              std::span<const uint64_t> rows, double* out);

}  // namespace ramet
