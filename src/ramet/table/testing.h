// Small Arrow tables for tests, built by hand through the C interfaces.
//
//   Table table = TestTable()
//                     .Add("x", std::vector<double>{1.5, 2, -0.0})
//                     .Add("n", std::vector<std::optional<int64_t>>{1, std::nullopt, 3})
//                     .Add("s", std::vector<std::string>{"a", "b", "a"})
//                     .AddCategory("c", {"red", std::nullopt, "blue"})
//                     .Add("t", std::vector<int64_t>{0, 1, 2}, "tsn:UTC")      // stored values of
//                     an Arrow format .ToTable({2, 1});                                        //
//                     chunks of 2 and 1 rows
//
// Chunks can be slices of larger arrays (`Slices`): rows before the offsets are then other rows of
// the column, so that code that forgets an offset reads plausible wrong values.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "ramet/base/result.h"
#include "ramet/table/table.h"

namespace ramet {
namespace testing_internal {

using Bytes = std::vector<uint8_t>;

// Owns what an exported ArrowArray points to.
struct ArrayOwner {
  std::vector<Bytes> storage;
  std::vector<const void*> buffers;
  std::vector<ArrowArray> children;
  std::vector<ArrowArray*> child_pointers;
  ArrowArray dictionary = {};
};

inline void ReleaseArray(ArrowArray* array) {
  auto* owner = static_cast<ArrayOwner*>(array->private_data);
  for (ArrowArray& child : owner->children) {
    if (child.release != nullptr) child.release(&child);
  }
  if (owner->dictionary.release != nullptr) owner->dictionary.release(&owner->dictionary);
  delete owner;
  array->release = nullptr;
}

// An array of `length` rows after `offset` others, over its buffers; an empty first buffer means
// "no validity".
inline ArrowArray MakeArray(size_t length, size_t offset, std::vector<Bytes> storage,
                            std::vector<ArrowArray> children = {}, ArrowArray dictionary = {}) {
  auto* owner = new ArrayOwner{std::move(storage), {}, std::move(children), {}, dictionary};
  bool first = true;
  for (Bytes& bytes : owner->storage) {
    const bool absent = std::exchange(first, false) && bytes.empty();
    bytes.reserve(1);
    owner->buffers.push_back(absent ? nullptr : bytes.data());
  }
  for (ArrowArray& child : owner->children) owner->child_pointers.push_back(&child);
  ArrowArray array = {};
  array.length = static_cast<int64_t>(length);
  array.offset = static_cast<int64_t>(offset);
  array.null_count = !owner->storage.empty() && !owner->storage[0].empty() ? -1 : 0;
  array.n_buffers = static_cast<int64_t>(owner->buffers.size());
  array.buffers = owner->buffers.data();
  array.n_children = static_cast<int64_t>(owner->children.size());
  array.children = owner->child_pointers.data();
  array.dictionary = dictionary.release == nullptr ? nullptr : &owner->dictionary;
  array.release = ReleaseArray;
  array.private_data = owner;
  return array;
}

struct SchemaOwner {
  std::string format, name;
  std::vector<ArrowSchema> children;
  std::vector<ArrowSchema*> child_pointers;
  ArrowSchema dictionary = {};
};

inline void ReleaseSchema(ArrowSchema* schema) {
  auto* owner = static_cast<SchemaOwner*>(schema->private_data);
  for (ArrowSchema& child : owner->children) {
    if (child.release != nullptr) child.release(&child);
  }
  if (owner->dictionary.release != nullptr) owner->dictionary.release(&owner->dictionary);
  delete owner;
  schema->release = nullptr;
}

inline ArrowSchema MakeSchema(std::string format, std::string name,
                              std::vector<ArrowSchema> children = {}, ArrowSchema dictionary = {}) {
  auto* owner =
      new SchemaOwner{std::move(format), std::move(name), std::move(children), {}, dictionary};
  for (ArrowSchema& child : owner->children) owner->child_pointers.push_back(&child);
  ArrowSchema schema = {};
  schema.format = owner->format.c_str();
  schema.name = owner->name.c_str();
  schema.flags = ARROW_FLAG_NULLABLE;
  schema.n_children = static_cast<int64_t>(owner->children.size());
  schema.children = owner->child_pointers.data();
  schema.dictionary = dictionary.release == nullptr ? nullptr : &owner->dictionary;
  schema.release = ReleaseSchema;
  schema.private_data = owner;
  return schema;
}

template <class T>
constexpr const char* DefaultFormat() {
  if constexpr (std::is_same_v<T, bool>) return "b";
  if constexpr (std::is_same_v<T, int8_t>) return "c";
  if constexpr (std::is_same_v<T, uint8_t>) return "C";
  if constexpr (std::is_same_v<T, int16_t>) return "s";
  if constexpr (std::is_same_v<T, uint16_t>) return "S";
  if constexpr (std::is_same_v<T, int32_t>) return "i";
  if constexpr (std::is_same_v<T, uint32_t>) return "I";
  if constexpr (std::is_same_v<T, int64_t>) return "l";
  if constexpr (std::is_same_v<T, uint64_t>) return "L";
  if constexpr (std::is_same_v<T, float>) return "f";
  if constexpr (std::is_same_v<T, double>) return "g";
  if constexpr (std::is_same_v<T, std::string>) return "u";
  return "";
}

inline void PushBit(Bytes& bits, size_t i, bool bit) {
  if (i % 8 == 0) bits.push_back(0);
  if (bit) bits[i / 8] |= static_cast<uint8_t>(1u << (i % 8));
}

template <class T>
void Push(Bytes& bytes, const T& value) {
  const auto* raw = reinterpret_cast<const uint8_t*>(&value);
  bytes.insert(bytes.end(), raw, raw + sizeof(T));
}

template <class T>
using Optionals = std::vector<std::optional<T>>;

// Validity of the chosen rows; empty if all are there.
template <class T>
Bytes ValidityOf(const Optionals<T>& values, const std::vector<size_t>& rows) {
  Bytes bits;
  bool any_null = false;
  for (size_t i = 0; i < rows.size(); ++i) {
    PushBit(bits, i, values[rows[i]].has_value());
    any_null |= !values[rows[i]].has_value();
  }
  return any_null ? bits : Bytes();
}

template <class Offset>
std::vector<Bytes> StringBuffers(const Optionals<std::string>& values,
                                 const std::vector<size_t>& rows) {
  Bytes offsets, text;
  Push(offsets, Offset{0});
  for (const size_t row : rows) {
    const std::string value = values[row].value_or("junk");
    text.insert(text.end(), value.begin(), value.end());
    Push(offsets, static_cast<Offset>(text.size()));
  }
  return {ValidityOf(values, rows), offsets, text};
}

// Long strings alternate between two byte buffers.
inline std::vector<Bytes> ViewBuffers(const Optionals<std::string>& values,
                                      const std::vector<size_t>& rows) {
  Bytes views;
  std::vector<Bytes> text(2);
  for (const size_t row : rows) {
    const std::string value = values[row].value_or("");
    const int32_t size = static_cast<int32_t>(value.size());
    Push(views, size);
    if (size <= 12) {
      views.insert(views.end(), value.begin(), value.end());
      views.resize(views.size() + 12 - value.size());
      continue;
    }
    const int32_t buffer = static_cast<int32_t>(row % 2);
    views.insert(views.end(), value.begin(), value.begin() + 4);
    Push(views, buffer);
    Push(views, static_cast<int32_t>(text[row % 2].size()));
    text[row % 2].insert(text[row % 2].end(), value.begin(), value.end());
  }
  Bytes sizes;
  for (const Bytes& bytes : text) Push(sizes, static_cast<int64_t>(bytes.size()));
  return {ValidityOf(values, rows), views, text[0], text[1], sizes};
}

template <class T>
std::vector<Bytes> BuffersOf(const std::string& format, const Optionals<T>& values,
                             const std::vector<size_t>& rows) {
  if (format == "n") return {};
  if constexpr (std::is_same_v<T, std::string>) {
    if (format == "vu") return ViewBuffers(values, rows);
    return format == "U" || format == "Z" ? StringBuffers<int64_t>(values, rows)
                                          : StringBuffers<int32_t>(values, rows);
  } else {
    Bytes data;
    for (size_t i = 0; i < rows.size(); ++i) {
      const T value = values[rows[i]].value_or(T{});
      if constexpr (std::is_same_v<T, bool>) {
        PushBit(data, i, value);
      } else {
        Push(data, value);
      }
    }
    return {ValidityOf(values, rows), data};
  }
}

}  // namespace testing_internal

// Rows left out before a chunk: `parent` by the struct array's offset, `child` by each column's.
struct Slices {
  size_t parent = 0;
  size_t child = 0;
};

class TestTable {
 public:
  // A column of numbers, bools or strings; `format` for another meaning of the stored values.
  template <class T>
  TestTable& Add(std::string name, const std::vector<T>& values, std::string format = "") {
    return Add(std::move(name), std::vector<std::optional<T>>(values.begin(), values.end()),
               std::move(format));
  }
  template <class T>
  TestTable& Add(std::string name, std::vector<std::optional<T>> values, std::string format = "") {
    using namespace testing_internal;
    if (format.empty()) format = DefaultFormat<T>();
    SetRows(values.size());
    columns_.push_back({std::move(name), format, "",
                        [values = std::move(values), format](const Rows& rows, size_t skip) {
                          return MakeArray(rows.size() - skip, skip,
                                           BuffersOf(format, values, rows));
                        }});
    return *this;
  }

