// Which rows are in which node: one array of row ids, in which every node has a range.
//
//   rows: [ … | node's rows, ascending | … ]  ──Split──►  [ … | left child's | right child's | … ]
//
// Invariant P1: ids are ascending within every node's range, whatever the number of threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ramet/base/buffer.h"
#include "ramet/base/isa.h"
#include "ramet/split/split.h"

namespace ramet {

class RowPartition {
 public:
  RowPartition(Isa isa, size_t capacity) : isa_(isa), rows_(capacity), scratch_(capacity) {}

  // One range [0, n): all rows, or the given ones (ascending).
  void ResetToAll(size_t num_rows);
  void Reset(std::span<const uint32_t> rows);

  size_t size() const { return size_; }
  const uint32_t* ids() const { return rows_.data(); }

  // Moves the rows of [begin, end) whose bin in `column` is in `left` to the front, in order;
  // returns where the others begin. Different ranges may be split at once. O(end - begin); on all
  // threads for long ranges.
  size_t Split(size_t begin, size_t end, const uint8_t* column, const BinSet& left);

 private:
  Isa isa_;
  size_t size_ = 0;
  Buffer<uint32_t> rows_, scratch_;
};

}  // namespace ramet
