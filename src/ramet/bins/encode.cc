#include "ramet/bins/encode.h"

#include <algorithm>
#include <bit>
#include <limits>

namespace ramet {
namespace {

constexpr size_t kRowsPerBlock = 1024;

}  // namespace

NumericEncoder::NumericEncoder(std::span<const double> thresholds)
    : padded_(thresholds.begin(), thresholds.end()), first_step_(std::bit_ceil(thresholds.size() + 1) / 2) {
  padded_.resize(2 * first_step_ == 0 ? 1 : 2 * first_step_ - 1, std::numeric_limits<double>::infinity());
}

template <class Bin>
void NumericEncoder::Encode(const double* values, size_t count, Bin* out) const {
  // Binary search without branches, on several values at once, so that their loads overlap. `table[p + step - 1]` stays
  // inside: p + step <= 2 * first_step_ - 1.
  constexpr size_t kLanes = 8;
  const double* table = padded_.data();
  const auto search = [&](const double* x, Bin* bins, auto lanes) {
    constexpr size_t n = decltype(lanes)::value;
    uint32_t position[n] = {};
    for (uint32_t step = static_cast<uint32_t>(first_step_); step > 0; step /= 2)
      for (size_t j = 0; j < n; ++j) position[j] += table[position[j] + step - 1] < x[j] ? step : 0;
    for (size_t j = 0; j < n; ++j) bins[j] = static_cast<Bin>(x[j] == x[j] ? position[j] + 1 : 0);
  };
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) search(values + i, out + i, std::integral_constant<size_t, kLanes>());
  for (; i < count; ++i) search(values + i, out + i, std::integral_constant<size_t, 1>());
}

template void NumericEncoder::Encode(const double*, size_t, uint8_t*) const;
template void NumericEncoder::Encode(const double*, size_t, uint16_t*) const;

FeatureEncoder::FeatureEncoder(const FeatureBins& bins)
    : kind_(bins.kind), has_values_(bins.has_values), numeric_(bins.thresholds), bin_of_others_(0) {
  for (size_t i = 0; i < bins.categories.size(); ++i) bin_of_key_.emplace(bins.categories[i], i + 1);
  if (bins.folded) bin_of_others_ = static_cast<uint8_t>(bins.categories.size() + 1);
}

Status FeatureEncoder::Encode(const ColumnView& column, size_t begin, size_t end, uint8_t* out) const {
  if (kind_ == FeatureKind::kCategorical) return EncodeCategories(column, begin, end, out);
  if (!IsNumeric(column.type()))
    return DataError("column \"" + column.field().name + "\" holds " + std::string(ValueTypeName(column.type())) +
                     "s, but was numeric in training. Convert it to numbers.");
  double values[kRowsPerBlock];
  for (; begin < end; begin += kRowsPerBlock) {
    const size_t count = std::min(kRowsPerBlock, end - begin);
    column.ReadNumbers(begin, begin + count, values);
    if (has_values_)
      numeric_.Encode(values, count, out);
    else
      std::fill_n(out, count, uint8_t{0});
    out += count;
  }
  return {};
}

Status FeatureEncoder::EncodeCategories(const ColumnView& column, size_t begin, size_t end, uint8_t* out) const {
  KeyView keys[kRowsPerBlock];
  std::vector<int16_t> bin_of_code;  // -1: not looked up yet
  const auto look_up = [&](const KeyView& key) {
    if (key.kind == KeyView::Kind::kMissing) return uint8_t{0};
    const auto found = bin_of_key_.find(key.ToKey());
    return found == bin_of_key_.end() ? bin_of_others_ : found->second;
  };
  for (; begin < end; begin += kRowsPerBlock) {
    const size_t count = std::min(kRowsPerBlock, end - begin);
    if (Status status = column.ReadKeys(begin, begin + count, keys); !status.ok()) {
      Error error = status.TakeError();
      error.message = "column \"" + column.field().name + "\": " + error.message;
      return error;
    }
    for (size_t i = 0; i < count; ++i) {
      if (keys[i].code < 0 || keys[i].kind == KeyView::Kind::kMissing) {
        out[i] = look_up(keys[i]);
        continue;
      }
      const size_t code = static_cast<size_t>(keys[i].code);
      if (code >= bin_of_code.size()) bin_of_code.resize(code + 1, -1);
      if (bin_of_code[code] < 0) bin_of_code[code] = look_up(keys[i]);
      out[i] = static_cast<uint8_t>(bin_of_code[code]);
    }
    out += count;
  }
  return {};
}

}  // namespace ramet
