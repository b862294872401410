// CSV files, typed over the whole input (F2).
//
//   files ──► blocks of whole rows ──parse, on all threads──► tables, each with the types of its
//   own values
//                                                     └────► types of all values = join of the
//                                                     blocks' types
//
// Tables are kept until the types are known, if they fit; then numbers are widened in place. Where
// a column turns out to be text after a block of it was read as something else, or memory is short,
// the files are read again with the types known.
#include <arrow/array.h>
#include <arrow/csv/api.h>
#include <arrow/io/memory.h>
#include <arrow/table.h>

#include <algorithm>
#include <charconv>
#include <deque>
#include <optional>
#include <utility>

#include "ramet/parallel/parallel.h"
#include "reader/csv_blocks.h"
#include "reader/source.h"

namespace ramet::reader {
namespace {

using TypePointer = std::shared_ptr<arrow::DataType>;
using TablePointer = std::shared_ptr<arrow::Table>;

// The narrowest type that all values of two columns read as.
TypePointer Join(const TypePointer& a, const TypePointer& b) {
  if (a->Equals(b) || b->id() == arrow::Type::NA) return a;
  if (a->id() == arrow::Type::NA) return b;
  const auto either = [&](arrow::Type::type first, arrow::Type::type second) {
    return (a->id() == first && b->id() == second) || (a->id() == second && b->id() == first);
  };
  if (either(arrow::Type::INT64, arrow::Type::DOUBLE)) return arrow::float64();
  if (either(arrow::Type::DATE32, arrow::Type::TIMESTAMP)) {
    const TypePointer& stamp = a->id() == arrow::Type::TIMESTAMP ? a : b;
    const bool zone = !static_cast<const arrow::TimestampType&>(*stamp).timezone().empty();
    return zone ? arrow::utf8() : stamp;
  }
  if (a->id() == arrow::Type::TIMESTAMP && b->id() == arrow::Type::TIMESTAMP) {
    const auto& left = static_cast<const arrow::TimestampType&>(*a);
    const auto& right = static_cast<const arrow::TimestampType&>(*b);
    if (left.timezone() == right.timezone()) return left.unit() > right.unit() ? a : b;
  }
  return arrow::utf8();
}

// True if values of type `from` were read in a way that only their text can undo.
bool NeedsText(const arrow::DataType& from, const arrow::DataType& to) {
  return to.id() == arrow::Type::STRING && from.id() != arrow::Type::STRING &&
         from.id() != arrow::Type::NA;
}

// 1234567 -> "1,234,567"
std::string Grouped(int64_t number) {
  std::string text = std::to_string(number);
  for (size_t i = text.size(); i > 3; i -= 3) text.insert(i - 3, ",");
  return text;
}

std::string_view WordsFor(std::string_view type) {
  if (type.starts_with("int")) return "an integer";
  if (type == "double" || type == "float") return "a number";
  if (type == "bool") return "true or false";
  if (type.starts_with("date")) return "a date (YYYY-MM-DD)";
  if (type.starts_with("timestamp")) return "a time stamp (YYYY-MM-DD HH:MM:SS)";
  return "";
}

// What Arrow says of a value that it cannot convert.
struct Conversion {
  size_t column;  // in the header
  int64_t row;    // in the block, from 1
  std::string_view type;
  std::string_view problem;
  std::optional<std::string_view> value;
};

// "In CSV column #1: Row #7: CSV conversion error to double: invalid value 'x'"
std::optional<Conversion> ParseConversion(std::string_view message) {
  const auto take = [&message](std::string_view word) {
    const bool there = message.starts_with(word);
    if (there) message.remove_prefix(word.size());
    return there;
  };
  const auto take_number = [&message](auto* number) {
    const auto [end, error] =
        std::from_chars(message.data(), message.data() + message.size(), *number);
    message.remove_prefix(static_cast<size_t>(end - message.data()));
    return error == std::errc();
  };
  Conversion result = {};
  if (!take("In CSV column #") || !take_number(&result.column) || !take(": Row #") ||
      !take_number(&result.row) || !take(": CSV conversion error to ")) {
    return std::nullopt;
  }
  const size_t colon = message.find(": ");
  if (colon == std::string_view::npos) return std::nullopt;
  result.type = message.substr(0, colon);
  message.remove_prefix(colon + 2);
  result.problem = message;
  const size_t quote = message.rfind('\'');
  if (take("invalid value '") && quote >= std::string_view("invalid value '").size()) {
    result.value = message.substr(0, quote - std::string_view("invalid value '").size());
  }
  return result;
}

int64_t BytesOf(const arrow::Table& table) {
  int64_t bytes = 0;
  for (const auto& column : table.columns()) {
    for (const auto& chunk : column->chunks()) {
      for (const auto& buffer : chunk->data()->buffers) {
        if (buffer != nullptr) bytes += buffer->size();
      }
    }
  }
  return bytes;
}

struct Ragged {
  int64_t row, expected, actual;
};

// One block: where it comes from and what became of it.
struct Block {
  size_t file = 0;
  std::shared_ptr<arrow::Buffer> text;
  arrow::Result<TablePointer> table = TablePointer();
  std::optional<Ragged> ragged;
};

class CsvSource {
 public:
  CsvSource(const Context& context, std::span<const std::string> files)
      : context_(context), files_(files.begin(), files.end()) {}

