// Files as one table: CSV, Parquet and Feather (Arrow IPC), read with Arrow C++.
//
//   paths, globs, folders ──ListFiles──► files, in order ──OpenFiles──► TableStream
//
//   RAMET_ASSIGN(std::vector<std::string> files, ListFiles(paths));
//   RAMET_ASSIGN(TableStream stream, OpenFiles(context, files, {.drop = {"id"}}));
//
// Invariants
//   F1. Rows come in the order of the files, and within a file as they stand there.
//   F2. The types of CSV columns are a function of all values of all files: int64 if all are
//   integers, else float64, else
//       bool (true, false), else date or timestamp (ISO 8601) or time, else string; all missing:
//       null. Never of a first block or file.
//   F3. All files have the same columns by name (their order is that of the first file). Numbers of
//   different width are
//       read as the wider type: other differences are errors that name file and column.
//   F4. An error names the file, and for CSV the row (data rows count from 1) and the column.
//
// CSV: first line is the header; UTF-8; quotes are doubled within quotes; lines may end within
// quotes; empty lines are skipped; files that end in .gz (also .bz2, .zst, .lz4) are unpacked while
// they are read.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ramet/base/result.h"
#include "ramet/parallel/context.h"
#include "ramet/table/table.h"

namespace ramet {

// What CSV columns of every type read as missing, quoted or not, besides `ReadOptions::missing`.
inline constexpr std::string_view kMissingSpellings[] = {
    "", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "-NaN", "-nan", "null", "NULL", "None"};

struct ReadOptions {
  std::vector<std::string> columns = {};  // to read, in this order; empty: all
  std::vector<std::string> drop = {};     // not to read
  // column -> int64, float64, float32, string, bool, date, timestamp, or category (the column's own
  // type, marked as categorical)
  std::vector<std::pair<std::string, std::string>> types = {};
  std::vector<std::string> missing = {};  // more spellings of missing values in CSV
  char delimiter = ',';                   // of CSV
  std::string format = {};  // "csv", "parquet", "feather"; empty: from the names of the files
};

// Files keep the order given; globs and folders (with what is below them) stand for their files in
// byte order of the path (design rule 1). Names that begin with "." or "_" are left out of folders.
// An error where a path is not there, a glob or folder has no file, or a folder cannot be read.
Result<std::vector<std::string>> ListFiles(std::span<const std::string> paths);

// All files as one stream of chunks. CSV files are read once if they fit a quarter of the memory
// that this process may use, else twice.
Result<TableStream> OpenFiles(const Context& context, std::span<const std::string> files,
                              const ReadOptions& options);

// (library, version) of what reads the files.
std::vector<std::pair<std::string, std::string>> ReaderLibraries();

}  // namespace ramet
