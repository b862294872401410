#include "ramet/bins/encode.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "ramet/bins/group_search.h"

namespace ramet {
namespace {

constexpr size_t kRowsPerBlock = 1024;

// The largest float32 that is not above x; infinite beyond their range.
float LargestFloatUpTo(double x) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const float nearest = static_cast<float>(x);
  return static_cast<double>(nearest) > x ? std::nextafter(nearest, -kInfinity) : nearest;
}

// Bins that unknown keys and rare categories get in training (B5).
uint32_t TrainingBinOfOthers(const FeatureBins& bins) {
  return bins.folded ? static_cast<uint32_t>(bins.categories.size() + 1) : 0;
}

}  // namespace

NumericEncoder::NumericEncoder(std::span<const double> thresholds)
    : padded_(thresholds.begin(), thresholds.end()),
      first_step_(std::bit_ceil(thresholds.size() + 1) / 2) {
  const double infinity = std::numeric_limits<double>::infinity();
  padded_.resize(std::max<size_t>(2, 2 * first_step_), infinity);
  if (thresholds.size() >= kThresholdsPerGroup * kThresholdsPerGroup) return;
  padded_.resize(std::max(padded_.size(), kThresholdsPerGroup * kThresholdsPerGroup), infinity);
  for (size_t group = 0; group < kThresholdsPerGroup; ++group)
    last_of_group_.push_back(padded_[kThresholdsPerGroup * (group + 1) - 1]);
  for (double threshold : padded_) padded32_.push_back(LargestFloatUpTo(threshold));
  for (double threshold : last_of_group_) last_of_group32_.push_back(LargestFloatUpTo(threshold));
}

template <class Bin>
void NumericEncoder::Encode(Isa isa, const double* values, size_t count, Bin* out) const {
  if constexpr (std::is_same_v<Bin, uint8_t>) {
    if (!last_of_group_.empty() &&
        EncodeByGroups(isa, last_of_group_.data(), padded_.data(), values, count, out))
      return;
  }
  // Binary search without branches, on several values at once, so that their loads overlap.
  // `table[p + step - 1]` stays inside: p + step <= 2 * first_step_ - 1.
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
  for (; i + kLanes <= count; i += kLanes)
    search(values + i, out + i, std::integral_constant<size_t, kLanes>());
  for (; i < count; ++i) search(values + i, out + i, std::integral_constant<size_t, 1>());
}

template <class Bin>
bool NumericEncoder::EncodeFloat32(Isa isa, const ColumnView& column, size_t begin, size_t end,
                                   float* scratch, Bin* out) const {
  if constexpr (std::is_same_v<Bin, uint8_t>) {
    if (last_of_group_.empty()) return false;
    const float* values = column.Float32Values(begin, end, scratch);
    return values != nullptr &&
           EncodeByGroups(isa, last_of_group32_.data(), padded32_.data(), values, end - begin, out);
  }
  return false;
}

template <class Bin>
Status NumericEncoder::EncodeColumn(Isa isa, const ColumnView& column, size_t begin, size_t end,
                                    Bin* out) const {
  if (!IsNumeric(column.type()))
    return DataError("column \"" + column.name() + "\" holds " +
                     std::string(ValueTypeName(column.type())) +
                     "s, but was numeric in training. Convert it to numbers.");
  double values[kRowsPerBlock];
  float scratch[kRowsPerBlock];
  for (; begin < end; begin += kRowsPerBlock) {
    const size_t count = std::min(kRowsPerBlock, end - begin);
    if (!EncodeFloat32(isa, column, begin, begin + count, scratch, out)) {
      column.ReadNumbers(begin, begin + count, values);
      Encode(isa, values, count, out);
    }
    out += count;
  }
  return {};
}

CategoryEncoder::CategoryEncoder(std::span<const CategoryKey> categories, uint32_t bin_of_others)
    : bin_of_others_(bin_of_others) {
  for (size_t i = 0; i < categories.size(); ++i) bin_of_key_.emplace(categories[i], i + 1);
}

uint32_t CategoryEncoder::BinOf(const KeyView& key) const {
  if (key.kind == KeyView::Kind::kMissing) return 0;
  if (key.kind == KeyView::Kind::kOther) return bin_of_others_;
  const auto found = bin_of_key_.find(key.ToKey());
  return found == bin_of_key_.end() ? bin_of_others_ : found->second;
}

template <class Bin>
Status CategoryEncoder::EncodeColumn(const ColumnView& column, size_t begin, size_t end,
                                     Bin* out) const {
  constexpr uint32_t kUnknown = UINT32_MAX;
  KeyView keys[kRowsPerBlock];
  std::vector<uint32_t> bin_of_code;  // of the chunk's dictionary entries, as they are met
  for (; begin < end; begin += kRowsPerBlock) {
    const size_t count = std::min(kRowsPerBlock, end - begin);
    if (Status status = column.ReadKeys(begin, begin + count, keys, UnfitKeys::kOther);
        !status.ok()) {
      Error error = status.TakeError();
      error.message = "column \"" + column.name() + "\": " + error.message;
      return error;
    }
    for (size_t i = 0; i < count; ++i) {
      if (keys[i].code < 0) {
        out[i] = static_cast<Bin>(BinOf(keys[i]));
        continue;
      }
      const size_t code = static_cast<size_t>(keys[i].code);
      if (code >= bin_of_code.size()) bin_of_code.resize(code + 1, kUnknown);
      if (bin_of_code[code] == kUnknown) bin_of_code[code] = BinOf(keys[i]);
      out[i] = static_cast<Bin>(bin_of_code[code]);
    }
    out += count;
  }
  return {};
}

#define RAMET_INSTANTIATE_ENCODERS(Bin)                                                      \
  template void NumericEncoder::Encode(Isa, const double*, size_t, Bin*) const;              \
  template Status NumericEncoder::EncodeColumn(Isa, const ColumnView&, size_t, size_t, Bin*) \
      const;                                                                                 \
  template Status CategoryEncoder::EncodeColumn(const ColumnView&, size_t, size_t, Bin*) const;
RAMET_INSTANTIATE_ENCODERS(uint8_t)
RAMET_INSTANTIATE_ENCODERS(uint16_t)
RAMET_INSTANTIATE_ENCODERS(uint32_t)
#undef RAMET_INSTANTIATE_ENCODERS

FeatureEncoder::FeatureEncoder(const FeatureBins& bins)
    : kind_(bins.kind),
      has_values_(bins.has_values),
      numeric_(bins.thresholds),
      categories_(bins.categories, TrainingBinOfOthers(bins)) {}

Status FeatureEncoder::Encode(Isa isa, const ColumnView& column, size_t begin, size_t end,
                              uint8_t* out) const {
  if (kind_ == FeatureKind::kCategorical) return categories_.EncodeColumn(column, begin, end, out);
  if (!has_values_) {
    std::fill_n(out, end - begin, uint8_t{0});
    return {};
  }
  return numeric_.EncodeColumn(isa, column, begin, end, out);
}

}  // namespace ramet