  // A dictionary column: row i is entries[*indices[i]]. The index type is that of `Index`.
  template <class T, class Index = int32_t>
  TestTable& AddDictionary(std::string name, std::vector<std::optional<Index>> indices,
                           std::vector<std::optional<T>> entries, std::string format = "") {
    using namespace testing_internal;
    if (format.empty()) format = DefaultFormat<T>();
    const std::string index_format = DefaultFormat<Index>();
    SetRows(indices.size());
    auto build = [indices = std::move(indices), entries = std::move(entries), format, index_format](
                     const Rows& rows, size_t skip) {
      Rows all = {};  // the dictionary is a slice too: its first entry stands twice
      for (size_t i = 0; i < entries.size(); ++i) all.push_back(i);
      if (!all.empty()) all.insert(all.begin(), 0);
      const size_t skipped = all.empty() ? 0 : 1;
      ArrowArray dictionary = MakeArray(entries.size(), skipped, BuffersOf(format, entries, all));
      return MakeArray(rows.size() - skip, skip, BuffersOf(index_format, indices, rows), {},
                       dictionary);
    };
    columns_.push_back({std::move(name), format, index_format, std::move(build)});
    return *this;
  }

  // A dictionary column of strings, its entries in order of appearance.
  TestTable& AddCategory(std::string name, const std::vector<std::optional<std::string>>& values) {
    std::vector<std::optional<std::string>> entries;
    std::map<std::string, int32_t> positions;
    std::vector<std::optional<int32_t>> indices;
    for (const auto& value : values) {
      if (!value) {
        indices.push_back(std::nullopt);
        continue;
      }
      const auto [found, added] = positions.emplace(*value, static_cast<int32_t>(entries.size()));
      if (added) entries.push_back(*value);
      indices.push_back(found->second);
    }
    return AddDictionary<std::string, int32_t>(std::move(name), std::move(indices),
                                               std::move(entries));
  }

