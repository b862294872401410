// Field types, format strings, and finding columns by name.
#include <algorithm>
#include <charconv>
#include <utility>

#include "ramet/base/edit_distance.h"
#include "ramet/table/layout.h"
#include "ramet/table/table.h"

namespace ramet {
namespace table {
namespace {

bool ParseInt(std::string_view text, int* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size();
}

// "d:precision,scale[,bits]"
std::optional<Layout> ParseDecimal(std::string_view format) {
  std::string_view rest = format.substr(2);
  int numbers[3] = {0, 0, 128};
  int count = 0;
  while (count < 3) {
    const size_t comma = rest.find(',');
    if (!ParseInt(rest.substr(0, comma), &numbers[count++])) return std::nullopt;
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
    if (count == 3) return std::nullopt;
  }
  if (count < 2 || numbers[1] < -1000 || numbers[1] > 1000) return std::nullopt;
  Layout layout{.type = ValueType::kDecimal, .scale = numbers[1]};
  switch (numbers[2]) {
    case 32:
      layout.storage = Storage::kDecimal32;
      return layout;
    case 64:
      layout.storage = Storage::kDecimal64;
      return layout;
    case 128:
      layout.storage = Storage::kDecimal128;
      return layout;
    case 256:
      layout.storage = Storage::kDecimal256;
      return layout;
    default:
      return std::nullopt;
  }
}

// Formats that begin with "t": dates, times, timestamps, durations.
std::optional<Layout> ParseTemporal(std::string_view format) {
  if (format == "tdD") return Layout{ValueType::kDate, Storage::kInt32, Unit::kDays};
  if (format == "tdm") return Layout{ValueType::kDate, Storage::kInt64, Unit::kMilliseconds};
  if (format.size() < 3) return std::nullopt;
  Layout layout;
  switch (format[2]) {
    case 's':
      layout.unit = Unit::kSeconds;
      break;
    case 'm':
      layout.unit = Unit::kMilliseconds;
      break;
    case 'u':
      layout.unit = Unit::kMicroseconds;
      break;
    case 'n':
      layout.unit = Unit::kNanoseconds;
      break;
    default:
      return std::nullopt;
  }
  layout.storage = Storage::kInt64;
  if (format[1] == 's' && format.size() >= 4 && format[3] == ':') {
    layout.type = ValueType::kTimestamp;
  } else if (format[1] == 't' && format.size() == 3) {
    layout.type = ValueType::kTime;
    if (format[2] == 's' || format[2] == 'm') layout.storage = Storage::kInt32;
  } else if (format[1] == 'D' && format.size() == 3) {
    layout.type = ValueType::kDuration;
  } else {
    return std::nullopt;
  }
  return layout;
}

}  // namespace

std::optional<Layout> ParseFormat(std::string_view format) {
  if (format.starts_with("d:")) return ParseDecimal(format);
  if (format.starts_with("t")) return ParseTemporal(format);
  if (format == "vu") return Layout{ValueType::kString, Storage::kStringView};
  if (format.size() != 1) return std::nullopt;
  switch (format[0]) {
    case 'n':
      return Layout{ValueType::kNull, Storage::kNull};
    case 'b':
      return Layout{ValueType::kBool, Storage::kBool};
    case 'c':
      return Layout{ValueType::kInt8, Storage::kInt8};
    case 'C':
      return Layout{ValueType::kUInt8, Storage::kUInt8};
    case 's':
      return Layout{ValueType::kInt16, Storage::kInt16};
    case 'S':
      return Layout{ValueType::kUInt16, Storage::kUInt16};
    case 'i':
      return Layout{ValueType::kInt32, Storage::kInt32};
    case 'I':
      return Layout{ValueType::kUInt32, Storage::kUInt32};
    case 'l':
      return Layout{ValueType::kInt64, Storage::kInt64};
    case 'L':
      return Layout{ValueType::kUInt64, Storage::kUInt64};
    case 'e':
      return Layout{ValueType::kFloat16, Storage::kFloat16};
    case 'f':
      return Layout{ValueType::kFloat32, Storage::kFloat32};
    case 'g':
      return Layout{ValueType::kFloat64, Storage::kFloat64};
    case 'u':
      return Layout{ValueType::kString, Storage::kString32};
    case 'U':
      return Layout{ValueType::kString, Storage::kString64};
    default:
      return std::nullopt;
  }
}

std::optional<MemoryLayout> LayoutInMemory(ValueType type) {
  using enum ValueType;
  static constexpr MemoryLayout kLayouts[] = {
      {{kBool, Storage::kByteBool}, "b"},   {{kInt8, Storage::kInt8}, "c"},
      {{kInt16, Storage::kInt16}, "s"},     {{kInt32, Storage::kInt32}, "i"},
      {{kInt64, Storage::kInt64}, "l"},     {{kUInt8, Storage::kUInt8}, "C"},
      {{kUInt16, Storage::kUInt16}, "S"},   {{kUInt32, Storage::kUInt32}, "I"},
      {{kUInt64, Storage::kUInt64}, "L"},   {{kFloat16, Storage::kFloat16}, "e"},
      {{kFloat32, Storage::kFloat32}, "f"}, {{kFloat64, Storage::kFloat64}, "g"}};
  for (const MemoryLayout& memory : kLayouts)
    if (memory.layout.type == type) return memory;
  return std::nullopt;
}

std::string DescribeFormat(std::string_view format) {
  static constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {"z", "binary"},
      {"Z", "large_binary"},
      {"vz", "binary_view"},
      {"w:", "fixed_size_binary"},
      {"+l", "list"},
      {"+L", "large_list"},
      {"+vl", "list_view"},
      {"+vL", "large_list_view"},
      {"+w", "fixed_size_list"},
      {"+s", "struct"},
      {"+m", "map"},
      {"+u", "union"},
      {"+r", "run_end_encoded"},
      {"ti", "interval"},
      {"d:", "decimal"}};
  for (const auto& [prefix, name] : kNames) {
    if (format.starts_with(prefix)) return std::string(name);
  }
  return "Arrow format \"" + std::string(format) + "\"";
}

Result<Field> ImportField(const ArrowSchema& schema) {
  Field field;
  field.name = schema.name == nullptr ? "" : schema.name;
  const auto refuse = [&](const std::string& type) {
    return DataError("column \"" + field.name + "\" is of type " + type +
                     ", which Ramet does not read. Drop the column, or convert it to numbers, "
                     "strings or times.");
  };
  if (schema.format == nullptr) return refuse("unknown (its format is missing)");
  field.dictionary = schema.dictionary != nullptr;
  const ArrowSchema& values = field.dictionary ? *schema.dictionary : schema;
  if (values.format == nullptr) return refuse("unknown (its format is missing)");
  field.format = values.format;
  const std::optional<Layout> layout = ParseFormat(field.format);
  if (!layout) return refuse(DescribeFormat(field.format));
  if (values.n_children != 0) return refuse("unknown (it has children)");
  field.type = layout->type;
  if (field.dictionary) {
    field.index_format = schema.format;
    if (field.index_format.size() != 1 ||
        std::strchr("cCsSiIlL", field.index_format[0]) == nullptr) {
      return refuse("dictionary with indices of " + DescribeFormat(field.index_format));
    }
    if (values.dictionary != nullptr) return refuse("dictionary of a dictionary");
  }
  return field;
}

namespace {

// Up to three names that `name` may be a misspelling of, nearest first.
std::vector<std::string_view> NearestNames(const Schema& schema, std::string_view name) {
  const size_t limit = std::max<size_t>(1, std::min<size_t>(3, name.size() / 3));
  std::vector<std::pair<size_t, std::string_view>> near;
  for (const Field& field : schema.fields) {
    const size_t distance = EditDistance(name, field.name);
    if (distance <= limit) near.emplace_back(distance, field.name);
  }
  std::stable_sort(near.begin(), near.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string_view> names;
  for (size_t i = 0; i < near.size() && i < 3; ++i) names.push_back(near[i].second);
  return names;
}

}  // namespace
}  // namespace table

std::string_view ValueTypeName(ValueType type) {
  switch (type) {
    case ValueType::kNull:
      return "null";
    case ValueType::kBool:
      return "bool";
    case ValueType::kInt8:
      return "int8";
    case ValueType::kInt16:
      return "int16";
    case ValueType::kInt32:
      return "int32";
    case ValueType::kInt64:
      return "int64";
    case ValueType::kUInt8:
      return "uint8";
    case ValueType::kUInt16:
      return "uint16";
    case ValueType::kUInt32:
      return "uint32";
    case ValueType::kUInt64:
      return "uint64";
    case ValueType::kFloat16:
      return "float16";
    case ValueType::kFloat32:
      return "float32";
    case ValueType::kFloat64:
      return "float64";
    case ValueType::kDecimal:
      return "decimal";
    case ValueType::kDate:
      return "date";
    case ValueType::kTime:
      return "time";
    case ValueType::kTimestamp:
      return "timestamp";
    case ValueType::kDuration:
      return "duration";
    case ValueType::kString:
      return "string";
  }
  return "unknown";
}

std::optional<size_t> Schema::Find(std::string_view name) const {
  for (size_t i = 0; i < fields.size(); ++i) {
    if (fields[i].name == name) return i;
  }
  return std::nullopt;
}

Result<size_t> Schema::Require(std::string_view name) const {
  if (const std::optional<size_t> found = Find(name)) return *found;
  const std::vector<std::string_view> near = table::NearestNames(*this, name);
  std::string message = "there is no column \"" + std::string(name) + "\".";
  if (!near.empty()) {
    message += " Did you mean ";
    for (size_t i = 0; i < near.size(); ++i) {
      if (i > 0) message += i + 1 == near.size() ? " or " : ", ";
      message.append("\"").append(near[i]).append("\"");
    }
    return InvalidArgument(message + "?");
  }
  constexpr size_t kListed = 12;
  message += " The columns are: ";
  for (size_t i = 0; i < fields.size() && i < kListed; ++i) {
    if (i > 0) message += ", ";
    message += fields[i].name;
  }
  if (fields.size() > kListed)
    message += ", and " + std::to_string(fields.size() - kListed) + " more";
  return InvalidArgument(message + ".");
}

}  // namespace ramet
