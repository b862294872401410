// Tables from files, for every verb: opened by the command's TableSource, read in batches or whole.
//
//   RAMET_ASSIGN(Input input, Input::Open(context, source, paths, options));
//   RAMET_ASSIGN(Table table, input.All(progress));
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/progress.h"
#include "ramet/model/model.h"

namespace ramet {

class Input {
 public:
  static Result<Input> Open(const Context& context, const TableSource& source,
                            const std::vector<std::string>& paths, const ReadOptions& options);

  const Schema& schema() const { return stream_.schema(); }
  // How messages call it: the file, or "a.csv … c.csv (3 files)".
  const std::string& name() const { return name_; }
  size_t num_files() const { return num_files_; }
  // Spent opening and reading so far.
  double seconds() const { return seconds_; }

  // The next rows, at least `rows` of them unless the table ends; nullopt at the end.
  Result<std::optional<Table>> Next(size_t rows);
  // All rows. Warns of columns whose numbers lose digits in float64.
  Result<Table> All(Progress& progress);
  // The error with the input's name before it, unless it is there already.
  Error Named(Error error) const;

 private:
  Input(const Context& context, TableStream stream, std::string name, size_t num_files,
        double seconds)
      : context_(context),
        stream_(std::move(stream)),
        name_(std::move(name)),
        num_files_(num_files),
        seconds_(seconds) {}

  Context context_;
  TableStream stream_;
  std::string name_;
  size_t num_files_;
  double seconds_;
};

// Seconds since construction.
class Stopwatch {
 public:
  double Seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

// True if a label column reads as classes: strings, booleans and dictionaries do; numbers do if all
// are whole and at most kMaxClassesByItself of them are distinct.
inline constexpr size_t kMaxClassesByItself = 100;
bool LooksLikeClasses(const Table& table, size_t column);

// Opens the files so that the columns in `text`, which hold text in the model or the training data,
// are read as text even where a CSV file's own values look like numbers. Types that the user gave
// stay.
Result<Input> OpenWithText(const Context& context, const TableSource& source,
                           const std::vector<std::string>& paths, ReadOptions options,
                           const std::vector<std::string>& text);

// True if some key is text.
bool HoldsText(const std::vector<CategoryKey>& keys);
// The model's features whose categories are text.
std::vector<std::string> TextFeatures(const Model& model);

}  // namespace ramet
