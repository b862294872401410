#include "cli/input.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "cli/text.h"

namespace ramet {
namespace {

constexpr size_t kRowsPerBlock = 4096;

std::string NameOf(const std::vector<std::string>& files) {
  if (files.size() == 1) return files[0];
  return files.front() + " … " + files.back() + " (" + Thousands(files.size()) + " files)";
}

bool IsTime(ValueType type) {
  return type == ValueType::kDate || type == ValueType::kTime || type == ValueType::kTimestamp ||
         type == ValueType::kDuration;
}

}  // namespace

Result<Input> Input::Open(const Context& context, const TableSource& source,
                          const std::vector<std::string>& paths, const ReadOptions& options) {
  const Stopwatch watch;
  RAMET_ASSIGN(const std::vector<std::string> files, source.list_files(paths));
  if (files.empty())
    return IoError(Join(paths, ", ") + ": there is no file to read. Check the name.");
  RAMET_ASSIGN(TableStream stream, source.open_files(context, files, options));
  return Input(context, std::move(stream), NameOf(files), files.size(), watch.Seconds());
}

Result<std::optional<Table>> Input::Next(size_t rows) {
  const Stopwatch watch;
  std::vector<Chunk> chunks;
  for (size_t read = 0; read < rows;) {
    if (context_.Cancelled()) return CancelledError("stopped while reading " + name_ + ".");
    RAMET_ASSIGN(std::optional<Chunk> chunk, stream_.Next());
    if (!chunk) break;
    read += chunk->num_rows();
    if (chunk->num_rows() > 0) chunks.push_back(std::move(*chunk));
  }
  seconds_ += watch.Seconds();
  if (chunks.empty()) return std::optional<Table>();
  return std::optional<Table>(Table(stream_.shared_schema(), std::move(chunks)));
}

Result<Table> Input::All(Progress& progress) {
  RAMET_ASSIGN(std::optional<Table> table, Next(static_cast<size_t>(-1)));
  if (!table)
    return DataError(name_ + ": there are no rows. Give a file with data below its header.");
  const Schema& schema = table->schema();
  for (size_t i = 0; i < schema.fields.size(); ++i)
    for (size_t c = 0; c < table->num_chunks(); ++c)
      if (table->chunk(c).column(i).LosesDigits()) {
        progress.Warn(name_ + ": column \"" + schema.fields[i].name +
                      "\" has numbers above 2^53, which lose digits as float64. If it is an "
                      "identifier, drop it (--drop) or read it as categories (--categorical).");
        break;
      }
  return std::move(*table);
}

Error Input::Named(Error error) const {
  if (error.code != ErrorCode::kCancelled && error.message.find(name_) == std::string::npos)
    error.message = name_ + ": " + error.message;
  return error;
}

bool LooksLikeClasses(const Table& table, size_t column) {
  const Field& field = table.schema().fields[column];
  if (field.dictionary || field.type == ValueType::kString || field.type == ValueType::kBool)
    return true;
  if (IsTime(field.type)) return false;
  std::set<double> distinct;
  std::vector<double> block(kRowsPerBlock);
  double last = kMissing;
  for (size_t c = 0; c < table.num_chunks(); ++c) {
    const ColumnView view = table.chunk(c).column(column);
    for (size_t begin = 0; begin < view.length(); begin += kRowsPerBlock) {
      const size_t end = std::min(view.length(), begin + kRowsPerBlock);
      view.ReadNumbers(begin, end, block.data());
      for (size_t i = 0; i < end - begin; ++i) {
        const double value = block[i];
        if (std::isnan(value) || value == last) continue;
        if (std::trunc(value) != value || std::isinf(value)) return false;
        distinct.insert(last = value);
        if (distinct.size() > kMaxClassesByItself) return false;
      }
    }
  }
  return true;
}

Result<Input> OpenWithText(const Context& context, const TableSource& source,
                           const std::vector<std::string>& paths, ReadOptions options,
                           const std::vector<std::string>& text) {
  RAMET_ASSIGN(Input input, Input::Open(context, source, paths, options));
  std::set<std::string> typed;
  for (const auto& [column, type] : options.types) typed.insert(column);
  const size_t given = options.types.size();
  for (const std::string& name : text) {
    const std::optional<size_t> column = input.schema().Find(name);
    if (!column || !typed.insert(name).second) continue;
    const ValueType type = input.schema().fields[*column].type;
    if (type != ValueType::kString && type != ValueType::kNull)
      options.types.emplace_back(name, "string");
  }
  if (options.types.size() == given) return input;
  return Input::Open(context, source, paths, options);
}

bool HoldsText(const std::vector<CategoryKey>& keys) {
  return std::any_of(keys.begin(), keys.end(), [](const CategoryKey& key) {
    return std::holds_alternative<std::string>(key);
  });
}

std::vector<std::string> TextFeatures(const Model& model) {
  std::vector<std::string> names;
  for (size_t i = 0; i < model.features.size(); ++i)
    if (HoldsText(model.features[i].categories)) names.push_back(model.feature_names[i]);
  return names;
}

}  // namespace ramet
