// A block of rows as a forest walks it.
//
// Private to this folder.
#pragma once

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "ramet/base/buffer.h"
#include "ramet/predict/forest.h"
#include "ramet/predict/walk.h"

namespace ramet {

// The column-major bins of a block, and where triplets need it their row-major copy.
template <class Bin>
class BlockBins {
 public:
  explicit BlockBins(const Forest<Bin>& forest)
      : num_features_(forest.num_features),
        row_stride_(forest.row_stride),
        columns_(kRowsPerBlock * forest.num_features),
        rows_(kRowsPerBlock * forest.row_stride) {}

  Bin* columns() { return columns_.data(); }
  // The block of the first `rows` rows, whose columns have been written; vectors read the others
  // too.
  ForestBlock<Bin> Finish(Isa isa, size_t rows) {
    for (size_t f = 0; f < num_features_; ++f)
      std::fill(columns() + f * kRowsPerBlock + rows, columns() + (f + 1) * kRowsPerBlock, Bin{0});
    if constexpr (std::is_same_v<Bin, uint8_t>)
      if (row_stride_ > 0)
        TransposeBlock(isa, columns_.data(), num_features_, rows_.data(), row_stride_);
    return {columns_.data(), row_stride_ > 0 ? rows_.data() : nullptr, row_stride_,
            HasMissing(rows)};
  }

 private:
  bool HasMissing(size_t rows) const {
    for (size_t f = 0; f < num_features_; ++f) {
      const Bin* column = columns_.data() + f * kRowsPerBlock;
      if constexpr (sizeof(Bin) == 1) {
        if (std::memchr(column, 0, rows) != nullptr) return true;
      } else {
        if (std::find(column, column + rows, Bin{0}) != column + rows) return true;
      }
    }
    return false;
  }

  size_t num_features_, row_stride_;
  Buffer<Bin> columns_;
  Buffer<uint8_t> rows_;
};

}  // namespace ramet
