// Tables: columns in chunks, as they arrive through the Arrow C stream interface, or columns of
// values in memory (matrices of any order), without copying.
//
//   ArrowArrayStream ──► TableStream ──Next()──► Chunk ──column(i)──► ColumnView ──► float64 values
//   | category keys
//                                        ├──────► Table (all chunks, in order)
//   StridedColumn, ArrowColumn … ──FromColumns──┘ (one chunk)
//
// Values become canonical here and nowhere else (design rule 3):
//   T1. Numbers are float64: integers and decimals to nearest even, float16/32 exactly; -0 is +0;
//   NaN and null are
//       missing and read as the one NaN `kMissing`; +-infinity are values.
//   T2. bool is 0 or 1; dates, times and timestamps are microseconds (timestamps in UTC), to
//   nearest even from
//       nanoseconds.
//   T3. Category keys are typed: integers (bool too, and integral float64) by value, strings by
//   their UTF-8 bytes.
//       Dictionary columns read as their values; a dictionary's order or unused entries never show.
//   T4. What a column holds does not depend on how the rows were cut into chunks or sliced (offsets
//   are honoured), nor on the strides of its memory.
//
// Views are valid while their Chunk lives. Reading is thread-safe.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ramet/base/result.h"
#include "ramet/table/arrow_c.h"

namespace ramet {

inline constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

enum class ValueType {
  kNull,  // a column of nulls only
  kBool,
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
  kDecimal,  // 32, 64, 128 and 256 bits
  kDate,
  kTime,
  kTimestamp,
  kDuration,
  kString,  // utf8, large_utf8, utf8_view
};

// "int32", "string", … as users know them.
std::string_view ValueTypeName(ValueType type);
inline bool IsNumeric(ValueType type) { return type != ValueType::kString; }

struct Field {
  std::string name;
  ValueType type = ValueType::kNull;  // of the values; for a dictionary column, of its dictionary
  bool dictionary =
      false;           // arrived dictionary-encoded (a categorical column, unless told otherwise)
  std::string format;  // Arrow's format string of the values
  std::string index_format;  // of a dictionary column's indices; empty for others
};

struct Schema {
  std::vector<Field> fields;
  // Position of the column of that name; nullopt if there is none.
  std::optional<size_t> Find(std::string_view name) const;
  // An error that names the column, and the nearest existing names, if there is none.
  Result<size_t> Require(std::string_view name) const;
};

// A category's identity: an integer or a string. Ordered: integers by value before strings by
// bytes.
using CategoryKey = std::variant<int64_t, std::string>;
std::string ToString(const CategoryKey& key);

// A key without ownership, valid while the chunk lives.
struct KeyView {
  enum class Kind : uint8_t { kMissing, kInteger, kString, kOther } kind = Kind::kMissing;
  int32_t code =
      -1;  // the entry in this chunk's dictionary, or -1: equal codes in one chunk are equal keys
  int64_t integer = 0;
  std::string_view string;
  CategoryKey ToKey() const;  // not for kMissing and kOther
};

// What ReadKeys does about a value that is no int64 (a fraction, an infinity, a uint64 of 2^63 or
// more): an error, or a key of Kind::kOther, which no category has.
enum class UnfitKeys : uint8_t { kRefuse, kOther };

// Values of one type in memory, one every `stride_bytes`: a column of a NumPy array of any order,
// slice or direction. None is missing but NaN.
struct StridedValues {
  ValueType type = ValueType::kFloat64;  // kBool (a byte each, true if not 0), kInt8 to kFloat64
  const void* data = nullptr;            // of row 0; need not be aligned
  ptrdiff_t stride_bytes = 0;            // from row to row; may be negative or 0
  size_t length = 0;
};

// Rows x columns of one type in memory: a NumPy matrix of any order and strides.
struct MatrixView {
  ValueType type = ValueType::kFloat64;
  const void* data = nullptr;
  size_t rows = 0, columns = 0;
  ptrdiff_t row_stride_bytes = 0, column_stride_bytes = 0;

  StridedValues column(size_t i) const {
    return {type, static_cast<const char*>(data) + static_cast<ptrdiff_t>(i) * column_stride_bytes,
            row_stride_bytes, rows};
  }
};

class ColumnView {
 public:
  ColumnView() = default;  // to be assigned
  // Values outside any table; `name` (for messages) and the memory must outlive the view.
  ColumnView(const std::string& name, const StridedValues& values);

  size_t length() const { return length_; }
  ValueType type() const { return type_; }
  const std::string& name() const { return *name_; }

  // out[i - begin] = row i as float64 (T1, T2) for begin <= i < end. The column must be numeric; a
  // dictionary column of numbers reads as its values. O(end - begin), about 1 ns a value.
  void ReadNumbers(size_t begin, size_t end, double* out) const;
  // The same for some rows: out[i] = row rows[i] - first_row. `rows` ascends.
  void ReadNumbersAt(std::span<const uint64_t> rows, size_t first_row, double* out) const;

  // Rows [begin, end) as they are where they are plain float32 without nulls (NaN is missing), else
  // null: for callers that can do without the conversion. The memory itself, or copied to `scratch`
  // (end - begin floats) where it is not contiguous.
  const float* Float32Values(size_t begin, size_t end, float* scratch) const;

