#include "ramet/tree/partition.h"

#include <algorithm>
#include <vector>

#include "ramet/parallel/parallel.h"
#include "ramet/tree/divide.h"

namespace ramet {
namespace {

// Divided within the first-level cache: longer runs in place are twice as slow.
constexpr size_t kRowsPerBlock = 1 << 12;

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
  const size_t count = end - begin;
  uint32_t* rows = rows_.data() + begin;
  uint32_t* scratch = scratch_.data() + begin;
  if (count <= kRowsPerBlock) {
    const size_t num_left = DivideRows(isa_, rows, count, column, left, rows, scratch);
    std::copy(scratch, scratch + (count - num_left), rows + num_left);
    return begin + num_left;
  }
  // Each block divides within itself — lefts stay, rights go to the scratch — then all move to
  // where the blocks before them end.
  const size_t blocks = (count + kRowsPerBlock - 1) / kRowsPerBlock;
  std::vector<size_t> lefts(blocks + 1, 0);
  ParallelFor(0, count, kRowsPerBlock, [&](size_t block_begin, size_t block_end) {
    lefts[block_begin / kRowsPerBlock + 1] =
        DivideRows(isa_, rows + block_begin, block_end - block_begin, column, left,
                   rows + block_begin, scratch + block_begin);
  });
  // Lefts move down in order of the blocks, each to before or at its place: no block overwrites one
  // not yet moved.
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
    std::copy(scratch + block_begin, scratch + block_begin + rights,
              rows + num_left + rights_before);
  });
  return begin + num_left;
}

}  // namespace ramet
