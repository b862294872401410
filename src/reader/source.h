// One file, or several CSV files, as record batches; private to this folder.
#pragma once

#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/type.h>

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "ramet/base/result.h"
#include "reader/choose.h"

namespace ramet::reader {

using Batch = std::shared_ptr<arrow::RecordBatch>;

// Files with the columns that the options choose.
struct Source {
  std::string name;  // of the file, for messages
  std::shared_ptr<arrow::Schema> schema;
  std::function<Result<Batch>()> next;  // nullptr at the end
};

// The Arrow type that a type flag names; nullptr for "category".
Result<std::shared_ptr<arrow::DataType>> TypeOfFlag(const std::string& column,
                                                    const std::string& type);

Result<Source> OpenParquet(const Context& context, const std::string& file,
                           const ReadOptions& options);
Result<Source> OpenFeather(const std::string& file, const ReadOptions& options);

// All CSV files as one source: their types depend on each other (F2).
Result<Source> OpenCsv(const Context& context, std::span<const std::string> files,
                       const ReadOptions& options);

// Arrow's failure as ours, behind the file's name.
inline Error FileError(const std::string& file, const arrow::Status& status) {
  const std::string message = file + ": " + status.message();
  if (status.IsIOError()) return IoError(message);
  return DataError(message);
}

// RAMET_ARROW(auto x, file, ArrowFunction()): x = the value, or returns the error with the file's
// name.
#define RAMET_ARROW_IMPL_(result, declaration, file, expression)              \
  auto result = (expression);                                                 \
  if (!result.ok()) return ::ramet::reader::FileError(file, result.status()); \
  declaration = std::move(result).ValueUnsafe()
#define RAMET_ARROW(declaration, file, ...) \
  RAMET_ARROW_IMPL_(RAMET_CONCAT(arrow_, __LINE__), declaration, file, (__VA_ARGS__))

}  // namespace ramet::reader