  size_t num_rows() const { return num_rows_; }

  ArrowSchema ToArrowSchema() const {
    using namespace testing_internal;
    std::vector<ArrowSchema> children;
    for (const Column& column : columns_) {
      const bool dictionary = !column.index_format.empty();
      children.push_back(dictionary ? MakeSchema(column.index_format, column.name, {},
                                                 MakeSchema(column.format, ""))
                                    : MakeSchema(column.format, column.name));
    }
    return MakeSchema("+s", "", std::move(children));
  }

  // Rows [begin, end) as a struct array.
  ArrowArray ToArrowArray(size_t begin, size_t end, Slices slices = {}) const {
    std::vector<ArrowArray> children;
    const size_t skip = num_rows_ == 0 ? 0 : slices.parent + slices.child;
    Rows rows;
    for (size_t i = 0; i < skip; ++i) rows.push_back((begin + 7 * i + 3) % num_rows_);
    for (size_t row = begin; row < end; ++row) rows.push_back(row);
    for (const Column& column : columns_) {
      children.push_back(column.build(rows, num_rows_ == 0 ? 0 : slices.child));
    }
    return testing_internal::MakeArray(end - begin, num_rows_ == 0 ? 0 : slices.parent, {{}},
                                       std::move(children));
  }

  // Chunks of the given sizes; rows that are left over are one more chunk.
  ArrowArrayStream ToArrowStream(const std::vector<size_t>& sizes = {}, Slices slices = {}) const {
    auto* state = new StreamState{ToArrowSchema(), {}, 0};
    size_t begin = 0;
    for (const size_t size : sizes) {
      RAMET_CHECK(begin + size <= num_rows_);
      state->arrays.push_back(ToArrowArray(begin, begin + size, slices));
      begin += size;
    }
    if (begin < num_rows_) state->arrays.push_back(ToArrowArray(begin, num_rows_, slices));
    return StreamState::Export(state);
  }

