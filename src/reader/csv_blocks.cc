#include "reader/csv_blocks.h"

#include <arrow/csv/chunker.h>
#include <arrow/csv/parser.h>
#include <arrow/io/compressed.h>
#include <arrow/io/file.h>
#include <arrow/util/compression.h>

#include <cstring>
#include <string_view>
#include <utility>

namespace ramet::reader {
namespace {

std::string_view Text(const arrow::Buffer& buffer) {
  return {reinterpret_cast<const char*>(buffer.data()), static_cast<size_t>(buffer.size())};
}

Result<std::shared_ptr<arrow::io::InputStream>> OpenStream(const std::string& file) {
  RAMET_ARROW(std::shared_ptr<arrow::io::InputStream> raw, file,
              arrow::io::ReadableFile::Open(file));
  static constexpr std::pair<std::string_view, arrow::Compression::type> kPacked[] = {
      {".gz", arrow::Compression::GZIP},
      {".bz2", arrow::Compression::BZ2},
      {".zst", arrow::Compression::ZSTD},
      {".lz4", arrow::Compression::LZ4_FRAME}};
  for (const auto& [ending, type] : kPacked) {
    if (!file.ends_with(ending)) continue;
    RAMET_ARROW(std::shared_ptr<arrow::util::Codec> codec, file, arrow::util::Codec::Create(type));
    RAMET_ARROW(std::shared_ptr<arrow::io::CompressedInputStream> unpacked, file,
                arrow::io::CompressedInputStream::Make(codec.get(), raw));
    // The stream uses the codec without owning it.
    struct Both {
      std::shared_ptr<arrow::util::Codec> codec;
      std::shared_ptr<arrow::io::CompressedInputStream> stream;
    };
    auto both = std::make_shared<Both>(Both{std::move(codec), std::move(unpacked)});
    return std::shared_ptr<arrow::io::InputStream>(both, both->stream.get());
  }
  return raw;
}

}  // namespace

Result<CsvBlocks> CsvBlocks::Open(const std::string& file,
                                  const arrow::csv::ParseOptions& options) {
  CsvBlocks blocks;
  blocks.file_ = file;
  blocks.options_ = options;
  RAMET_ASSIGN(blocks.stream_, OpenStream(file));
  blocks.left_ = std::make_shared<arrow::Buffer>("");
  RAMET_RETURN_IF_ERROR(blocks.ReadHeader());
  return blocks;
}

Status CsvBlocks::Fill(int64_t bytes) {
  RAMET_ARROW(std::shared_ptr<arrow::ResizableBuffer> buffer, file_,
              arrow::AllocateResizableBuffer(left_->size() + bytes));
  if (left_->size() > 0) {
    std::memcpy(buffer->mutable_data(), left_->data(), static_cast<size_t>(left_->size()));
  }
  RAMET_ARROW(const int64_t read, file_,
              stream_->Read(bytes, buffer->mutable_data() + left_->size()));
  ended_ = read == 0;
  if (const auto status = buffer->Resize(left_->size() + read, false); !status.ok()) {
    return FileError(file_, status);
  }
  left_ = std::move(buffer);
  return Status();
}

Result<std::shared_ptr<arrow::Buffer>> CsvBlocks::Cut() {
  if (ended_) return std::exchange(left_, std::make_shared<arrow::Buffer>(""));
  arrow::csv::ParseOptions options = options_;
  // Rows end at line ends, unless quotes are about: then their text must be followed.
  options.newlines_in_values = Text(*left_).find(options.quote_char) != std::string_view::npos;
  std::shared_ptr<arrow::Buffer> whole, partial;
  const auto status = arrow::csv::MakeChunker(options)->Process(left_, &whole, &partial);
  if (!status.ok()) return FileError(file_, status);
  left_ = std::move(partial);
  return whole;
}

Result<std::shared_ptr<arrow::Buffer>> CsvBlocks::Next() {
  for (int64_t bytes = kBlockBytes;; bytes *= 2) {
    if (!ended_) RAMET_RETURN_IF_ERROR(Fill(bytes));
    RAMET_ASSIGN(std::shared_ptr<arrow::Buffer> rows, Cut());
    if (rows->size() > 0) return rows;
    if (ended_) return std::shared_ptr<arrow::Buffer>();
  }
}

Status CsvBlocks::ReadHeader() {
  uint32_t used = 0;
  arrow::csv::BlockParser parser(options_, -1, 0, 1);
  for (int64_t bytes = 1 << 16; parser.num_rows() == 0; bytes *= 2) {
    RAMET_RETURN_IF_ERROR(Fill(bytes));
    std::string_view text = Text(*left_);
    if (text.starts_with("\xef\xbb\xbf")) {  // the byte order mark that some programs write
      left_ = arrow::SliceBuffer(left_, 3);
      text = Text(*left_);
    }
    if (ended_ && text.find_first_not_of("\r\n") == std::string_view::npos) {
      return DataError(file_ +
                       ": the file is empty. It needs a first line with the names of the columns.");
    }
    const auto status = ended_ ? parser.ParseFinal(text, &used) : parser.Parse(text, &used);
    // Before the end, a failure says that the line is not whole yet.
    if (ended_ && !status.ok()) return FileError(file_, status);
  }
  const auto status = parser.VisitLastRow([&](const uint8_t* data, uint32_t size, bool, bool) {
    header_.emplace_back(reinterpret_cast<const char*>(data), size);
    return arrow::Status::OK();
  });
  if (!status.ok()) return FileError(file_, status);
  left_ = arrow::SliceBuffer(left_, used);
  ended_ = false;  // what is left over is still to be handed out
  return Status();
}

}  // namespace ramet::reader
