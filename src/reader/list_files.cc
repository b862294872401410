#include <glob.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "reader/reader.h"

namespace ramet {
namespace {

namespace fs = std::filesystem;

bool Hidden(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.empty() || name[0] == '.' || name[0] == '_';
}

Result<std::vector<std::string>> FilesBelow(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code error;
  fs::recursive_directory_iterator entry(folder, error);
  while (!error && entry != fs::recursive_directory_iterator()) {
    if (Hidden(entry->path())) {
      entry.disable_recursion_pending();
    } else if (entry->is_regular_file(error)) {
      files.push_back(entry->path().string());
    }
    if (!error) entry.increment(error);
  }
  if (error) {
    return IoError(folder + ": the folder cannot be read: " + error.message() +
                   ". Check its permissions.");
  }
  if (files.empty()) return IoError(folder + ": the folder holds no files.");
  std::sort(files.begin(), files.end());  // std::string compares bytes
  return files;
}

// Of a folder that a pattern leads to: whether that ends the search. One that is not there holds
// nothing.
int IsFatal(const char*, int error) { return error != ENOENT && error != ENOTDIR; }

Result<std::vector<std::string>> FilesOfGlob(const std::string& pattern) {
  glob_t found = {};
  const int code = ::glob(pattern.c_str(), GLOB_NOSORT, IsFatal, &found);
  std::vector<std::string> files(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  if (code == GLOB_ABORTED) {
    return IoError(pattern + ": a folder of this pattern cannot be read. Check its permissions.");
  }
  std::erase_if(files, [](const std::string& file) { return fs::is_directory(file); });
  if (files.empty()) return IoError(pattern + ": no file matches this pattern.");
  std::sort(files.begin(), files.end());
  return files;
}

Result<std::vector<std::string>> Expand(const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (fs::is_directory(status)) return FilesBelow(path);
  if (fs::exists(status)) return std::vector<std::string>{path};
  if (status.type() == fs::file_type::none) {
    return IoError(path + ": cannot be looked at: " + error.message() + ". Check its permissions.");
  }
  if (path.find_first_of("*?[") != std::string::npos) return FilesOfGlob(path);
  return IoError(path + ": there is no such file.");
}

}  // namespace

Result<std::vector<std::string>> ListFiles(std::span<const std::string> paths) {
  if (paths.empty()) return InvalidArgument("no input files were given.");
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    RAMET_ASSIGN(std::vector<std::string> expanded, Expand(path));
    files.insert(files.end(), expanded.begin(), expanded.end());
  }
  return files;
}

}  // namespace ramet
