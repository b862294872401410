// One feature's values to bins: what ApplyBins does for training rows, and prediction for new ones.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "ramet/bins/bins.h"

namespace ramet {

// Position of numbers among sorted thresholds: 0 for missing, else 1 + (number of thresholds t with t < x), so that
// x <= thresholds[i] exactly if Position(x) <= i + 1.
class NumericEncoder {
 public:
  explicit NumericEncoder(std::span<const double> thresholds);
  // Bin is uint8_t (at most 254 thresholds) or uint16_t (at most 65,534).
  template <class Bin>
  void Encode(const double* values, size_t count, Bin* out) const;

 private:
  std::vector<double> padded_;  // thresholds, then +infinity, to a power of two minus one
  size_t first_step_;           // half of that power of two
};

class FeatureEncoder {
 public:
  explicit FeatureEncoder(const FeatureBins& bins);
  // out[i - begin] = bin of row i. Errors as ColumnView::ReadKeys, with the column's name.
  Status Encode(const ColumnView& column, size_t begin, size_t end, uint8_t* out) const;

 private:
  Status EncodeCategories(const ColumnView& column, size_t begin, size_t end, uint8_t* out) const;

  FeatureKind kind_;
  bool has_values_;
  NumericEncoder numeric_;
  std::unordered_map<CategoryKey, uint8_t> bin_of_key_;
  uint8_t bin_of_others_;
};

}  // namespace ramet
