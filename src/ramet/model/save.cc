#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <random>
#include <utility>

#include "ramet/model/format.h"

namespace ramet {
namespace {

// What to do about a failed file operation.
const char* Advice(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return "The disk is full: free some space, or choose another folder.";
    case EFBIG:
      return "The file would exceed the limit on file sizes: raise it (ulimit -f), or choose "
             "another folder.";
    case EACCES:
    case EPERM:
      return "Permission is missing: change the file's or the folder's, or choose another folder.";
    case EROFS:
      return "The file system is read-only: choose another folder.";
    case ENOENT:
      return "The file or its folder does not exist: check the path, or make the folder first.";
    case ENOTDIR:
      return "A part of the path is a file, not a folder: check the path.";
    case EISDIR:
      return "It is a folder: give the path of a file.";
    case ENAMETOOLONG:
      return "The name is too long: choose a shorter one.";
    default:
      return "Check the path and the disk.";
  }
}

Error FileError(const std::string& path, const char* action, int error) {
  return IoError(path + ": cannot " + action + ": " + std::strerror(error) + ". " + Advice(error));
}

// An open file; closed at the end.
class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&&) = delete;
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  bool ok() const { return fd_ >= 0; }
  // 0 or the error: some file systems report a failed write only now.
  int Close() { return ::close(std::exchange(fd_, -1)) == 0 ? 0 : errno; }

 private:
  int fd_;
};

int OpenRetrying(const char* path, int flags, mode_t mode = 0) {
  int fd;
  do {
    fd = ::open(path, flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

// The folder of `path`, with its slash; "./" for a bare name.
std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "./" : path.substr(0, slash + 1);
}

// Where to write: a symbolic link is followed, so that the file that it names is replaced and not
// the link. What is there already must be a regular file: a rename would silently put one in the
// place of /dev/null.
Result<std::string> ResolveTarget(const std::string& path) {
  if (path.empty()) return InvalidArgument("the path of the file to write is empty. Give one.");
  if (path.back() == '/') return FileError(path, "write", EISDIR);
  struct stat info;
  if (::stat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return path;
    return FileError(path, "write", errno);
  }
  if (S_ISDIR(info.st_mode)) return FileError(path, "write", EISDIR);
  if (!S_ISREG(info.st_mode)) {
    return IoError(path + ": cannot write: it is a device or a pipe. Give the path of a file.");
  }
  char resolved[PATH_MAX];
  if (::realpath(path.c_str(), resolved) == nullptr) return FileError(path, "write", errno);
  return std::string(resolved);
}

struct TemporaryFile {
  std::string path;
  FileDescriptor file;
};

// A new file in `folder` that nobody else has. Its name does not grow with the target's.
Result<TemporaryFile> MakeTemporaryFile(const std::string& folder, const std::string& target) {
  std::random_device random;
  for (;;) {
    std::string path =
        folder + ".ramet-" + std::to_string(random()) + "-" + std::to_string(random()) + ".tmp";
    FileDescriptor file(OpenRetrying(path.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0666));
    if (file.ok()) return TemporaryFile{std::move(path), std::move(file)};
    if (errno != EEXIST) return FileError(target, "write", errno);
  }
}

// 0 or the error.
int WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return 0;
}

int Sync(int fd) {
  int result;
  do {
    result = ::fsync(fd);
  } while (result != 0 && errno == EINTR);
  return result == 0 ? 0 : errno;
}

// Makes the rename itself durable. File systems that cannot sync a folder (EINVAL) are left alone.
int SyncFolder(const std::string& folder) {
  const FileDescriptor directory(OpenRetrying(folder.c_str(), O_RDONLY | O_DIRECTORY));
  if (!directory.ok())
    return errno == EACCES ? 0 : errno;  // a folder may be writable, not readable
  const int error = Sync(directory.get());
  return error == EINVAL || error == ENOTSUP ? 0 : error;
}

// Reads on to the end, from wherever the file is (a pipe too). The header is judged as soon as it
// is there, so that a huge file of another kind is refused after its first bytes.
Result<std::string> ReadWholeModelFile(int fd, const std::string& path) {
  constexpr size_t kPiece = size_t{1} << 20;
  std::string bytes;
  bool header_seen = false;
  for (;;) {
    const size_t size = bytes.size();
    bytes.resize(size + kPiece);
    const ssize_t got = ::read(fd, bytes.data() + size, kPiece);
    const int error = errno;
    bytes.resize(size + (got > 0 ? static_cast<size_t>(got) : 0));
    if (got < 0 && error == EINTR) continue;
    if (got < 0) return FileError(path, "read", error);
    if (!header_seen && (got == 0 || bytes.size() >= kHeaderBytes)) {
      const Result<FileHeader> header = ParseHeader(bytes);
      if (!header.ok()) return DataError(path + ": " + header.error().message);
      header_seen = true;
    }
    if (bytes.size() > kMaxFileBytes) {
      return DataError(path + ": larger than any model may be (" + std::to_string(kMaxFileBytes) +
                       " bytes). Give a file that `ramet train` wrote.");
    }
    if (got == 0) return bytes;
  }
}

}  // namespace

Status WriteFileAtomically(const std::string& path, std::string_view bytes) {
  RAMET_ASSIGN(const std::string target, ResolveTarget(path));
  const std::string folder = FolderOf(target);
  RAMET_ASSIGN(TemporaryFile temporary, MakeTemporaryFile(folder, path));
  int error = WriteAll(temporary.file.get(), bytes);
  if (error == 0) error = Sync(temporary.file.get());
  const int close_error = temporary.file.Close();
  if (error == 0) error = close_error;
  if (error == 0 && ::rename(temporary.path.c_str(), target.c_str()) != 0) error = errno;
  if (error != 0) {
    ::unlink(temporary.path.c_str());
    return FileError(path, "write", error);
  }
  error = SyncFolder(folder);
  return error == 0 ? Status() : FileError(path, "make sure of the written file", error);
}

Status SaveModel(const Model& model, const std::string& path) {
  if (Status status = Validate(model); !status.ok()) {
    return DataError(path + ": the model cannot be saved: " + status.error().message);
  }
  const std::string bytes = Serialize(model);
  if (bytes.size() > kMaxFileBytes) {
    return DataError(path + ": the model cannot be saved: it would take " +
                     std::to_string(bytes.size()) + " bytes, more than the " +
                     std::to_string(kMaxFileBytes) + " that a model may have. Train fewer trees.");
  }
  return WriteFileAtomically(path, bytes);
}

Result<Model> LoadModel(const std::string& path) {
  const FileDescriptor file(OpenRetrying(path.c_str(), O_RDONLY));
  if (!file.ok()) return FileError(path, "read", errno);
  RAMET_ASSIGN(const std::string bytes, ReadWholeModelFile(file.get(), path));
  Result<Model> model = Deserialize(bytes);
  if (!model.ok()) return DataError(path + ": " + model.error().message);
  return model;
}

}  // namespace ramet
