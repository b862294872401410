#include "ramet/metric/radix_sort.h"

#include <algorithm>
#include <vector>

#include "ramet/parallel/parallel.h"

namespace ramet {
namespace {

constexpr int kDigitBits = 8;
constexpr size_t kDigits = size_t{1} << kDigitBits;
constexpr size_t kPieceRows = size_t{1} << 16;

size_t DigitOf(const SortRecord& record, int shift) {
  return (record.key >> shift) & (kDigits - 1);
}

// Counts of one digit, one row of kDigits a piece of the records.
std::vector<uint32_t> CountDigits(const Buffer<SortRecord>& records, int shift) {
  const size_t pieces = (records.size() + kPieceRows - 1) / kPieceRows;
  std::vector<uint32_t> counts(pieces * kDigits);
  ParallelFor(0, records.size(), kPieceRows, [&](size_t begin, size_t end) {
    uint32_t* piece_counts = counts.data() + begin / kPieceRows * kDigits;
    for (size_t i = begin; i < end; ++i) ++piece_counts[DigitOf(records[i], shift)];
  });
  return counts;
}

// Counts become the position of each piece's first record of each digit. False if all records share
// one digit.
bool CountsToPositions(std::vector<uint32_t>& counts) {
  uint32_t position = 0;
  size_t digits_present = 0;
  for (size_t digit = 0; digit < kDigits; ++digit) {
    const uint32_t digit_begin = position;
    for (size_t i = digit; i < counts.size(); i += kDigits) {
      const uint32_t count = counts[i];
      counts[i] = position;
      position += count;
    }
    digits_present += position > digit_begin;
  }
  return digits_present > 1;
}

}  // namespace

Buffer<SortRecord> RadixSort(Buffer<SortRecord> records) {
  RAMET_CHECK(records.size() <= UINT32_MAX);
  Buffer<SortRecord> sorted(records.size());
  for (int shift = 0; shift < 64; shift += kDigitBits) {
    std::vector<uint32_t> positions = CountDigits(records, shift);
    if (!CountsToPositions(positions)) continue;
    ParallelFor(0, records.size(), kPieceRows, [&](size_t begin, size_t end) {
      uint32_t* next = positions.data() + begin / kPieceRows * kDigits;
      for (size_t i = begin; i < end; ++i) sorted[next[DigitOf(records[i], shift)]++] = records[i];
    });
    std::swap(records, sorted);
  }
  return records;
}

}  // namespace ramet