  Status Open(const ReadOptions& options);
  Result<Batch> Next();
  std::shared_ptr<arrow::Schema> schema() const { return schema_; }

 private:
  Status ReadHeaders(const ReadOptions& options);
  Status SetOptions(const ReadOptions& options);
  // Parses the next blocks, one for each thread. Empty at the end.
  Result<std::vector<Block>> NextWave();
  void Parse(Block& block) const;
  // Checks a parsed block, counting its rows.
  Status Accept(const Block& block);
  Error Explain(const Block& block) const;
  Status JoinTypes(const Block& block);
  void Rewind();

  Context context_;
  std::vector<std::string> files_;
  std::vector<std::string> columns_;
  arrow::csv::ParseOptions parse_;
  arrow::csv::ConvertOptions convert_;
  std::shared_ptr<arrow::Schema> schema_;  // joined so far

  size_t file_ = 0;
  std::optional<CsvBlocks> blocks_;  // of files_[file_]
  std::vector<std::vector<std::string>> headers_;
  int64_t rows_before_ = 0;  // accepted rows of the file of the last accepted block
  size_t accepted_file_ = 0;
  std::deque<TablePointer> ready_;
  bool read_again_ = false;
};

Status CsvSource::SetOptions(const ReadOptions& options) {
  parse_.delimiter = options.delimiter;
  convert_.include_columns = columns_;
  convert_.strings_can_be_null = true;
  convert_.null_values.assign(std::begin(kMissingSpellings), std::end(kMissingSpellings));
  convert_.null_values.insert(convert_.null_values.end(), options.missing.begin(),
                              options.missing.end());
  convert_.true_values = {"true", "True", "TRUE"};
  convert_.false_values = {"false", "False", "FALSE"};
  for (const auto& [column, type] : options.types) {
    RAMET_ASSIGN(TypePointer parsed, TypeOfFlag(column, type));
    if (parsed != nullptr) convert_.column_types[column] = std::move(parsed);
  }
  arrow::FieldVector fields;
  for (const std::string& column : columns_) {
    const auto flagged = convert_.column_types.find(column);
    fields.push_back(arrow::field(
        column, flagged == convert_.column_types.end() ? arrow::null() : flagged->second));
  }
  schema_ = arrow::schema(std::move(fields));
  return Status();
}

Status CsvSource::ReadHeaders(const ReadOptions& options) {
  for (const std::string& file : files_) {
    RAMET_ASSIGN(CsvBlocks blocks, CsvBlocks::Open(file, parse_));
    RAMET_ASSIGN(std::vector<std::string> columns, ChooseColumns(file, blocks.header(), options));
    if (headers_.empty()) columns_ = columns;
    for (const std::string& column : columns_) {
      if (std::find(columns.begin(), columns.end(), column) == columns.end()) {
        return DataError(file + ": column \"" + column + "\" is missing; " + files_[0] +
                         " has it.");
      }
    }
    for (const std::string& column : columns) {
      if (std::find(columns_.begin(), columns_.end(), column) == columns_.end()) {
        return DataError(file + ": column \"" + column + "\" is not in " + files_[0] +
                         ". Use --drop " + column + " to leave it out.");
      }
    }
    headers_.push_back(blocks.header());
  }
  if (columns_.empty()) return DataError(files_[0] + ": no column is left to read.");
  return Status();
}

Status CsvSource::Open(const ReadOptions& options) {
  parse_.delimiter = options.delimiter;
  RAMET_RETURN_IF_ERROR(ReadHeaders(options));
  RAMET_RETURN_IF_ERROR(SetOptions(options));

  const int64_t budget = static_cast<int64_t>(AvailableMemory() / 4);
  int64_t kept = 0;
  while (true) {
    RAMET_ASSIGN(std::vector<Block> wave, NextWave());
    if (wave.empty()) break;
    for (const Block& block : wave) {
      RAMET_RETURN_IF_ERROR(Accept(block));
      RAMET_RETURN_IF_ERROR(JoinTypes(block));
      if (read_again_) continue;
      ready_.push_back(*block.table);
      kept += BytesOf(**block.table);
      read_again_ = kept > budget;
    }
    if (read_again_) ready_.clear();
  }
  for (const TablePointer& table : ready_) {
    for (int i = 0; i < schema_->num_fields(); ++i) {
      read_again_ |= NeedsText(*table->field(i)->type(), *schema_->field(i)->type());
    }
  }
  for (const auto& field : schema_->fields()) convert_.column_types[field->name()] = field->type();
  if (read_again_) Rewind();
  return Status();
}

void CsvSource::Rewind() {
  ready_.clear();
  file_ = 0;
  blocks_.reset();
  rows_before_ = 0;
  accepted_file_ = 0;
}

Result<std::vector<Block>> CsvSource::NextWave() {
  std::vector<Block> wave;
  if (context_.Cancelled()) return CancelledError("stopped while reading " + files_[0] + ".");
  while (wave.size() < static_cast<size_t>(std::max(1, context_.threads)) &&
         file_ < files_.size()) {
    if (!blocks_) {
      RAMET_ASSIGN(blocks_, CsvBlocks::Open(files_[file_], parse_));
    }
    RAMET_ASSIGN(std::shared_ptr<arrow::Buffer> text, blocks_->Next());
    if (text == nullptr) {
      blocks_.reset();
      ++file_;
      continue;
    }
    wave.emplace_back();
    wave.back().file = file_;
    wave.back().text = std::move(text);
  }
  RunOnThreads(context_, [&] {
    ParallelFor(0, wave.size(), 1, [&](size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i) Parse(wave[i]);
    });
  });
  return wave;
}

void CsvSource::Parse(Block& block) const {
  arrow::csv::ReadOptions read;
  read.use_threads = false;  // blocks are parsed beside each other; only so does Arrow count rows
  read.block_size = static_cast<int32_t>(std::min<int64_t>(block.text->size() + 1, INT32_MAX));
  read.column_names = headers_[block.file];
  arrow::csv::ParseOptions parse = parse_;
  parse.newlines_in_values = true;
  parse.invalid_row_handler = [&block](const arrow::csv::InvalidRow& row) {
    block.ragged = Ragged{row.number, row.expected_columns, row.actual_columns};
    return arrow::csv::InvalidRowResult::Error;
  };
  auto reader = arrow::csv::TableReader::Make(arrow::io::default_io_context(),
                                              std::make_shared<arrow::io::BufferReader>(block.text),
                                              read, parse, convert_);
  block.table = reader.ok() ? (*reader)->Read() : reader.status();
}

Status CsvSource::Accept(const Block& block) {
  if (block.file != accepted_file_) rows_before_ = 0;
  accepted_file_ = block.file;
  if (!block.table.ok()) return Explain(block);
  rows_before_ += (*block.table)->num_rows();
  return Status();
}

Error CsvSource::Explain(const Block& block) const {
  const std::string& file = files_[block.file];
  if (block.ragged) {
    return DataError(file + ": row " + Grouped(rows_before_ + block.ragged->row) + " has " +
                     std::to_string(block.ragged->actual) + " columns, the header has " +
                     std::to_string(block.ragged->expected) +
                     ". Correct the row, or choose another --delimiter.");
  }
  const std::string message = block.table.status().message();
  const std::optional<Conversion> conversion = ParseConversion(message);
  if (!conversion) return DataError(file + ": " + message);
  const std::vector<std::string>& header = headers_[block.file];
  const std::string column = conversion->column < header.size() ? header[conversion->column] : "";
  const std::string where =
      file + ": row " + Grouped(rows_before_ + conversion->row) + ", column \"" + column + "\": ";
  const std::string_view words = WordsFor(conversion->type);
  if (!conversion->value || words.empty()) {
    return DataError(where + std::string(conversion->problem) +
                     ". Correct the value, or use --drop " + column + ".");
  }
  constexpr size_t kShown = 80;
  const bool long_value = conversion->value->size() > kShown;
  const std::string value(conversion->value->substr(0, kShown));
  return DataError(where + "\"" + value + (long_value ? "…" : "") + "\" is not " +
                   std::string(words) + ". Use --missing \"" + value +
                   "\" to read it as missing, --type " + column +
                   "=string to read the column as text, or --drop " + column + ".");
}

Status CsvSource::JoinTypes(const Block& block) {
  arrow::FieldVector fields;
  for (int i = 0; i < schema_->num_fields(); ++i) {
    const auto& name = schema_->field(i)->name();
    const TypePointer& type = (*block.table)->field(i)->type();
    if (type->id() == arrow::Type::BINARY) {
      return DataError(files_[block.file] + ": column \"" + name +
                       "\" is not UTF-8 text. Convert the file to UTF-8, or use --drop " + name +
                       ".");
    }
    fields.push_back(arrow::field(name, Join(schema_->field(i)->type(), type)));
  }
  schema_ = arrow::schema(std::move(fields));
  return Status();
}

Result<Batch> CsvSource::Next() {
  while (true) {
    if (ready_.empty()) {
      if (!read_again_) return Batch();
      RAMET_ASSIGN(std::vector<Block> wave, NextWave());
      if (wave.empty()) return Batch();
      for (const Block& block : wave) {
        RAMET_RETURN_IF_ERROR(Accept(block));
        ready_.push_back(*block.table);
      }
    }
    const TablePointer table = std::move(ready_.front());
    ready_.pop_front();
    if (table->num_rows() == 0) continue;
    RAMET_ARROW(Batch batch, files_[0], table->CombineChunksToBatch());
    return batch;
  }
}

}  // namespace

Result<Source> OpenCsv(const Context& context, std::span<const std::string> files,
                       const ReadOptions& options) {
  auto source = std::make_shared<CsvSource>(context, files);
  RAMET_RETURN_IF_ERROR(source->Open(options));
  return Source{files[0], source->schema(), [source] { return source->Next(); }};
}

}  // namespace ramet::reader
