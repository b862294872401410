// Sources become one stream of one schema.
#include <arrow/c/bridge.h>
#include <arrow/compute/api.h>
#include <arrow/config.h>
#include <arrow/util/thread_pool.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "reader/source.h"

namespace ramet::reader {

Result<std::shared_ptr<arrow::DataType>> TypeOfFlag(const std::string& column,
                                                    const std::string& type) {
  if (type == "int64") return arrow::int64();
  if (type == "float64") return arrow::float64();
  if (type == "float32") return arrow::float32();
  if (type == "string") return arrow::utf8();
  if (type == "bool") return arrow::boolean();
  if (type == "date") return arrow::date32();
  if (type == "timestamp") return arrow::timestamp(arrow::TimeUnit::MICRO);
  RAMET_RETURN_IF_ERROR(CheckType(column, type));
  return std::shared_ptr<arrow::DataType>();  // category
}

namespace {

using TypePointer = std::shared_ptr<arrow::DataType>;

const TypePointer& ValueType(const TypePointer& type) {
  if (type->id() != arrow::Type::DICTIONARY) return type;
  return static_cast<const arrow::DictionaryType&>(*type).value_type();
}

bool IsText(const arrow::DataType& type) {
  return type.id() == arrow::Type::STRING || type.id() == arrow::Type::LARGE_STRING ||
         type.id() == arrow::Type::STRING_VIEW;
}

// The type that holds the values of both (F3); nullptr if there is none.
TypePointer Wider(const TypePointer& a, const TypePointer& b) {
  if (a->Equals(b) || b->id() == arrow::Type::NA) return a;
  if (a->id() == arrow::Type::NA) return b;
  const bool dictionary = a->id() == arrow::Type::DICTIONARY;
  if (dictionary != (b->id() == arrow::Type::DICTIONARY)) return nullptr;
  if (dictionary) {
    const TypePointer values = Wider(ValueType(a), ValueType(b));
    return values == nullptr ? nullptr : arrow::dictionary(arrow::int32(), values);
  }
  if (IsText(*a) && IsText(*b)) return arrow::large_utf8();
  if (a->id() == arrow::Type::TIMESTAMP && b->id() == arrow::Type::TIMESTAMP) {
    const auto& left = static_cast<const arrow::TimestampType&>(*a);
    const auto& right = static_cast<const arrow::TimestampType&>(*b);
    return left.timezone() != right.timezone() ? nullptr : left.unit() > right.unit() ? a : b;
  }
  if (arrow::is_integer(a->id()) && arrow::is_integer(b->id())) {
    const bool any_uint64 = a->id() == arrow::Type::UINT64 || b->id() == arrow::Type::UINT64;
    const bool signs_differ =
        arrow::is_signed_integer(a->id()) != arrow::is_signed_integer(b->id());
    if (any_uint64) return signs_differ ? nullptr : arrow::uint64();
    return arrow::int64();
  }
  const auto is_number = [](const arrow::DataType& type) {
    return arrow::is_integer(type.id()) || arrow::is_floating(type.id());
  };
  return is_number(*a) && is_number(*b) ? arrow::float64() : nullptr;
}

Status Widen(const Source& source, const Source& first, std::shared_ptr<arrow::Schema>& schema) {
  for (const auto& field : source.schema->fields()) {
    if (schema->GetFieldIndex(field->name()) >= 0) continue;
    return DataError(source.name + ": column \"" + field->name() + "\" is not in " + first.name +
                     ". Use --drop " + field->name() + " to leave it out.");
  }
  arrow::FieldVector fields;
  for (const auto& field : schema->fields()) {
    const auto own = source.schema->GetFieldByName(field->name());
    if (own == nullptr) {
      return DataError(source.name + ": column \"" + field->name() + "\" is missing; " +
                       first.name + " has it.");
    }
    TypePointer type = Wider(field->type(), own->type());
    if (type == nullptr) {
      return DataError(source.name + ": column \"" + field->name() + "\" is of type " +
                       own->type()->ToString() + ", before it was " + field->type()->ToString() +
                       ". Make the files agree, or use --drop " + field->name() + ".");
    }
    fields.push_back(arrow::field(field->name(), std::move(type)));
  }
  schema = arrow::schema(std::move(fields));
  return Status();
}

// Puts the types that the user asks for in place of the files' own.
Status ApplyFlags(const ReadOptions& options, std::shared_ptr<arrow::Schema>& schema) {
  arrow::FieldVector fields = schema->fields();
  for (const auto& [column, flag] : options.types) {
    RAMET_ASSIGN(const TypePointer type, TypeOfFlag(column, flag));
    const int position = schema->GetFieldIndex(column);
    if (position < 0) continue;  // dropped
    auto& field = fields[static_cast<size_t>(position)];
    if (type != nullptr) {
      field = arrow::field(column, type);
    } else if (field->type()->id() != arrow::Type::DICTIONARY) {
      field = arrow::field(column, arrow::dictionary(arrow::int32(), field->type()));
    }
  }
  schema = arrow::schema(std::move(fields));
  return Status();
}

Result<std::shared_ptr<arrow::Array>> Convert(const std::string& file, const std::string& column,
                                              std::shared_ptr<arrow::Array> array,
                                              const TypePointer& type) {
  if (array->type()->Equals(type)) return array;
  const auto step = [&](const arrow::Result<arrow::Datum>& result) -> Status {
    if (!result.ok()) {
      return DataError(file + ": column \"" + column + "\" cannot be read as " + type->ToString() +
                       ": " + result.status().message() + ". Choose another --type, or --drop it.");
    }
    array = result->make_array();
    return Status();
  };
  arrow::compute::CastOptions cast;
  cast.allow_float_truncate = false;
  cast.allow_int_overflow = false;
  const TypePointer& values = ValueType(type);
  if (!array->type()->Equals(values)) {
    // Integers beyond 2^53 become the nearest float64; all else must keep its value.
    if (arrow::is_floating(values->id())) cast = arrow::compute::CastOptions::Unsafe();
    cast.to_type = values;
    RAMET_RETURN_IF_ERROR(step(arrow::compute::Cast(arrow::Datum(array), cast)));
  }
  if (type->id() == arrow::Type::DICTIONARY) {
    RAMET_RETURN_IF_ERROR(step(arrow::compute::DictionaryEncode(arrow::Datum(array))));
  }
  return array;
}

// Batches of several sources, one after the other, as the target says.
class FileReader {
 public:
  FileReader(const Context& context, std::vector<std::function<Result<Source>()>> sources,
             std::shared_ptr<arrow::Schema> schema)
      : context_(context), sources_(std::move(sources)), schema_(std::move(schema)) {}

