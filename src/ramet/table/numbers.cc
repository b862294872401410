// Columns as float64.
#include <algorithm>
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

// Where values lie: at first, first + stride, … or at base + (rows[i] - first_row) * stride.
struct Run {
  const char* first;
  ptrdiff_t stride;
  const char* operator[](size_t i) const { return first + static_cast<ptrdiff_t>(i) * stride; }
};
struct Picks {
  const char* base;
  ptrdiff_t stride;
  const uint64_t* rows;
  size_t first_row;
  const char* operator[](size_t i) const {
    return base + static_cast<ptrdiff_t>(rows[i] - first_row) * stride;
  }
};

template <class T, class F>
void ConvertAll(const Run& run, size_t count, double* out, F convert) {
  if (run.stride == sizeof(T)) {  // a loop that compilers turn into vectors
    for (size_t i = 0; i < count; ++i) out[i] = convert(Load<T>(run.first, i));
  } else {
    for (size_t i = 0; i < count; ++i) out[i] = convert(Load<T>(run[i], 0));
  }
}
template <class T, class F>
void ConvertAll(const Picks& picks, size_t count, double* out, F convert) {
  for (size_t i = 0; i < count; ++i) out[i] = convert(Load<T>(picks[i], 0));
}

template <class T, class Places>
void ReadStored(Unit unit, const Places& places, size_t count, double* out) {
  const auto convert = [&](auto function) { ConvertAll<T>(places, count, out, function); };
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

// `count` values of fixed size in whole bytes, nulls as whatever lies there.
template <class Places>
void ReadValues(const Layout& layout, const Places& places, size_t count, double* out) {
  switch (layout.storage) {
    case Storage::kByteBool:
      return ConvertAll<uint8_t>(places, count, out, [](uint8_t v) { return v != 0 ? 1.0 : 0.0; });
    case Storage::kInt8:
      return ReadStored<int8_t>(Unit::kNone, places, count, out);
    case Storage::kInt16:
      return ReadStored<int16_t>(Unit::kNone, places, count, out);
    case Storage::kInt32:
      return ReadStored<int32_t>(layout.unit, places, count, out);
    case Storage::kInt64:
      return ReadStored<int64_t>(layout.unit, places, count, out);
    case Storage::kUInt8:
      return ReadStored<uint8_t>(Unit::kNone, places, count, out);
    case Storage::kUInt16:
      return ReadStored<uint16_t>(Unit::kNone, places, count, out);
    case Storage::kUInt32:
      return ReadStored<uint32_t>(Unit::kNone, places, count, out);
    case Storage::kUInt64:
      return ConvertAll<uint64_t>(places, count, out, [](uint64_t v) {
        // Both halves are exact, so the sum is rounded once.
        return static_cast<double>(v >> 32) * 0x1p32 + static_cast<double>(v & 0xffffffff);
      });
    case Storage::kFloat16:
      return ConvertAll<uint16_t>(places, count, out,
                                  [](uint16_t v) { return Canonical(HalfToDouble(v)); });
    case Storage::kFloat32:
      return ConvertAll<float>(places, count, out, [](float v) { return Canonical(v); });
    case Storage::kFloat64:
      return ConvertAll<double>(places, count, out, Canonical);
    case Storage::kDecimal32:
    case Storage::kDecimal64:
    case Storage::kDecimal128:
    case Storage::kDecimal256:
      for (size_t i = 0; i < count; ++i) out[i] = ToDouble(LoadDecimal(layout, places[i], 0));
      return;
    default:
      CheckFailed("numeric storage", __FILE__, __LINE__);
  }
}

// Bytes of a value, or 0 where it has none of its own.
ptrdiff_t ValueSize(Storage storage) {
  switch (storage) {
    case Storage::kByteBool:
    case Storage::kInt8:
    case Storage::kUInt8:
      return 1;
    case Storage::kInt16:
    case Storage::kUInt16:
    case Storage::kFloat16:
      return 2;
    case Storage::kInt32:
    case Storage::kUInt32:
    case Storage::kFloat32:
    case Storage::kDecimal32:
      return 4;
    case Storage::kInt64:
    case Storage::kUInt64:
    case Storage::kFloat64:
    case Storage::kDecimal64:
      return 8;
    case Storage::kDecimal128:
      return 16;
    case Storage::kDecimal256:
      return 32;
    default:
      return 0;
  }
}

// kMissing where the bit says so, without a branch that nulls in no order would mislead.
inline double OrMissing(double value, bool there) {
  constexpr uint64_t kMissingBits = std::bit_cast<uint64_t>(kMissing);
  const uint64_t mask = -uint64_t{there};
  return std::bit_cast<double>((std::bit_cast<uint64_t>(value) & mask) | (kMissingBits & ~mask));
}

void ReadPlain(const ArrowArray& array, const Layout& layout, size_t first, size_t count,
               double* out) {
  if (layout.storage == Storage::kNull) {
    for (size_t i = 0; i < count; ++i) out[i] = kMissing;
    return;
  }
  const void* buffer = array.buffers[1];
  if (layout.storage == Storage::kBool) {
    for (size_t i = 0; i < count; ++i) out[i] = GetBit(buffer, first + i);
  } else {
    const ptrdiff_t size = ValueSize(layout.storage);
    const Run values{static_cast<const char*>(buffer), size};
    ReadValues(layout, Run{values[first], size}, count, out);
  }
  if (const void* validity = Validity(array)) {
    for (size_t i = 0; i < count; ++i) out[i] = OrMissing(out[i], GetBit(validity, first + i));
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

// Whether value i of a buffer is beyond float64's exact integers.
bool BeyondExact(const Layout& layout, const void* buffer, size_t i) {
  constexpr uint64_t kLimit = uint64_t{kExactIntegers};
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

ColumnView::ColumnView(const Field& field, const ArrowArray& array, size_t offset, size_t length)
    : name_(&field.name),
      type_(field.type),
      length_(length),
      field_(&field),
      array_(&array),
      offset_(offset) {}

ColumnView::ColumnView(const std::string& name, const StridedValues& values)
    : name_(&name),
      type_(values.type),
      length_(values.length),
      data_(static_cast<const char*>(values.data)),
      stride_(values.stride_bytes) {
  RAMET_CHECK(table::LayoutInMemory(type_).has_value());
}

void ColumnView::ReadNumbers(size_t begin, size_t end, double* out) const {
  RAMET_CHECK(begin <= end && end <= length_);
  RAMET_CHECK(IsNumeric(type()));
  if (begin == end) return;
  const FloatingPointGuard guard;
  if (array_ == nullptr) {
    const table::Run run{data_, stride_};
    return table::ReadValues(table::LayoutInMemory(type_)->layout, table::Run{run[begin], stride_},
                             end - begin, out);
  }
  const table::Layout layout = *table::ParseFormat(field_->format);
  if (field_->dictionary) {
    table::ReadDictionary(*array_, field_->index_format[0], layout, offset_ + begin, end - begin,
                          out);
  } else {
    table::ReadPlain(*array_, layout, offset_ + begin, end - begin, out);
  }
}

void ColumnView::ReadNumbersAt(std::span<const uint64_t> rows, size_t first_row,
                               double* out) const {
  if (rows.empty()) return;
  RAMET_CHECK(rows.front() >= first_row && rows.back() - first_row < length_);
  RAMET_CHECK(IsNumeric(type()));
  const FloatingPointGuard guard;
  if (array_ == nullptr) {
    const table::Picks picks{data_, stride_, rows.data(), first_row};
    return table::ReadValues(table::LayoutInMemory(type_)->layout, picks, rows.size(), out);
  }
  const table::Layout layout = *table::ParseFormat(field_->format);
  const ptrdiff_t size = table::ValueSize(layout.storage);
  if (!field_->dictionary && size > 0) {
    const table::Run values{static_cast<const char*>(array_->buffers[1]), size};
    table::ReadValues(layout, table::Picks{values[offset_], size, rows.data(), first_row},
                      rows.size(), out);
    if (const void* validity = table::Validity(*array_))
      for (size_t i = 0; i < rows.size(); ++i)
        out[i] = table::OrMissing(out[i], table::GetBit(validity, offset_ + (rows[i] - first_row)));
    return;
  }
  // The others are read in runs.
  constexpr size_t kRowsPerRun = 1024;
  double run[kRowsPerRun];
  for (size_t i = 0; i < rows.size();) {
    const size_t begin = rows[i] - first_row, end = std::min(length_, begin + kRowsPerRun);
    ReadNumbers(begin, end, run);
    for (; i < rows.size() && rows[i] - first_row < end; ++i)
      out[i] = run[rows[i] - first_row - begin];
  }
}

const float* ColumnView::Float32Values(size_t begin, size_t end, float* scratch) const {
  if (type_ != ValueType::kFloat32 || begin == end) return nullptr;
  if (array_ != nullptr) {
    if (field_->dictionary || table::Validity(*array_) != nullptr) return nullptr;
    return static_cast<const float*>(array_->buffers[1]) + offset_ + begin;
  }
  const table::Run run{data_, stride_};
  const bool aligned = reinterpret_cast<uintptr_t>(data_) % alignof(float) == 0;
  if (stride_ == sizeof(float) && aligned) return reinterpret_cast<const float*>(run[begin]);
  for (size_t i = begin; i < end; ++i) scratch[i - begin] = table::Load<float>(run[i], 0);
  return scratch;
}

bool ColumnView::LosesDigits() const {
  if (array_ == nullptr) {
    if (type_ != ValueType::kInt64 && type_ != ValueType::kUInt64) return false;
    const table::Layout layout = table::LayoutInMemory(type_)->layout;
    const table::Run run{data_, stride_};
    for (size_t i = 0; i < length_; ++i)
      if (table::BeyondExact(layout, run[i], 0)) return true;
    return false;
  }
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
      if (table::BeyondExact(layout, array_->buffers[1], i)) return true;
      continue;
    }
    const ArrowArray& dictionary = *array_->dictionary;
    const size_t entry =
        static_cast<size_t>(dictionary.offset) +
        static_cast<size_t>(table::LoadIndex(field_->index_format[0], array_->buffers[1], i));
    if (table::IsValid(dictionary, layout, entry) &&
        table::BeyondExact(layout, dictionary.buffers[1], entry))
      return true;
  }
  return false;
}

}  // namespace ramet
