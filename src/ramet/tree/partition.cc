#include "ramet/tree/partition.h"

#include <algorithm>
#include <array>
#include <vector>

#include "ramet/parallel/parallel.h"

namespace ramet {
namespace {

constexpr size_t kRowsPerBlock = 1 << 14;

using GoesLeft = std::array<uint8_t, 256>;

// Writes the left rows to `left` and the others to `right`, each in order; returns how many went left. Both are written for
// each row and one is advanced, so that no branch depends on the data. `left` may be `rows` itself.
size_t Divide(const uint32_t* rows, size_t count, const uint8_t* column, const GoesLeft& goes_left, uint32_t* left,
              uint32_t* right) {
  constexpr size_t kPrefetchAhead = 24;
  size_t num_left = 0, num_right = 0;
  for (size_t i = 0; i < count; ++i) {
    if (i + kPrefetchAhead < count) __builtin_prefetch(column + rows[i + kPrefetchAhead]);
    const uint32_t row = rows[i];
    const size_t is_left = goes_left[column[row]];
    right[num_right] = row;
    left[num_left] = row;
    num_left += is_left;
    num_right += 1 - is_left;
  }
  return num_left;
}

}  // namespace

void RowPartition::ResetToAll(size_t num_rows) {
  RAMET_CHECK(num_rows <= rows_.size());
  size_ = num_rows;
  ParallelFor(0, num_rows, kRowsPerBlock, [&](size_t begin, size_t end) {
    for (size_t row = begin; row < end; ++row) rows_[row] = static_cast<uint32_t>(row);
  });
}

void RowPartition::Reset(std::span<const uint32_t> rows) {
  RAMET_CHECK(rows.size() <= rows_.size());
  size_ = rows.size();
  std::copy(rows.begin(), rows.end(), rows_.begin());
}

size_t RowPartition::Split(size_t begin, size_t end, const uint8_t* column, const BinSet& left) {
  GoesLeft goes_left;
  for (size_t bin = 0; bin < goes_left.size(); ++bin) goes_left[bin] = left.Contains(bin);
  const size_t count = end - begin;
  uint32_t* rows = rows_.data() + begin;
  uint32_t* scratch = scratch_.data() + begin;
  if (count <= 2 * kRowsPerBlock) {
    const size_t num_left = Divide(rows, count, column, goes_left, rows, scratch);
    std::copy(scratch, scratch + (count - num_left), rows + num_left);
    return begin + num_left;
  }
  // Each block divides within itself — lefts stay, rights go to the scratch — then all move to where the blocks before them end.
  const size_t blocks = (count + kRowsPerBlock - 1) / kRowsPerBlock;
  std::vector<size_t> lefts(blocks + 1, 0);
  ParallelFor(0, count, kRowsPerBlock, [&](size_t block_begin, size_t block_end) {
    lefts[block_begin / kRowsPerBlock + 1] = Divide(rows + block_begin, block_end - block_begin, column, goes_left,
                                                    rows + block_begin, scratch + block_begin);
  });
  // Lefts move down in order of the blocks, each to before or at its place: no block overwrites one not yet moved.
  for (size_t block = 0; block < blocks; ++block) {
    const uint32_t* from = rows + block * kRowsPerBlock;
    std::copy(from, from + lefts[block + 1], rows + lefts[block]);
    lefts[block + 1] += lefts[block];
  }
  const size_t num_left = lefts[blocks];
  ParallelFor(0, count, kRowsPerBlock, [&](size_t block_begin, size_t block_end) {
    const size_t block = block_begin / kRowsPerBlock;
    const size_t rights = block_end - block_begin - (lefts[block + 1] - lefts[block]);
    const size_t rights_before = block_begin - lefts[block];
    std::copy(scratch + block_begin, scratch + block_begin + rights, rows + num_left + rights_before);
  });
  return begin + num_left;
}

}  // namespace ramet
