// Sorts records by a 64-bit key on all threads: a stable radix sort from the lowest digit, whose
// passes over digits that all keys share are skipped. O(rows), about 10 ns a row and thread.
#pragma once

#include <cstdint>

#include "ramet/base/buffer.h"

namespace ramet {

struct SortRecord {
  uint64_t key;
  int64_t value;
};

// `records` in ascending order of the key, equal keys in their old order.
Buffer<SortRecord> RadixSort(Buffer<SortRecord> records);

}  // namespace ramet
