// Chunks, streams and tables: owners of Arrow's structures.
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include "ramet/table/columns.h"
#include "ramet/table/layout.h"
#include "ramet/table/owned.h"
#include "ramet/table/table.h"

namespace ramet {
namespace {

bool AnyNullRow(const ArrowArray& array) {
  const void* validity = table::Validity(array);
  if (validity == nullptr) return false;
  for (int64_t i = 0; i < array.length; ++i) {
    if (!table::GetBit(validity, static_cast<size_t>(array.offset + i))) return true;
  }
  return false;
}

Status CheckStruct(const Schema& schema, const ArrowArray& array) {
  const auto broken = [](const std::string& what) {
    return DataError("the Arrow table is malformed: " + what +
                     ". This is a fault of the program that produced it.");
  };
  if (array.length < 0 || array.offset < 0 || array.length > INT64_MAX / 64 ||
      array.offset > INT64_MAX / 64) {
    return broken("its length or offset is impossible");
  }
  if (array.n_children != static_cast<int64_t>(schema.fields.size())) {
    return broken("its schema has " + std::to_string(schema.fields.size()) + " columns, an array " +
                  std::to_string(array.n_children));
  }
  if (array.n_children > 0 && array.children == nullptr)
    return broken("its list of columns is null");
  if (array.n_buffers > 1 || (array.n_buffers == 1 && array.buffers == nullptr)) {
    return broken("its buffers are not those of a table");
  }
  if (array.null_count > 0 && table::Validity(array) == nullptr)
    return broken("it counts null rows but marks none");
  if (AnyNullRow(array)) {
    return DataError(
        "the Arrow table has rows that are null as a whole. Make their columns null, or drop the "
        "rows.");
  }
  return Status();
}

Result<std::shared_ptr<const Schema>> ImportSchema(const ArrowSchema& schema) {
  if (schema.format == nullptr || std::strcmp(schema.format, "+s") != 0) {
    return DataError("the Arrow stream is not one of tables: its type is " +
                     table::DescribeFormat(schema.format == nullptr ? "" : schema.format) +
                     " instead of struct.");
  }
  if (schema.n_children < 0 || (schema.n_children > 0 && schema.children == nullptr)) {
    return DataError("the Arrow stream's schema is malformed: its list of columns is null.");
  }
  auto result = std::make_shared<Schema>();
  for (int64_t i = 0; i < schema.n_children; ++i) {
    if (schema.children[i] == nullptr)
      return DataError("the Arrow stream's schema is malformed: a column is null.");
    RAMET_ASSIGN(Field field, table::ImportField(*schema.children[i]));
    result->fields.push_back(std::move(field));
  }
  return std::shared_ptr<const Schema>(std::move(result));
}

Error StreamError(ArrowArrayStream& stream, int code) {
  const char* words = stream.get_last_error == nullptr ? nullptr : stream.get_last_error(&stream);
  std::string message;
  if (words != nullptr && *words != '\0') {
    message = words;
  } else {
    message.append("the Arrow stream failed: ").append(std::strerror(code)).append(".");
  }
  if (code == ECANCELED) return CancelledError(std::move(message));
  return code == EIO ? IoError(std::move(message)) : DataError(std::move(message));
}

}  // namespace

Result<Chunk> Chunk::Import(std::shared_ptr<const Schema> schema, ArrowArray* array) {
  if (array == nullptr || array->release == nullptr)
    return InvalidArgument("the Arrow array was released already.");
  table::Owned<ArrowArray> owned(array);
  const ArrowArray& parent = owned.value;
  RAMET_RETURN_IF_ERROR(CheckStruct(*schema, parent));
  for (size_t i = 0; i < schema->fields.size(); ++i) {
    const ArrowArray* child = parent.children[i];
    const Field& field = schema->fields[i];
    if (child == nullptr || child->release == nullptr) {
      return DataError("column \"" + field.name +
                       "\": the Arrow array is malformed: it is missing or released.");
    }
    if (child->offset < 0)
      return DataError("column \"" + field.name + "\": the Arrow array's offset is negative.");
    RAMET_RETURN_IF_ERROR(table::CheckColumn(field, *child,
                                             static_cast<size_t>(parent.offset + child->offset),
                                             static_cast<size_t>(parent.length)));
  }
  Chunk chunk;
  chunk.schema_ = std::move(schema);
  chunk.num_rows_ = static_cast<size_t>(parent.length);
  chunk.array_ = owned.Take();
  return chunk;
}

Chunk::Chunk(Chunk&& other) noexcept
    : schema_(std::move(other.schema_)),
      array_(other.array_),
      memory_(std::move(other.memory_)),
      num_rows_(other.num_rows_) {
  other.array_.release = nullptr;
}

Chunk& Chunk::operator=(Chunk&& other) noexcept {
  std::swap(schema_, other.schema_);
  std::swap(array_, other.array_);
  std::swap(memory_, other.memory_);
  std::swap(num_rows_, other.num_rows_);
  return *this;
}

Chunk::~Chunk() {
  if (array_.release != nullptr) array_.release(&array_);
}

ColumnView Chunk::column(size_t i) const {
  RAMET_CHECK(i < schema_->fields.size());
  const Field& field = schema_->fields[i];
  if (memory_ == nullptr) {
    const ArrowArray& array = *array_.children[i];
    return {field, array, static_cast<size_t>(array_.offset + array.offset), num_rows_};
  }
  const size_t strided = memory_->strided.size();
  if (i < strided) return {field.name, memory_->strided[i]};
  const ArrowArray& array = memory_->arrow[i - strided].value;
  return {field, array, static_cast<size_t>(array.offset), num_rows_};
}

Result<TableStream> TableStream::Import(ArrowArrayStream* stream) {
  if (stream == nullptr || stream->release == nullptr) {
    return InvalidArgument(
        "the Arrow stream was released already: a stream can be read only once.");
  }
  table::Owned<ArrowArrayStream> owned(stream);
  if (owned.value.get_schema == nullptr || owned.value.get_next == nullptr) {
    return DataError("the Arrow stream is malformed: a function is missing.");
  }
  table::Owned<ArrowSchema> schema;
  const int code = owned.value.get_schema(&owned.value, &schema.value);
  if (code != 0) return StreamError(owned.value, code);
  RAMET_ASSIGN(auto imported, ImportSchema(schema.value));
  TableStream result;
  result.schema_ = std::move(imported);
  result.stream_ = owned.Take();
  return result;
}

TableStream::TableStream(TableStream&& other) noexcept
    : stream_(other.stream_), schema_(std::move(other.schema_)) {
  other.stream_.release = nullptr;
}

TableStream& TableStream::operator=(TableStream&& other) noexcept {
  std::swap(stream_, other.stream_);
  std::swap(schema_, other.schema_);
  return *this;
}

TableStream::~TableStream() {
  if (stream_.release != nullptr) stream_.release(&stream_);
}

Result<std::optional<Chunk>> TableStream::Next() {
  while (true) {
    table::Owned<ArrowArray> array;
    const int code = stream_.get_next(&stream_, &array.value);
    if (code != 0) return StreamError(stream_, code);
    if (array.value.release == nullptr) return std::optional<Chunk>();
    RAMET_ASSIGN(Chunk chunk, Chunk::Import(schema_, &array.value));
    if (chunk.num_rows() > 0) return std::optional<Chunk>(std::move(chunk));
  }
}

Result<Table> Table::ReadAll(TableStream stream) {
  std::vector<Chunk> chunks;
  while (true) {
    RAMET_ASSIGN(std::optional<Chunk> chunk, stream.Next());
    if (!chunk) return Table(stream.shared_schema(), std::move(chunks));
    chunks.push_back(*std::move(chunk));
  }
}

Table::Table(std::shared_ptr<const Schema> schema, std::vector<Chunk> chunks)
    : schema_(std::move(schema)) {
  for (Chunk& chunk : chunks) {
    begins_.push_back(num_rows_);
    num_rows_ += chunk.num_rows();
    chunks_.emplace_back(std::move(chunk));
  }
}

}  // namespace ramet
