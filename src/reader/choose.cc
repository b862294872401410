#include "reader/choose.h"

#include <algorithm>
#include <cctype>
#include <string_view>

namespace ramet::reader {

Result<std::string> FormatOf(const std::string& file, const ReadOptions& options) {
  std::string name = file;
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (!options.format.empty()) {
    for (const char* known : {"csv", "parquet", "feather"}) {
      if (options.format == known) return options.format;
    }
    return InvalidArgument("there is no format \"" + options.format +
                           "\". The formats are csv, parquet and feather.");
  }
  for (const char* packed : {".gz", ".bz2", ".zst", ".lz4"}) {
    if (name.ends_with(packed)) name.resize(name.size() - std::string_view(packed).size());
  }
  for (const char* ending : {".csv", ".tsv", ".txt"}) {
    if (name.ends_with(ending)) return std::string("csv");
  }
  for (const char* ending : {".parquet", ".pq", ".parq"}) {
    if (name.ends_with(ending)) return std::string("parquet");
  }
  for (const char* ending : {".feather", ".arrow", ".ipc"}) {
    if (name.ends_with(ending)) return std::string("feather");
  }
  return InvalidArgument(
      file + ": the name does not tell the format. Use --format csv, parquet or feather.");
}

Result<std::vector<std::string>> ChooseColumns(const std::string& file,
                                               const std::vector<std::string>& names,
                                               const ReadOptions& options) {
  Schema schema;
  for (const std::string& name : names) schema.fields.emplace_back().name = name;
  const auto require = [&](const std::string& column) -> Status {
    Result<size_t> found = schema.Require(column);
    if (!found.ok()) return Error{found.error().code, file + ": " + found.error().message};
    return Status();
  };
  for (const std::string& column : options.columns) RAMET_RETURN_IF_ERROR(require(column));
  for (const std::string& column : options.drop) RAMET_RETURN_IF_ERROR(require(column));
  for (const auto& [column, type] : options.types) RAMET_RETURN_IF_ERROR(require(column));
  std::vector<std::string> chosen;
  const auto contains = [](const std::vector<std::string>& list, const std::string& name) {
    return std::find(list.begin(), list.end(), name) != list.end();
  };
  for (const std::string& column : options.columns.empty() ? names : options.columns) {
    if (contains(options.drop, column)) continue;
    if (std::count(names.begin(), names.end(), column) > 1) {
      return DataError(file + ": two columns have the name \"" + column +
                       "\". Rename one of them, or use --drop " + column + ".");
    }
    if (!contains(chosen, column)) chosen.push_back(column);
  }
  return chosen;
}

Status CheckType(const std::string& column, const std::string& type) {
  for (const char* known :
       {"int64", "float64", "float32", "string", "bool", "date", "timestamp", "category"}) {
    if (type == known) return Status();
  }
  return InvalidArgument("column \"" + column + "\": there is no type \"" + type +
                         "\". The types are int64, float64, float32, string, bool, date, "
                         "timestamp and category.");
}

}  // namespace ramet::reader
