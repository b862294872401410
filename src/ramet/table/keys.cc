// Columns as category keys.
#include <charconv>
#include <cmath>
#include <memory>
#include <utility>

#include "ramet/base/exact_sum.h"
#include "ramet/base/fpu.h"
#include "ramet/table/decimal.h"
#include "ramet/table/layout.h"
#include "ramet/table/table.h"

namespace ramet {
namespace table {
namespace {

std::string Shortest(double value) {
  char text[32];
  const auto [end, error] = std::to_chars(text, text + sizeof text, value);
  return std::string(text, end);
}

// A value's key, or the words for what is wrong with it.
struct KeyResult {
  KeyView key;
  std::unique_ptr<const std::string> problem;  // null, at the cost of a word, for nearly all values
};

KeyResult Problem(std::string words) {
  return {KeyView(), std::make_unique<const std::string>(std::move(words))};
}

// Of a value in order, but no key.
KeyResult Unfit(std::string words) {
  KeyResult result = Problem(std::move(words));
  result.key.kind = KeyView::Kind::kOther;
  return result;
}

KeyResult IntegerKey(int64_t value) {
  return {KeyView{KeyView::Kind::kInteger, -1, value, {}}, {}};
}

KeyResult UnsignedKey(uint64_t value) {
  if (value > INT64_MAX) return Unfit(std::to_string(value) + " exceeds 2^63 - 1");
  return IntegerKey(static_cast<int64_t>(value));
}

KeyResult FloatKey(double value) {
  if (value != value) return {};
  if (std::isinf(value) || std::trunc(value) != value)
    return Unfit(Shortest(value) + " is not an integer");
  if (value < -0x1p63 || value >= 0x1p63) return Unfit(Shortest(value) + " does not fit 64 bits");
  return IntegerKey(static_cast<int64_t>(value));
}

KeyResult DecimalKey(const Decimal& decimal) {
  if (const std::optional<int64_t> value = ToInteger(decimal)) return IntegerKey(*value);
  std::string text = decimal.negative ? "-" : "";
  text += Digits(decimal) + "e" + std::to_string(-decimal.scale);
  return Unfit(text + " is not an integer of 64 bits");
}

KeyResult TimeKey(int64_t value, Unit unit) {
  int128_t microseconds = value;
  switch (unit) {
    case Unit::kNone:
    case Unit::kMicroseconds:
      break;
    case Unit::kDays:
      microseconds *= 86'400'000'000;
      break;
    case Unit::kSeconds:
      microseconds *= 1'000'000;
      break;
    case Unit::kMilliseconds:
      microseconds *= 1'000;
      break;
    case Unit::kNanoseconds:
      if (value % 1000 != 0)
        return Unfit(std::to_string(value) + " nanoseconds are no whole microseconds");
      microseconds /= 1000;
  }
  if (microseconds > INT64_MAX || microseconds < INT64_MIN) {
    return Unfit("the time " + std::to_string(value) + " does not fit 64 bits of microseconds");
  }
  return IntegerKey(static_cast<int64_t>(microseconds));
}

KeyResult StringKey(const void* bytes, size_t begin, size_t length) {
  KeyView key{KeyView::Kind::kString, -1, 0, {}};
  if (length > 0) {
    if (bytes == nullptr) return Problem("its bytes are missing (the Arrow array is malformed)");
    key.string = std::string_view(static_cast<const char*>(bytes) + begin, length);
  }
  return {key, {}};
}

template <class Offset>
KeyResult OffsetStringKey(const ArrowArray& array, size_t i) {
  const Offset begin = Load<Offset>(array.buffers[1], i);
  const Offset end = Load<Offset>(array.buffers[1], i + 1);
  if (begin < 0 || end < begin)
    return Problem("its offsets run backwards (the Arrow array is malformed)");
  return StringKey(array.buffers[2], static_cast<size_t>(begin), static_cast<size_t>(end - begin));
}

// A view: int32 length, then up to 12 bytes in place, or int32 prefix, buffer, offset.
KeyResult ViewStringKey(const ArrowArray& array, size_t i) {
  const char* view = static_cast<const char*>(array.buffers[1]) + i * 16;
  const int32_t length = Load<int32_t>(view, 0);
  if (length >= 0 && length <= 12) return StringKey(view, 4, static_cast<size_t>(length));
  const int64_t buffer = Load<int32_t>(view, 2);
  const int64_t offset = Load<int32_t>(view, 3);
  const int64_t buffers = array.n_buffers - 3;  // validity, views, and the sizes at the end
  const bool known = length > 0 && buffer >= 0 && buffer < buffers && offset >= 0;
  if (!known || offset + length > Load<int64_t>(array.buffers[array.n_buffers - 1],
                                                static_cast<size_t>(buffer))) {
    return Problem("its string view lies outside its buffers (the Arrow array is malformed)");
  }
  return StringKey(array.buffers[2 + buffer], static_cast<size_t>(offset),
                   static_cast<size_t>(length));
}

// Key of value i of a buffer of values of fixed size.
KeyResult ValueKey(const Layout& layout, const void* buffer, size_t i) {
  switch (layout.storage) {
    case Storage::kBool:
      return IntegerKey(GetBit(buffer, i));
    case Storage::kByteBool:
      return IntegerKey(Load<uint8_t>(buffer, i) != 0);
    case Storage::kInt8:
      return IntegerKey(Load<int8_t>(buffer, i));
    case Storage::kInt16:
      return IntegerKey(Load<int16_t>(buffer, i));
    case Storage::kInt32:
      return TimeKey(Load<int32_t>(buffer, i), layout.unit);
    case Storage::kInt64:
      return TimeKey(Load<int64_t>(buffer, i), layout.unit);
    case Storage::kUInt8:
      return IntegerKey(Load<uint8_t>(buffer, i));
    case Storage::kUInt16:
      return IntegerKey(Load<uint16_t>(buffer, i));
    case Storage::kUInt32:
      return IntegerKey(Load<uint32_t>(buffer, i));
    case Storage::kUInt64:
      return UnsignedKey(Load<uint64_t>(buffer, i));
    case Storage::kFloat16:
      return FloatKey(HalfToDouble(Load<uint16_t>(buffer, i)));
    case Storage::kFloat32:
      return FloatKey(Load<float>(buffer, i));
    case Storage::kFloat64:
      return FloatKey(Load<double>(buffer, i));
    case Storage::kDecimal32:
    case Storage::kDecimal64:
    case Storage::kDecimal128:
    case Storage::kDecimal256:
      return DecimalKey(LoadDecimal(layout, buffer, i));
    default:
      CheckFailed("values of fixed size", __FILE__, __LINE__);
  }
}

// Key of value i of a plain array, offset included.
KeyResult ReadKey(const ArrowArray& array, const Layout& layout, size_t i) {
  if (!IsValid(array, layout, i)) return {};
  switch (layout.storage) {
    case Storage::kString32:
      return OffsetStringKey<int32_t>(array, i);
    case Storage::kString64:
      return OffsetStringKey<int64_t>(array, i);
    case Storage::kStringView:
      return ViewStringKey(array, i);
    default:
      return ValueKey(layout, array.buffers[1], i);
  }
}

}  // namespace
}  // namespace table

std::string ToString(const CategoryKey& key) {
  if (const int64_t* integer = std::get_if<int64_t>(&key)) return std::to_string(*integer);
  return std::get<std::string>(key);
}

CategoryKey KeyView::ToKey() const {
  RAMET_CHECK(kind == Kind::kInteger || kind == Kind::kString);
  if (kind == Kind::kInteger) return integer;
  return std::string(string);
}

Status ColumnView::ReadKeys(size_t begin, size_t end, KeyView* out, UnfitKeys unfit,
                            size_t first_row) const {
  RAMET_CHECK(begin <= end && end <= length_);
  if (begin == end) return Status();
  const FloatingPointGuard guard;
  const bool strided = array_ == nullptr;
  const table::Layout layout =
      strided ? table::LayoutInMemory(type_)->layout : *table::ParseFormat(field_->format);
  const void* validity = strided ? nullptr : table::Validity(*array_);
  for (size_t row = begin; row < end; ++row) {
    const size_t i = offset_ + row;
    table::KeyResult result;
    if (strided) {
      result = table::ValueKey(layout, data_ + static_cast<ptrdiff_t>(row) * stride_, 0);
    } else if (!field_->dictionary) {
      result = table::ReadKey(*array_, layout, i);
    } else if (validity == nullptr || table::GetBit(validity, i)) {
      const int64_t index = table::LoadIndex(field_->index_format[0], array_->buffers[1], i);
      const ArrowArray& dictionary = *array_->dictionary;
      result = table::ReadKey(dictionary, layout, static_cast<size_t>(dictionary.offset + index));
      if (result.key.kind != KeyView::Kind::kMissing && index <= INT32_MAX) {
        result.key.code = static_cast<int32_t>(index);
      }
    }
    const bool accepted = result.key.kind == KeyView::Kind::kOther && unfit == UnfitKeys::kOther;
    if (result.problem != nullptr && !accepted) {
      return DataError("column \"" + name() + "\", row " + std::to_string(first_row + row + 1) +
                       ": as a category, " + *result.problem + ".");
    }
    out[row - begin] = result.key;
  }
  return Status();
}

}  // namespace ramet
