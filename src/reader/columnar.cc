// Parquet and Feather (Arrow IPC) files.
#include <arrow/io/file.h>
#include <arrow/ipc/reader.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>
#include <parquet/properties.h>

#include <exception>
#include <utility>

#include "reader/source.h"

namespace ramet::reader {
namespace {

constexpr int64_t kRowsPerBatch = 65536;

// The leaf columns of a field, in their order.
void CollectLeaves(const parquet::arrow::SchemaField& field, std::vector<int>* leaves) {
  if (field.column_index >= 0) leaves->push_back(field.column_index);
  for (const parquet::arrow::SchemaField& child : field.children) CollectLeaves(child, leaves);
}

std::vector<int> PositionsOf(const arrow::Schema& schema, const std::vector<std::string>& columns) {
  std::vector<int> positions;
  for (const std::string& column : columns) positions.push_back(schema.GetFieldIndex(column));
  return positions;
}

std::shared_ptr<arrow::Schema> Subset(const arrow::Schema& schema,
                                      const std::vector<int>& positions) {
  arrow::FieldVector fields;
  for (const int position : positions) fields.push_back(schema.field(position));
  return arrow::schema(std::move(fields));
}

// The batch's columns in the order of the schema.
Result<Batch> Arrange(const std::string& file, const Batch& batch, const arrow::Schema& schema) {
  arrow::ArrayVector arrays;
  for (const auto& field : schema.fields()) {
    std::shared_ptr<arrow::Array> array = batch->GetColumnByName(field->name());
    if (array == nullptr) return DataError(file + ": column \"" + field->name() + "\" vanished.");
    arrays.push_back(std::move(array));
  }
  return arrow::RecordBatch::Make(arrow::schema(schema.fields()), batch->num_rows(),
                                  std::move(arrays));
}

// parquet-cpp throws in some corners of damaged files; here its exceptions become errors.
template <class F>
auto Guarded(const std::string& file, F body) -> decltype(body()) {
  try {
    return body();
  } catch (const std::exception& exception) {
    return DataError(file + ": the file is damaged: " + exception.what());
  }
}

Result<Source> OpenParquetFile(const Context& context, const std::string& file,
                               const ReadOptions& options) {
  RAMET_ARROW(auto input, file, arrow::io::ReadableFile::Open(file));
  parquet::ArrowReaderProperties properties;
  properties.set_batch_size(kRowsPerBatch);
  properties.set_use_threads(context.threads > 1);
  parquet::arrow::FileReaderBuilder builder;
  if (const arrow::Status status = builder.Open(std::move(input)); !status.ok()) {
    return FileError(file, status);
  }
  RAMET_ARROW(std::shared_ptr<parquet::arrow::FileReader> reader, file,
              builder.properties(properties)->Build());
  std::shared_ptr<arrow::Schema> whole;
  if (const arrow::Status status = reader->GetSchema(&whole); !status.ok()) {
    return FileError(file, status);
  }
  RAMET_ASSIGN(const std::vector<std::string> columns,
               ChooseColumns(file, whole->field_names(), options));
  const std::vector<int> positions = PositionsOf(*whole, columns);
  std::vector<int> leaves, row_groups;
  for (const int position : positions) {
    CollectLeaves(reader->manifest().schema_fields[static_cast<size_t>(position)], &leaves);
  }
  for (int i = 0; i < reader->num_row_groups(); ++i) row_groups.push_back(i);
  RAMET_ARROW(std::shared_ptr<arrow::RecordBatchReader> batches, file,
              reader->GetRecordBatchReader(row_groups, leaves));
  std::shared_ptr<arrow::Schema> schema = Subset(*whole, positions);
  auto next = [file, schema, reader, batches]() {
    return Guarded(file, [&]() -> Result<Batch> {
      Batch batch;
      if (const arrow::Status status = batches->ReadNext(&batch); !status.ok()) {
        return FileError(file, status);
      }
      if (batch == nullptr) return batch;
      return Arrange(file, batch, *schema);
    });
  };
  return Source{file, schema, std::move(next)};
}

}  // namespace

Result<Source> OpenParquet(const Context& context, const std::string& file,
                           const ReadOptions& options) {
  return Guarded(file, [&] { return OpenParquetFile(context, file, options); });
}

Result<Source> OpenFeather(const std::string& file, const ReadOptions& options) {
  RAMET_ARROW(auto input, file, arrow::io::MemoryMappedFile::Open(file, arrow::io::FileMode::READ));
  auto ipc = arrow::ipc::IpcReadOptions::Defaults();
  ipc.use_threads = false;
  RAMET_ARROW(auto whole, file, arrow::ipc::RecordBatchFileReader::Open(input, ipc));
  RAMET_ASSIGN(const std::vector<std::string> columns,
               ChooseColumns(file, whole->schema()->field_names(), options));
  const std::vector<int> positions = PositionsOf(*whole->schema(), columns);
  if (positions.empty()) return DataError(file + ": no column is left to read.");
  ipc.included_fields = positions;
  RAMET_ARROW(auto reader, file, arrow::ipc::RecordBatchFileReader::Open(input, ipc));
  std::shared_ptr<arrow::Schema> schema = Subset(*whole->schema(), positions);
  auto next = [file, schema, reader, i = 0]() mutable -> Result<Batch> {
    if (i == reader->num_record_batches()) return Batch();
    RAMET_ARROW(Batch batch, file, reader->ReadRecordBatch(i++));
    if (const arrow::Status status = batch->Validate(); !status.ok()) {
      return FileError(file, status);
    }
    return Arrange(file, batch, *schema);
  };
  return Source{file, schema, std::move(next)};
}

}  // namespace ramet::reader
