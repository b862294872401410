// The text of a CSV file in blocks of whole rows; private to this folder.
#pragma once

#include <arrow/buffer.h>
#include <arrow/csv/options.h>
#include <arrow/io/interfaces.h>

#include <memory>
#include <string>
#include <vector>

#include "reader/source.h"

namespace ramet::reader {

class CsvBlocks {
 public:
  // Opens the file (unpacking it, if its name ends in .gz, .bz2, .zst or .lz4) and reads its
  // header.
  static Result<CsvBlocks> Open(const std::string& file, const arrow::csv::ParseOptions& options);

  const std::string& file() const { return file_; }
  const std::vector<std::string>& header() const { return header_; }

  // The next whole rows, about kBlockBytes of them; nullptr at the end.
  Result<std::shared_ptr<arrow::Buffer>> Next();

 private:
  static constexpr int64_t kBlockBytes = int64_t{4} << 20;

  // Appends up to `bytes` of the file to what is left over.
  Status Fill(int64_t bytes);
  // Takes the whole rows of what is left over; nullptr if there is none yet.
  Result<std::shared_ptr<arrow::Buffer>> Cut();
  Status ReadHeader();

  std::string file_;
  arrow::csv::ParseOptions options_;
  std::shared_ptr<arrow::io::InputStream> stream_;
  std::shared_ptr<arrow::Buffer> left_;
  bool ended_ = false;
  std::vector<std::string> header_;
};

}  // namespace ramet::reader
