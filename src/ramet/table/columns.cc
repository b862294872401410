// Tables of columns in memory.
#include "ramet/table/columns.h"

#include <cstring>
#include <string>
#include <utility>

#include "ramet/table/layout.h"

namespace ramet {
namespace {

Result<Field> FieldOf(const StridedColumn& column) {
  const std::optional<table::MemoryLayout> memory = table::LayoutInMemory(column.values.type);
  if (!memory)
    return InvalidArgument("column \"" + column.name + "\": values of type " +
                           std::string(ValueTypeName(column.values.type)) +
                           " cannot be read from memory. Use bool, integers or floats, or Arrow.");
  if (column.values.data == nullptr && column.values.length > 0)
    return InvalidArgument("column \"" + column.name + "\": its memory is a null pointer.");
  Field field;
  field.name = column.name;
  field.type = column.values.type;
  field.format = memory->format;
  return field;
}

Result<Field> FieldOf(const std::string& name, const ArrowSchema& schema, const ArrowArray& array) {
  if (schema.release == nullptr || array.release == nullptr)
    return InvalidArgument("column \"" + name + "\": the Arrow array was released already.");
  ArrowSchema named = schema;  // a view: what it points to is still `schema`'s
  named.name = name.c_str();
  RAMET_ASSIGN(Field field, table::ImportField(named));
  if (array.length < 0 || array.offset < 0)
    return DataError("column \"" + name + "\": the Arrow array's length or offset is negative.");
  RAMET_RETURN_IF_ERROR(table::CheckColumn(field, array, static_cast<size_t>(array.offset),
                                           static_cast<size_t>(array.length)));
  return field;
}

Status CheckLength(const std::string& name, size_t length, size_t rows) {
  if (length == rows) return Status();
  return InvalidArgument("column \"" + name + "\" has " + std::to_string(length) +
                         " rows, the columns before it " + std::to_string(rows) + ".");
}

template <class T>
void CopyRows(const char* const* firsts, size_t count, ptrdiff_t stride, size_t rows,
              size_t out_stride, T* out) {
  for (size_t i = 0; i < rows; ++i)
    for (size_t j = 0; j < count; ++j)
      std::memcpy(out + j * out_stride + i, firsts[j] + static_cast<ptrdiff_t>(i) * stride,
                  sizeof(T));
}

}  // namespace

bool ColumnTile::Copy(std::span<const ColumnView> columns, size_t begin, size_t end) {
  RAMET_CHECK(!columns.empty() && columns.size() <= kMaxColumns && end - begin <= kMaxRows);
  const ColumnView& first = columns[0];
  const size_t rows = end - begin;
  const size_t size = table::MemorySize(first.type_);
  if (first.stride_ == static_cast<ptrdiff_t>(size)) return false;
  const char* firsts[kMaxColumns];
  for (size_t j = 0; j < columns.size(); ++j) {
    const ColumnView& column = columns[j];
    if (column.array_ != nullptr || column.type_ != first.type_ || column.stride_ != first.stride_)
      return false;
    firsts[j] = column.data_ + static_cast<ptrdiff_t>(begin) * column.stride_;
    views_[j] = column;
    views_[j].length_ = rows;
    views_[j].data_ = reinterpret_cast<const char*>(values_) + j * kStride * size;
    views_[j].stride_ = static_cast<ptrdiff_t>(size);
  }
  const auto copy = [&](auto value) {
    CopyRows(firsts, columns.size(), first.stride_, rows, kStride,
             reinterpret_cast<decltype(value)*>(values_));
    return true;
  };
  switch (size) {
    case 1:
      return copy(uint8_t{});
    case 2:
      return copy(uint16_t{});
    case 4:
      return copy(uint32_t{});
    default:
      return copy(uint64_t{});
  }
}

Result<Table> Table::FromColumns(std::vector<StridedColumn> columns,
                                 std::shared_ptr<const void> owner,
                                 std::vector<ArrowColumn> arrow) {
  auto memory = std::make_shared<MemoryColumns>();
  memory->owner = std::move(owner);
  std::vector<table::Owned<ArrowSchema>> schemas;
  for (const ArrowColumn& column : arrow) {
    schemas.emplace_back(column.schema);
    memory->arrow.emplace_back(column.array);
  }
  auto schema = std::make_shared<Schema>();
  std::optional<size_t> rows;
  for (StridedColumn& column : columns) {
    RAMET_ASSIGN(Field field, FieldOf(column));
    if (!rows) rows = column.values.length;
    RAMET_RETURN_IF_ERROR(CheckLength(column.name, column.values.length, *rows));
    schema->fields.push_back(std::move(field));
    memory->strided.push_back(column.values);
  }
  for (size_t i = 0; i < arrow.size(); ++i) {
    const ArrowArray& array = memory->arrow[i].value;
    RAMET_ASSIGN(Field field, FieldOf(arrow[i].name, schemas[i].value, array));
    if (!rows) rows = static_cast<size_t>(array.length);
    RAMET_RETURN_IF_ERROR(CheckLength(arrow[i].name, static_cast<size_t>(array.length), *rows));
    schema->fields.push_back(std::move(field));
  }
  std::vector<Chunk> chunks;
  if (rows.value_or(0) > 0) {
    Chunk chunk;
    chunk.schema_ = schema;
    chunk.memory_ = std::move(memory);
    chunk.num_rows_ = *rows;
    chunks.push_back(std::move(chunk));
  }
  return Table(std::move(schema), std::move(chunks));
}

}  // namespace ramet
