// Files that a verb writes: whole or not at all (C2).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "ramet/base/result.h"
#include "ramet/parallel/context.h"

namespace ramet {

// An error unless a file can be made at `path`: its folder exists and is writable, and `path` is
// not itself a folder. Called before long work. `flag` is the option that named it.
Status CheckWritable(const std::string& path, const std::string& flag);

// A file that is written from front to back and appears under its name by Commit(); without
// Commit() it leaves nothing.
class AtomicFile {
 public:
  static Result<AtomicFile> Create(const std::string& path);
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&& other) noexcept;
  ~AtomicFile();

  Status Write(std::string_view bytes);
  Status Commit();

 private:
  AtomicFile(std::string path, std::string temporary, int descriptor)
      : path_(std::move(path)), temporary_(std::move(temporary)), descriptor_(descriptor) {}
  Error Failure(const char* doing) const;

  std::string path_, temporary_;
  int descriptor_ = -1;
};

// Where lines of text go: a file or standard output.
using TextSink = std::function<Status(std::string_view)>;

// One column of a CSV file, as a function that appends the text of row i.
using CsvColumn = std::function<void(size_t row, std::string& text)>;
// A field as CSV spells it: in quotes where it holds a comma, a quote or a line break.
std::string CsvField(std::string_view text);
// Appends the shortest text that reads back as `value`; nothing for NaN.
void AppendNumber(double value, std::string& text);

// Formats rows on all threads and hands them over in order.
Status WriteCsvRows(const Context& context, size_t num_rows, const std::vector<CsvColumn>& columns,
                    const TextSink& sink);

}  // namespace ramet
