// One feature's values to bins: what ApplyBins does for training rows, and prediction for new ones.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "ramet/bins/bins.h"
#include "ramet/parallel/parallel.h"

namespace ramet {

// Position of numbers among sorted thresholds: 0 for missing, else 1 + (number of thresholds t with
// t < x), so that x <= thresholds[i] exactly if position <= i + 1.
class NumericEncoder {
 public:
  explicit NumericEncoder(std::span<const double> thresholds);
  // Bin is an unsigned integer that holds thresholds + 1. About 2 ns a value.
  template <class Bin>
  void Encode(Isa isa, const double* values, size_t count, Bin* out) const;
  // out[i - begin] = position of row i. An error if the column holds strings.
  template <class Bin>
  Status EncodeColumn(Isa isa, const ColumnView& column, size_t begin, size_t end, Bin* out) const;

 private:
  // The same from float32 values, or false where they are not or this would not pay. `scratch`
  // holds end - begin of them.
  template <class Bin>
  bool EncodeFloat32(Isa isa, const ColumnView& column, size_t begin, size_t end, float* scratch,
                     Bin* out) const;

  std::vector<double>
      padded_;         // thresholds, then +infinity, to a power of two minus one, and one more
  size_t first_step_;  // half of that power of two
  // Every 16th of up to 255 thresholds; empty for more.
  std::vector<double> last_of_group_;
  // The same for float32 values: the largest float32 not above each threshold decides alike.
  std::vector<float> padded32_, last_of_group32_;
};

// Position of keys among sorted categories: 0 for missing, 1 + index, or `bin_of_others` for any
// other key and for values that are no keys at all.
class CategoryEncoder {
 public:
  CategoryEncoder(std::span<const CategoryKey> categories, uint32_t bin_of_others);
  // An error names the column: a malformed Arrow array.
  template <class Bin>
  Status EncodeColumn(const ColumnView& column, size_t begin, size_t end, Bin* out) const;

 private:
  uint32_t BinOf(const KeyView& key) const;
  std::unordered_map<CategoryKey, uint32_t> bin_of_key_;
  uint32_t bin_of_others_;
};

// Either, for the bins of a training feature.
class FeatureEncoder {
 public:
  explicit FeatureEncoder(const FeatureBins& bins);
  Status Encode(Isa isa, const ColumnView& column, size_t begin, size_t end, uint8_t* out) const;

 private:
  FeatureKind kind_;
  bool has_values_;
  NumericEncoder numeric_;
  CategoryEncoder categories_;
};

// Where bins go: feature f's of row i to columns[f * stride + i].
struct BinColumns {
  uint8_t* columns;
  size_t stride;
};

// Bins of all rows of a table, on all threads. `done(begin, end)` is called for each block of rows
// when its bins are there. With `release`, chunks are freed as they are done.
Status EncodeTable(const Context& context, const BinMapper& mapper, Table& table,
                   std::span<const size_t> columns, bool release, const BinColumns& out,
                   FunctionRef<void(size_t, size_t)> done);

}  // namespace ramet
