// How a column's values lie in Arrow buffers: an Arrow format string taken apart.
//
//   "l"        ──► {kInt64, kNone}                 "tsn:UTC" ──► {kInt64, kNanoseconds}
//   "d:12,3"   ──► {kDecimal128, kNone, scale 3}   "vu"      ──► {kStringView}
//
// Private to this folder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "ramet/base/result.h"
#include "ramet/table/table.h"

namespace ramet::table {

enum class Storage : uint8_t {
  kNull,
  kBool,      // one bit a value
  kByteBool,  // one byte a value: true if not 0 (strided memory only)
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kUInt8,
  kUInt16,
  kUInt32,
  kUInt64,
  kFloat16,
  kFloat32,
  kFloat64,
  kDecimal32,
  kDecimal64,
  kDecimal128,
  kDecimal256,
  kString32,    // int32 offsets, bytes
  kString64,    // int64 offsets, bytes
  kStringView,  // 16-byte views, any number of byte buffers, their sizes
};

// What one step of the stored integer means.
enum class Unit : uint8_t { kNone, kDays, kSeconds, kMilliseconds, kMicroseconds, kNanoseconds };

struct Layout {
  ValueType type = ValueType::kNull;
  Storage storage = Storage::kNull;
  Unit unit = Unit::kNone;
  int scale = 0;  // of decimals: value = stored integer / 10^scale
};

// nullopt for formats that Ramet does not read (lists, structs, binary, intervals, …).
std::optional<Layout> ParseFormat(std::string_view format);

// How values of a type lie in strided memory; nullopt for types that cannot.
struct MemoryLayout {
  Layout layout;
  std::string_view format;  // Arrow's
};
std::optional<MemoryLayout> LayoutInMemory(ValueType type);
// Bytes of a value in strided memory.
inline size_t MemorySize(ValueType type) {
  switch (type) {
    case ValueType::kBool:
    case ValueType::kInt8:
    case ValueType::kUInt8:
      return 1;
    case ValueType::kInt16:
    case ValueType::kUInt16:
    case ValueType::kFloat16:
      return 2;
    case ValueType::kInt32:
    case ValueType::kUInt32:
    case ValueType::kFloat32:
      return 4;
    default:
      return 8;
  }
}

// "list<…>", "binary", … for messages about formats that are refused.
std::string DescribeFormat(std::string_view format);

// An error if the array is not what the field says, as far as the interface allows to see: lengths,
// buffers, children, dictionary indices of the rows [offset, offset + length) that will be read.
Status CheckColumn(const Field& field, const ArrowArray& array, size_t offset, size_t length);

// Value i of a buffer that need not be aligned (the C interface does not promise it).
template <class T>
inline T Load(const void* buffer, size_t i) {
  T value;
  std::memcpy(&value, static_cast<const char*>(buffer) + i * sizeof(T), sizeof(T));
  return value;
}

inline bool GetBit(const void* bitmap, size_t i) {
  return (static_cast<const uint8_t*>(bitmap)[i >> 3] >> (i & 7)) & 1;
}

// The validity bitmap, or nullptr if every value is there.
inline const void* Validity(const ArrowArray& array) {
  return array.n_buffers > 0 && array.null_count != 0 ? array.buffers[0] : nullptr;
}

// A float16 as float64, exactly; NaN stays a NaN.
double HalfToDouble(uint16_t half);

// True if value i (counted in the buffers, offset included) is there.
inline bool IsValid(const ArrowArray& array, const Layout& layout, size_t i) {
  if (layout.storage == Storage::kNull) return false;
  const void* validity = Validity(array);
  return validity == nullptr || GetBit(validity, i);
}

// Index i of a dictionary column, whose format is one of c C s S i I l L.
inline int64_t LoadIndex(char index_format, const void* buffer, size_t i) {
  switch (index_format) {
    case 'c':
      return Load<int8_t>(buffer, i);
    case 'C':
      return Load<uint8_t>(buffer, i);
    case 's':
      return Load<int16_t>(buffer, i);
    case 'S':
      return Load<uint16_t>(buffer, i);
    case 'i':
      return Load<int32_t>(buffer, i);
    case 'I':
      return Load<uint32_t>(buffer, i);
    default:
      return Load<int64_t>(buffer, i);  // l; L: above 2^63 it shows as negative, hence out of range
  }
}

}  // namespace ramet::table