  TableStream ToStream(const std::vector<size_t>& sizes = {}, Slices slices = {}) const {
    ArrowArrayStream stream = ToArrowStream(sizes, slices);
    return *TableStream::Import(&stream);
  }

  Table ToTable(const std::vector<size_t>& sizes = {}, Slices slices = {}) const {
    return *Table::ReadAll(ToStream(sizes, slices));
  }

 private:
  using Rows = std::vector<size_t>;  // of the test table, in the order of the array that is built

  struct Column {
    std::string name;
    std::string format;
    std::string index_format;  // empty for plain columns
    std::function<ArrowArray(const Rows& rows, size_t skip)> build;
  };

  struct StreamState {
    ArrowSchema schema;
    std::vector<ArrowArray> arrays;
    size_t next;

    static StreamState& Of(ArrowArrayStream* stream) {
      return *static_cast<StreamState*>(stream->private_data);
    }
    static ArrowArrayStream Export(StreamState* state) {
      ArrowArrayStream stream = {};
      stream.private_data = state;
      stream.get_schema = [](ArrowArrayStream* self, ArrowSchema* out) {
        *out = std::exchange(Of(self).schema, ArrowSchema{});
        return 0;
      };
      stream.get_next = [](ArrowArrayStream* self, ArrowArray* out) {
        StreamState& of = Of(self);
        *out = of.next < of.arrays.size() ? std::exchange(of.arrays[of.next++], ArrowArray{})
                                          : ArrowArray{};
        return 0;
      };
      stream.get_last_error = [](ArrowArrayStream*) -> const char* { return nullptr; };
      stream.release = [](ArrowArrayStream* self) {
        StreamState& of = Of(self);
        if (of.schema.release != nullptr) of.schema.release(&of.schema);
        for (ArrowArray& array : of.arrays) {
          if (array.release != nullptr) array.release(&array);
        }
        delete &of;
        self->release = nullptr;
      };
      return stream;
    }
  };

  void SetRows(size_t rows) {
    RAMET_CHECK(columns_.empty() || rows == num_rows_);
    num_rows_ = rows;
  }

  std::vector<Column> columns_;
  size_t num_rows_ = 0;
};

// `rows` as chunk sizes drawn with the given generator of uint64_t: some empty, some of one row,
// some large.
template <class Generator>
std::vector<size_t> RandomChunkSizes(size_t rows, Generator& random) {
  std::vector<size_t> sizes;
  while (rows > 0) {
    const size_t limit = random() % 4 == 0 ? 2 : rows + 1;
    const size_t size = static_cast<size_t>(random() % limit);
    sizes.push_back(size);
    rows -= size;
  }
  return sizes;
}

}  // namespace ramet
