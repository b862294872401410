// Bins: numbers and categories become small integers.
//
//   Table ──survey, sample (parts.h)──► BinMapper (thresholds, categories) ──ApplyBins──►
//   BinnedMatrix (rows x features, uint8)
//
// Bin 0 of every feature is "missing". A numeric feature's bin b >= 1 holds the values in
// (thresholds[b-2], thresholds[b-1]]; a categorical feature's bin b >= 1 holds categories[b-1], and
// the bin after the last category holds the rare ones, where they were folded.
//
// Invariants
//   B1. Bins are a function of the rows' values, weights and ids alone (not of chunks): edges are
//   weighted quantiles of
//       the `sample_rows` rows with the smallest hashed ids; rows of weight zero count nowhere.
//   B2. x <= thresholds[i] decides the same for the value and for its bin: last-left <= threshold <
//   first-right, also
//       for adjacent floats. Thresholds are finite and strictly increasing.
//   B3. A column with at most `max_bins` distinct sampled values has one bin per value.
//   B4. Categories are sorted by key. At most 254 are kept; the rarest fold together, by (exact
//   count, key). B5. A key that no bin has is in the folded bin if there is one, else missing.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ramet/base/buffer.h"
#include "ramet/base/result.h"
#include "ramet/parallel/context.h"
#include "ramet/table/table.h"

namespace ramet {

enum class FeatureKind : uint8_t { kNumeric = 0, kCategorical = 1 };

struct BinningParameters {
  int max_bins = 255;  // of a numeric feature, besides the bin of missing values; 2 to 255
  uint64_t sample_rows = 200'000;  // rows whose values the edges are taken from
  uint64_t seed = 0;
};

inline constexpr size_t kMaxCategoriesPerColumn = 1'000'000;  // distinct, counted exactly
inline constexpr int kMaxCategoryBins = 254;

struct FeatureBins {
  FeatureKind kind = FeatureKind::kNumeric;
  std::vector<double> thresholds;       // numeric: value bins - 1 of them
  std::vector<CategoryKey> categories;  // categorical: sorted
  bool folded = false;                  // categorical: the last bin holds the rare categories
  bool has_values =
      false;  // numeric: some value was seen (else the feature has the missing bin only)

  // Bins including that of missing values, 1 to 256.
  int num_bins() const {
    if (kind == FeatureKind::kCategorical)
      return 1 + static_cast<int>(categories.size()) + (folded ? 1 : 0);
    return has_values ? 2 + static_cast<int>(thresholds.size()) : 1;
  }
};

struct BinMapper {
  std::vector<FeatureBins> features;
};

// Rows x features of bins, kept twice: row-major for histograms (all bins of a row in one or two
// cache lines) and column-major for partitioning rows by one feature.
class BinnedMatrix {
 public:
  BinnedMatrix() = default;
  BinnedMatrix(size_t num_rows, size_t num_features);

  size_t num_rows() const { return num_rows_; }
  size_t num_features() const { return num_features_; }
  // Bytes from one row to the next: num_features rounded up to a divisor or a multiple of 32.
  size_t row_stride() const { return row_stride_; }
  const uint8_t* row(size_t i) const { return rows_.data() + i * row_stride_; }
  uint8_t* mutable_row(size_t i) { return rows_.data() + i * row_stride_; }
  const uint8_t* column(size_t feature) const { return columns_.data() + feature * column_stride_; }
  uint8_t* mutable_column(size_t feature) { return columns_.data() + feature * column_stride_; }
  size_t column_stride() const { return column_stride_; }
  // Makes the row-major copy of rows [begin, end), whose columns are there.
  void FillRows(size_t begin, size_t end);
  size_t memory_bytes() const { return rows_.size() + columns_.size(); }

 private:
  size_t num_rows_ = 0, num_features_ = 0, row_stride_ = 0, column_stride_ = 0;
  Buffer<uint8_t> rows_, columns_;
};

// Bins all rows of `table`. With `release`, chunks are freed as they are done, so that raw values
// and bins are not held together. O(rows x features x log2 bins).
Result<BinnedMatrix> ApplyBins(const Context& context, const BinMapper& mapper, Table& table,
                               std::span<const size_t> columns, bool release);

}  // namespace ramet