  const arrow::Schema& schema() const { return *schema_; }

  Result<Batch> Next() {
    while (true) {
      if (context_.Cancelled()) return CancelledError("stopped while reading files.");
      if (!current_) {
        if (position_ == sources_.size()) return Batch();
        RAMET_ASSIGN(current_, sources_[position_++]());
      }
      RAMET_ASSIGN(Batch batch, current_->next());
      if (batch != nullptr) return ConvertBatch(batch);
      current_.reset();
    }
  }

 private:
  Result<Batch> ConvertBatch(const Batch& batch) const {
    arrow::ArrayVector arrays;
    for (const auto& field : schema_->fields()) {
      std::shared_ptr<arrow::Array> array = batch->GetColumnByName(field->name());
      if (array == nullptr) {
        return DataError(current_->name + ": column \"" + field->name() + "\" is missing.");
      }
      RAMET_ASSIGN(std::shared_ptr<arrow::Array> converted,
                   Convert(current_->name, field->name(), std::move(array), field->type()));
      arrays.push_back(std::move(converted));
    }
    return arrow::RecordBatch::Make(schema_, batch->num_rows(), std::move(arrays));
  }

  Context context_;
  std::vector<std::function<Result<Source>()>> sources_;
  std::shared_ptr<arrow::Schema> schema_;
  size_t position_ = 0;
  std::optional<Source> current_;
};

// A FileReader behind the C stream interface, whose errors keep our words.
struct Exported {
  FileReader reader;
  std::string error;

