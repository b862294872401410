// What a ReadOptions means for a file: its format and its columns. Needs no Arrow, so that every
// host reads the same and complains in the same words.
#pragma once

#include <string>
#include <vector>

#include "ramet/base/result.h"
#include "reader/reader.h"

namespace ramet::reader {

// "csv", "parquet" or "feather": options.format, or by the ending of the name.
Result<std::string> FormatOf(const std::string& file, const ReadOptions& options);

// Names of the columns to read out of those of a file: chosen and not dropped. An error names a
// column that is missing.
Result<std::vector<std::string>> ChooseColumns(const std::string& file,
                                               const std::vector<std::string>& names,
                                               const ReadOptions& options);

// An error unless there is a type of that name (see ReadOptions::types).
Status CheckType(const std::string& column, const std::string& type);

}  // namespace ramet::reader
