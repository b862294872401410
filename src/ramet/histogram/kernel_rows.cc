// Rows into scratch: a scatter of 64-bit adds, which no vector unit does faster than the scalar
// one, so there is one version for all instruction sets.

#include "ramet/histogram/kernel.h"

namespace ramet {
namespace {

// Rows ahead whose bins and words are fetched, where rows come through a list.
constexpr size_t kPrefetchAhead = 16;

struct PackedCell {
  static constexpr size_t kWords = 1;
  uint64_t word;
  explicit PackedCell(const uint64_t* row) : word(*row) {}
  void AddTo(uint64_t* cells, size_t bin) const { cells[bin] += word; }
};

typedef uint64_t WordPair __attribute__((vector_size(16)));

struct WideCell {
  static constexpr size_t kWords = 2;
  WordPair words;
  explicit WideCell(const uint64_t* row) : words{row[0], row[1]} {}
  void AddTo(uint64_t* cells, size_t bin) const {
    reinterpret_cast<WordPair*>(cells)[bin] += words;
  }
};

template <class Cell>
inline void AddRow(const uint8_t* bins, size_t num_features, const Cell& cell, uint64_t* scratch) {
  constexpr size_t kStride = kScratchStride * Cell::kWords;
  size_t f = 0;
  for (; f + 4 <= num_features; f += 4) {
    uint64_t* cells = scratch + f * kStride;
    cell.AddTo(cells, bins[f]);
    cell.AddTo(cells + kStride, bins[f + 1]);
    cell.AddTo(cells + 2 * kStride, bins[f + 2]);
    cell.AddTo(cells + 3 * kStride, bins[f + 3]);
  }
  for (; f < num_features; ++f) cell.AddTo(scratch + f * kStride, bins[f]);
}

template <class Cell>
void AddRows(const uint8_t* bins, size_t stride, size_t num_features, const uint32_t* ids,
             size_t first, size_t count, const uint64_t* words, uint64_t* scratch) {
  if (ids == nullptr) {
    for (size_t row = first; row < first + count; ++row)
      AddRow(bins + row * stride, num_features, Cell(words + row * Cell::kWords), scratch);
    return;
  }
  const size_t ahead = count > kPrefetchAhead ? count - kPrefetchAhead : 0;
  const size_t row_bytes = num_features;
  for (size_t i = 0; i < count; ++i) {
    if (i < ahead) {
      const size_t next = ids[i + kPrefetchAhead];
      const uint8_t* next_bins = bins + next * stride;
      __builtin_prefetch(next_bins);
      if (row_bytes > 32) __builtin_prefetch(next_bins + row_bytes - 1);
      __builtin_prefetch(words + next * Cell::kWords);
    }
    const size_t row = ids[i];
    AddRow(bins + row * stride, num_features, Cell(words + row * Cell::kWords), scratch);
  }
}

}  // namespace

void AddRowsPacked(const uint8_t* bins, size_t stride, size_t num_features, const uint32_t* ids,
                   size_t first, size_t count, const uint64_t* words, uint64_t* scratch) {
  AddRows<PackedCell>(bins, stride, num_features, ids, first, count, words, scratch);
}
void AddRowsWide(const uint8_t* bins, size_t stride, size_t num_features, const uint32_t* ids,
                 size_t first, size_t count, const uint64_t* words, uint64_t* scratch) {
  AddRows<WideCell>(bins, stride, num_features, ids, first, count, words, scratch);
}

}  // namespace ramet