  static int Fail(Exported& self, ErrorCode code, std::string message) {
    self.error = std::move(message);
    return code == ErrorCode::kIo ? EIO : code == ErrorCode::kCancelled ? ECANCELED : EINVAL;
  }
  static int GetSchema(ArrowArrayStream* stream, ArrowSchema* out) {
    auto& self = *static_cast<Exported*>(stream->private_data);
    const auto status = arrow::ExportSchema(self.reader.schema(), out);
    return status.ok() ? 0 : Fail(self, ErrorCode::kData, status.message());
  }
  static int GetNext(ArrowArrayStream* stream, ArrowArray* out) {
    auto& self = *static_cast<Exported*>(stream->private_data);
    const Result<Batch> batch = self.reader.Next();
    if (!batch.ok()) return Fail(self, batch.error().code, batch.error().message);
    if (*batch == nullptr) {
      *out = ArrowArray{};
      return 0;
    }
    const auto status = arrow::ExportRecordBatch(**batch, out);
    return status.ok() ? 0 : Fail(self, ErrorCode::kData, status.message());
  }
  static const char* GetLastError(ArrowArrayStream* stream) {
    return static_cast<Exported*>(stream->private_data)->error.c_str();
  }
  static void Release(ArrowArrayStream* stream) {
    delete static_cast<Exported*>(stream->private_data);
    stream->release = nullptr;
  }
};

// The parts of a table: each columnar file, or all CSV files together.
Result<std::vector<std::function<Result<Source>()>>> Parts(const Context& context,
                                                           std::span<const std::string> files,
                                                           const ReadOptions& options) {
  RAMET_ASSIGN(const std::string format, FormatOf(files[0], options));
  std::vector<std::function<Result<Source>()>> parts;
  for (const std::string& file : files) {
    RAMET_ASSIGN(const std::string own, FormatOf(file, options));
    if (own != format) {
      return InvalidArgument(file + ": the format is " + own + ", but " + files[0] + " is " +
                             format + ". Read files of one format at a time.");
    }
    if (format == "parquet") {
      parts.push_back([=] { return OpenParquet(context, file, options); });
    } else if (format == "feather") {
      parts.push_back([=] { return OpenFeather(file, options); });
    }
  }
  if (format == "csv") {
    // Typing has read all files already: that source is handed on, once.
    RAMET_ASSIGN(Source source, OpenCsv(context, files, options));
    parts.push_back([source = std::move(source)]() -> Result<Source> { return source; });
  }
  return parts;
}

}  // namespace
}  // namespace ramet::reader

namespace ramet {

Result<TableStream> OpenFiles(const Context& context, std::span<const std::string> files,
                              const ReadOptions& options) {
  using namespace reader;
  if (files.empty()) return InvalidArgument("no input files were given.");
  // Arrow's own pool, which decodes Parquet columns; process-wide by its design.
  if (const auto status = arrow::SetCpuThreadPoolCapacity(std::max(1, context.threads));
      !status.ok()) {
    return IoError("threads cannot be started: " + status.message());
  }
  RAMET_ASSIGN(auto parts, Parts(context, files, options));
  std::shared_ptr<arrow::Schema> schema;
  std::optional<Source> first;
  for (const auto& part : parts) {
    RAMET_ASSIGN(Source source, part());
    if (!first) {
      schema = source.schema->RemoveMetadata();
      first = source;
    }
    RAMET_RETURN_IF_ERROR(Widen(source, *first, schema));
  }
  first.reset();
  RAMET_RETURN_IF_ERROR(ApplyFlags(options, schema));
  ArrowArrayStream stream = {};
  stream.get_schema = Exported::GetSchema;
  stream.get_next = Exported::GetNext;
  stream.get_last_error = Exported::GetLastError;
  stream.release = Exported::Release;
  stream.private_data = new Exported{FileReader(context, std::move(parts), std::move(schema)), {}};
  Result<TableStream> imported = TableStream::Import(&stream);
  if (!imported.ok())
    return Error{imported.error().code, files[0] + ": " + imported.error().message};
  return imported;
}

std::vector<std::pair<std::string, std::string>> ReaderLibraries() {
  return {{"Arrow C++", arrow::GetBuildInfo().version_string}};
}

}  // namespace ramet
