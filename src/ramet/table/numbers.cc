// Columns as float64.
#include <bit>
#include <cmath>
#include <vector>

#include "ramet/base/exact_sum.h"
#include "ramet/base/fpu.h"
#include "ramet/table/decimal.h"
#include "ramet/table/layout.h"
#include "ramet/table/table.h"

namespace ramet {
namespace table {

double HalfToDouble(uint16_t half) {
  // Three readings, of which one is chosen without a branch.
  const uint64_t exponent = half >> 10 & 31;
  const uint64_t mantissa = half & 1023;
  const double normal = std::bit_cast<double>((exponent + 1008) << 52 | mantissa << 42);
  const double subnormal = static_cast<double>(mantissa) * 0x1p-24;
  const double special = mantissa == 0 ? HUGE_VAL : kMissing;
  const double magnitude = exponent == 31 ? special : exponent == 0 ? subnormal : normal;
  return half & 0x8000 ? -magnitude : magnitude;
}

namespace {

constexpr int64_t kExactIntegers = int64_t{1} << 53;

// NaN becomes the one NaN, -0 becomes +0.
inline double Canonical(double value) { return value == value ? value + 0.0 : kMissing; }

// value * factor to nearest even.
template <int64_t kFactor>
double Multiplied(int64_t value) {
  // One rounding, of the product of two exact values.
  if (-kExactIntegers <= value && value <= kExactIntegers)
    return static_cast<double>(value) * double{kFactor};
  return static_cast<double>(int128_t{value} * kFactor);
}

// value / 1000 to nearest even: nanoseconds as microseconds.
double DividedByThousand(int64_t value) {
  if (-kExactIntegers <= value && value <= kExactIntegers)
    return static_cast<double>(value) / 1000.0 + 0.0;
  // The quotient gets `shift` binary places, so that it has 56 to 64 bits, and a last bit that says
  // whether more would follow: one correct rounding remains.
  const uint64_t magnitude =
      value < 0 ? -static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  const int shift = magnitude < uint64_t{1} << 60 ? 13 : 10;
  const uint64_t scaled = magnitude % 1000 << shift;
  const uint64_t quotient = (magnitude / 1000 << shift) + scaled / 1000;
  const uint64_t sticky = scaled % 1000 != 0;
  const double rounded = static_cast<double>(quotient | sticky) * (shift == 13 ? 0x1p-13 : 0x1p-10);
  return value < 0 ? -rounded : rounded;
}

template <class T, class F>
void ConvertAll(const void* buffer, size_t first, size_t count, double* out, F convert) {
  for (size_t i = 0; i < count; ++i) out[i] = convert(Load<T>(buffer, first + i));
}

template <class T>
void ReadStored(Unit unit, const void* buffer, size_t first, size_t count, double* out) {
  const auto convert = [&](auto function) { ConvertAll<T>(buffer, first, count, out, function); };
  switch (unit) {
    case Unit::kNone:
    case Unit::kMicroseconds:
      return convert([](T v) { return static_cast<double>(v); });
    case Unit::kDays:
      return convert([](T v) { return Multiplied<86'400'000'000>(v); });
    case Unit::kSeconds:
      return convert([](T v) { return Multiplied<1'000'000>(v); });
    case Unit::kMilliseconds:
      return convert([](T v) { return Multiplied<1'000>(v); });
    case Unit::kNanoseconds:
      return convert([](T v) { return DividedByThousand(v); });
  }
}

// Values [first, first + count) of the buffers, nulls as whatever lies there.
void ReadAllSlots(const ArrowArray& array, const Layout& layout, size_t first, size_t count,
                  double* out) {
  const void* buffer = array.buffers[1];
  switch (layout.storage) {
    case Storage::kBool:
      for (size_t i = 0; i < count; ++i) out[i] = GetBit(buffer, first + i);
      return;
    case Storage::kInt8:
      return ReadStored<int8_t>(Unit::kNone, buffer, first, count, out);
    case Storage::kInt16:
      return ReadStored<int16_t>(Unit::kNone, buffer, first, count, out);
    case Storage::kInt32:
      return ReadStored<int32_t>(layout.unit, buffer, first, count, out);
    case Storage::kInt64:
      return ReadStored<int64_t>(layout.unit, buffer, first, count, out);
    case Storage::kUInt8:
      return ReadStored<uint8_t>(Unit::kNone, buffer, first, count, out);
    case Storage::kUInt16:
      return ReadStored<uint16_t>(Unit::kNone, buffer, first, count, out);
    case Storage::kUInt32:
      return ReadStored<uint32_t>(Unit::kNone, buffer, first, count, out);
    case Storage::kUInt64:
      return ConvertAll<uint64_t>(buffer, first, count, out, [](uint64_t v) {
        // Both halves are exact, so the sum is rounded once.
        return static_cast<double>(v >> 32) * 0x1p32 + static_cast<double>(v & 0xffffffff);
      });
    case Storage::kFloat16:
      return ConvertAll<uint16_t>(buffer, first, count, out,
                                  [](uint16_t v) { return Canonical(HalfToDouble(v)); });
    case Storage::kFloat32:
      return ConvertAll<float>(buffer, first, count, out, [](float v) { return Canonical(v); });
    case Storage::kFloat64:
      return ConvertAll<double>(buffer, first, count, out, Canonical);
    case Storage::kDecimal32:
    case Storage::kDecimal64:
    case Storage::kDecimal128:
    case Storage::kDecimal256:
      for (size_t i = 0; i < count; ++i) out[i] = ToDouble(LoadDecimal(layout, buffer, first + i));
      return;
    default:
      CheckFailed("numeric storage", __FILE__, __LINE__);
  }
}

void ReadPlain(const ArrowArray& array, const Layout& layout, size_t first, size_t count,
               double* out) {
  if (layout.storage == Storage::kNull) {
    for (size_t i = 0; i < count; ++i) out[i] = kMissing;
    return;
  }
  ReadAllSlots(array, layout, first, count, out);
  if (const void* validity = Validity(array)) {
    constexpr uint64_t kMissingBits = std::bit_cast<uint64_t>(kMissing);
    for (size_t i = 0; i < count; ++i) {  // without a branch that nulls in no order would mislead
      const uint64_t there = -uint64_t{GetBit(validity, first + i)};
      out[i] = std::bit_cast<double>((std::bit_cast<uint64_t>(out[i]) & there) |
                                     (kMissingBits & ~there));
    }
  }
}

void ReadDictionary(const ArrowArray& array, char index_format, const Layout& values, size_t first,
                    size_t count, double* out) {
  const ArrowArray& dictionary = *array.dictionary;
  const size_t entries = static_cast<size_t>(dictionary.length);
  const size_t base = static_cast<size_t>(dictionary.offset);
  std::vector<double> decoded;  // only where the dictionary is no longer than what is read
  if (entries <= count) {
    decoded.resize(entries);
    if (entries > 0) ReadPlain(dictionary, values, base, entries, decoded.data());
  }
  const void* validity = Validity(array);
  for (size_t i = 0; i < count; ++i) {
    out[i] = kMissing;
    if (validity != nullptr && !GetBit(validity, first + i)) continue;
    const size_t entry = static_cast<size_t>(LoadIndex(index_format, array.buffers[1], first + i));
    if (entries <= count) {
      out[i] = decoded[entry];
    } else {
      ReadPlain(dictionary, values, base + entry, 1, out + i);
    }
  }
}

// Whether value i, which is there, is beyond float64's exact integers.
bool BeyondExact(const ArrowArray& array, const Layout& layout, size_t i) {
  constexpr uint64_t kLimit = uint64_t{kExactIntegers};
  const void* buffer = array.buffers[1];
  switch (layout.storage) {
    case Storage::kInt64: {
      const int64_t value = Load<int64_t>(buffer, i);
      return value > kExactIntegers || value < -kExactIntegers;
    }
    case Storage::kUInt64:
      return Load<uint64_t>(buffer, i) > kLimit;
    default: {
      const Decimal decimal = LoadDecimal(layout, buffer, i);
      return !decimal.FitsWord() || decimal.magnitude[0] > kLimit;
    }
  }
}

}  // namespace
}  // namespace table

void ColumnView::ReadNumbers(size_t begin, size_t end, double* out) const {
  RAMET_CHECK(begin <= end && end <= length_);
  RAMET_CHECK(IsNumeric(type()));
  if (begin == end) return;
  const FloatingPointGuard guard;
  const table::Layout layout = *table::ParseFormat(field_->format);
  if (field_->dictionary) {
    table::ReadDictionary(*array_, field_->index_format[0], layout, offset_ + begin, end - begin,
                          out);
  } else {
    table::ReadPlain(*array_, layout, offset_ + begin, end - begin, out);
  }
}

const float* ColumnView::Float32Values() const {
  if (field_->dictionary || field_->type != ValueType::kFloat32 || length_ == 0) return nullptr;
  if (table::Validity(*array_) != nullptr) return nullptr;
  return static_cast<const float*>(array_->buffers[1]) + offset_;
}

bool ColumnView::LosesDigits() const {
  const table::Layout layout = *table::ParseFormat(field_->format);
  const bool wide_integer = layout.type == ValueType::kInt64 || layout.type == ValueType::kUInt64;
  if (!wide_integer &&
      (layout.type != ValueType::kDecimal || layout.storage == table::Storage::kDecimal32)) {
    return false;
  }
  for (size_t i = offset_; i < offset_ + length_; ++i) {
    const void* validity = table::Validity(*array_);
    if (validity != nullptr && !table::GetBit(validity, i)) continue;
    if (!field_->dictionary) {
      if (table::BeyondExact(*array_, layout, i)) return true;
      continue;
    }
    const ArrowArray& dictionary = *array_->dictionary;
    const size_t entry =
        static_cast<size_t>(dictionary.offset) +
        static_cast<size_t>(table::LoadIndex(field_->index_format[0], array_->buffers[1], i));
    if (table::IsValid(dictionary, layout, entry) && table::BeyondExact(dictionary, layout, entry))
      return true;
  }
  return false;
}

}  // namespace ramet