  // out[i - begin] = the category key of row i (T3; times are microseconds). An error names the
  // value, and the row of the table, counted from 1; `first_row` is the chunk's begin.
  Status ReadKeys(size_t begin, size_t end, KeyView* out, UnfitKeys unfit = UnfitKeys::kRefuse,
                  size_t first_row = 0) const;

  // True if some integer, or some decimal's digits read as one, exceed 2^53 in magnitude, so that
  // float64 may lose digits: worth a warning.
  bool LosesDigits() const;

 private:
  friend class Chunk;
  friend class ColumnTile;
  ColumnView(const Field& field, const ArrowArray& array, size_t offset, size_t length);

  const std::string* name_ = nullptr;
  ValueType type_ = ValueType::kNull;
  size_t length_ = 0;
  // Arrow's: `offset_` of the first row in the buffers, parents' offsets included.
  const Field* field_ = nullptr;
  const ArrowArray* array_ = nullptr;
  size_t offset_ = 0;
  // Strided, where array_ is null.
  const char* data_ = nullptr;
  ptrdiff_t stride_ = 0;
};

// A copy of some rows of columns of a row-major matrix, which share cache lines, made row by row.
class ColumnTile {
 public:
  static constexpr size_t kMaxRows = 256, kMaxColumns = 16;

  // Rows [begin, end) of columns that lie in memory with one type and one stride. False, and
  // nothing done, where they are not so, or each is contiguous and better read by itself.
  bool Copy(std::span<const ColumnView> columns, size_t begin, size_t end);
  // Row begin + i of columns[j] is row i.
  const ColumnView& column(size_t j) const { return views_[j]; }

 private:
  static constexpr size_t kStride = kMaxRows + 16;  // no power of two: other sets of the cache
  ColumnView views_[kMaxColumns];
  uint64_t values_[kMaxColumns * kStride];
};

// Columns of a table made by Table::FromColumns.
struct StridedColumn {
  std::string name;
  StridedValues values;
};
// An Arrow array of any type that streams may have, such as strings or a dictionary. Both
// structures are taken over (their release becomes null), also if there is an error.
struct ArrowColumn {
  std::string name;
  ArrowSchema* schema = nullptr;
  ArrowArray* array = nullptr;
};

struct MemoryColumns;  // private: what FromColumns was given

// Some consecutive rows of a table. Move-only; releases the Arrow array or the memory it owns.
class Chunk {
 public:
  // Takes over `array` (a struct array, one child a column), whose release becomes null. The array
  // is checked against the schema: children's number, lengths, buffers.
  static Result<Chunk> Import(std::shared_ptr<const Schema> schema, ArrowArray* array);
  Chunk(Chunk&& other) noexcept;
  Chunk& operator=(Chunk&& other) noexcept;
  ~Chunk();

  size_t num_rows() const { return num_rows_; }
  const Schema& schema() const { return *schema_; }
  ColumnView column(size_t i) const;

 private:
  friend class Table;
  Chunk() = default;
  std::shared_ptr<const Schema> schema_;
  ArrowArray array_ = {};
  std::shared_ptr<const MemoryColumns> memory_;  // null: the array's
  size_t num_rows_ = 0;
};

// Chunks one after the other. Move-only; releases the stream.
class TableStream {
 public:
  // Takes over `stream`. A column of a type that is not in ValueType (list, struct, binary) is an
  // error that names column and type.
  static Result<TableStream> Import(ArrowArrayStream* stream);
  TableStream(TableStream&& other) noexcept;
  TableStream& operator=(TableStream&& other) noexcept;
  ~TableStream();

  const Schema& schema() const { return *schema_; }
  std::shared_ptr<const Schema> shared_schema() const { return schema_; }
  // The next chunk that has rows, or nullopt at the end; the producer's error, with its words.
  Result<std::optional<Chunk>> Next();

 private:
  TableStream() = default;
  ArrowArrayStream stream_ = {};
  std::shared_ptr<const Schema> schema_;
};

// All chunks of a table, in order.
class Table {
 public:
  static Result<Table> ReadAll(TableStream stream);
  // One chunk: the strided columns in order, then the Arrow columns. `owner` keeps the strided
  // columns' memory alive; it is let go when the table is, or when its rows have been binned, on
  // any thread. Errors: columns of different lengths, a type that memory cannot have, and those of
  // TableStream and Chunk.
  static Result<Table> FromColumns(std::vector<StridedColumn> columns,
                                   std::shared_ptr<const void> owner,
                                   std::vector<ArrowColumn> arrow = {});
  Table(std::shared_ptr<const Schema> schema, std::vector<Chunk> chunks);

  const Schema& schema() const { return *schema_; }
  size_t num_rows() const { return num_rows_; }
  size_t num_chunks() const { return chunks_.size(); }
  const Chunk& chunk(size_t i) const { return *chunks_[i]; }
  // Row id of the first row of chunk i.
  size_t chunk_begin(size_t i) const { return begins_[i]; }
  // Frees chunk i's memory; it must not be read again. Thread-safe for different i.
  void Release(size_t i) { chunks_[i].reset(); }

 private:
  std::shared_ptr<const Schema> schema_;
  std::vector<std::optional<Chunk>> chunks_;
  std::vector<size_t> begins_;
  size_t num_rows_ = 0;
};

}  // namespace ramet
