#include "cli/output.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "ramet/parallel/parallel.h"

namespace ramet {
namespace {

constexpr size_t kRowsPerPiece = 4096;
constexpr size_t kPiecesPerThread = 4;

std::string TemporaryName(const std::string& path) {
  return path + ".tmp" + std::to_string(getpid());
}

}  // namespace

Status CheckWritable(const std::string& path, const std::string& flag) {
  std::error_code ignored;
  if (path.empty()) return InvalidArgument(flag + ": the name is empty. Give a file's name.");
  if (std::filesystem::is_directory(path, ignored))
    return IoError(flag + " " + path + ": is a folder. Give the name of a file in it.");
  // A rename would replace a device as readily as a file.
  if (std::filesystem::exists(path, ignored) && !std::filesystem::is_regular_file(path, ignored))
    return IoError(flag + " " + path + ": is not an ordinary file. Choose another name.");
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  const std::string folder = parent.empty() ? "." : parent.string();
  if (!std::filesystem::is_directory(folder, ignored))
    return IoError(flag + " " + path + ": there is no folder \"" + folder +
                   "\". Make it first, or choose another name.");
  RAMET_ASSIGN([[maybe_unused]] AtomicFile probe, AtomicFile::Create(path));
  return {};
}

Result<AtomicFile> AtomicFile::Create(const std::string& path) {
  AtomicFile file(path, TemporaryName(path), -1);
  file.descriptor_ = open(file.temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file.descriptor_ < 0) return file.Failure("be made");
  return file;
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::move(other.temporary_)),
      descriptor_(std::exchange(other.descriptor_, -1)) {}

AtomicFile& AtomicFile::operator=(AtomicFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(temporary_, other.temporary_);
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  close(descriptor_);
  unlink(temporary_.c_str());
}

Error AtomicFile::Failure(const char* doing) const {
  return IoError(path_ + ": cannot " + doing + " (" + std::strerror(errno) +
                 "). Check the folder, its permissions and the free space; nothing was left.");
}

Status AtomicFile::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Failure("be written");
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return {};
}

Status AtomicFile::Commit() {
  if (fsync(descriptor_) != 0 || rename(temporary_.c_str(), path_.c_str()) != 0)
    return Failure("be written");
  close(std::exchange(descriptor_, -1));
  return {};
}

std::string CsvField(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string quoted = "\"";
  for (char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + "\"";
}

void AppendNumber(double value, std::string& text) {
  if (std::isnan(value)) return;
  char buffer[32];
  text.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
}

Status WriteCsvRows(const Context& context, size_t num_rows, const std::vector<CsvColumn>& columns,
                    const TextSink& sink) {
  const size_t rows_at_once =
      kRowsPerPiece * kPiecesPerThread * static_cast<size_t>(context.threads);
  std::vector<std::string> pieces(rows_at_once / kRowsPerPiece);
  for (size_t batch = 0; batch < num_rows; batch += rows_at_once) {
    const size_t batch_end = std::min(num_rows, batch + rows_at_once);
    RunOnThreads(context, [&] {
      ParallelFor(batch, batch_end, kRowsPerPiece, [&](size_t begin, size_t end) {
        std::string& text = pieces[(begin - batch) / kRowsPerPiece];
        text.clear();
        for (size_t row = begin; row < end; ++row)
          for (size_t i = 0; i < columns.size(); ++i) {
            columns[i](row, text);
            text += i + 1 == columns.size() ? '\n' : ',';
          }
      });
    });
    const size_t used = (batch_end - batch + kRowsPerPiece - 1) / kRowsPerPiece;
    for (size_t i = 0; i < used; ++i) RAMET_RETURN_IF_ERROR(sink(pieces[i]));
  }
  return {};
}

}  // namespace ramet
