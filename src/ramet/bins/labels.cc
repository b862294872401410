#include "ramet/bins/labels.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

namespace ramet {
namespace {

constexpr size_t kRowsPerBlock = 4096;

Error StoppedReading() { return CancelledError("stopped while reading labels and weights"); }

// Calls visit(row, value) for every row of a numeric column; stops at the first error.
template <class Visit>
Status VisitNumbers(const Context& context, const Table& table, size_t column, const Visit& visit) {
  std::vector<double> block(kRowsPerBlock);
  for (size_t c = 0; c < table.num_chunks(); ++c) {
    const ColumnView view = table.chunk(c).column(column);
    for (size_t begin = 0; begin < view.length(); begin += kRowsPerBlock) {
      const size_t end = std::min(view.length(), begin + kRowsPerBlock);
      if (context.Cancelled()) return StoppedReading();
      view.ReadNumbers(begin, end, block.data());
      for (size_t i = begin; i < end; ++i)
        RAMET_RETURN_IF_ERROR(visit(table.chunk_begin(c) + i, block[i - begin]));
    }
  }
  return {};
}

Result<std::vector<double>> ReadTargets(const Context& context, const Table& table, size_t column) {
  const Field& field = table.schema().fields[column];
  if (!IsNumeric(field.type))
    return DataError(Quoted(field.name) +
                     " holds strings, but regression needs numbers. Train a classification (--task "
                     "classification, "
                     "HistGradientBoostingClassifier), or take another label.");
  std::vector<double> targets(table.num_rows());
  RAMET_RETURN_IF_ERROR(
      VisitNumbers(context, table, column, [&](size_t row, double value) -> Status {
        if (!std::isfinite(value))
          return DataError(Quoted(field.name) + ", row " + std::to_string(row + 1) +
                           ": the label is " + (std::isnan(value) ? "missing" : "infinite") +
                           ". Remove such rows, or fill them in.");
        targets[row] = value;
        return {};
      }));
  return targets;
}

struct ClassLabels {
  std::vector<CategoryKey> classes;
  std::vector<double> labels;
};

// `known` are the classes of the training set when a validation set is read.
Result<ClassLabels> ReadClasses(const Context& context, const Table& table, size_t column,
                                const std::vector<CategoryKey>* known) {
  const std::string name = Quoted(table.schema().fields[column].name);
  std::unordered_map<CategoryKey, uint32_t> index;  // in order of appearance, until sorted below
  if (known != nullptr)
    for (const CategoryKey& key : *known) index.emplace(key, index.size());
  std::vector<double> labels(table.num_rows());
  std::vector<KeyView> block(kRowsPerBlock);
  for (size_t c = 0; c < table.num_chunks(); ++c) {
    const ColumnView view = table.chunk(c).column(column);
    for (size_t begin = 0; begin < view.length(); begin += kRowsPerBlock) {
      const size_t end = std::min(view.length(), begin + kRowsPerBlock);
      if (context.Cancelled()) return StoppedReading();
      if (Status status =
              view.ReadKeys(begin, end, block.data(), UnfitKeys::kRefuse, table.chunk_begin(c));
          !status.ok()) {
        Error error = status.TakeError();
        error.message = name + " is a label of classes: " + error.message;
        return error;
      }
      for (size_t i = begin; i < end; ++i) {
        const size_t row = table.chunk_begin(c) + i;
        if (block[i - begin].kind == KeyView::Kind::kMissing)
          return DataError(name + ", row " + std::to_string(row + 1) +
                           ": the label is missing. Remove such rows, or fill them in.");
        const CategoryKey key = block[i - begin].ToKey();
        const auto [entry, added] = index.emplace(key, index.size());
        if (added && known != nullptr)
          return DataError(name + ", row " + std::to_string(row + 1) + ": class \"" +
                           ToString(key) + "\" does not occur in the training data.");
        if (index.size() > kMaxClasses)
          return DataError(name + " has more than " + std::to_string(kMaxClasses) +
                           " classes. Is it a number to predict? Then train a regression (--task "
                           "regression, HistGradientBoostingRegressor).");
        labels[row] = entry->second;
      }
    }
  }
  if (known != nullptr) return ClassLabels{*known, std::move(labels)};
  std::vector<CategoryKey> classes(index.size());
  for (const auto& [key, appearance] : index) classes[appearance] = key;
  std::vector<uint32_t> order(classes.size()), rank(classes.size());
  for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return classes[a] < classes[b]; });
  for (uint32_t i = 0; i < order.size(); ++i) rank[order[i]] = i;
  for (double& label : labels) label = rank[static_cast<size_t>(label)];
  std::sort(classes.begin(), classes.end());
  return ClassLabels{std::move(classes), std::move(labels)};
}

}  // namespace

Result<std::vector<float>> ReadWeights(const Context& context, const Table& table,
                                       const Roles& roles) {
  if (!roles.weight) return std::vector<float>();
  const std::string name = Quoted(table.schema().fields[*roles.weight].name);
  std::vector<float> weights(table.num_rows());
  bool all_one = true;
  RAMET_RETURN_IF_ERROR(
      VisitNumbers(context, table, *roles.weight, [&](size_t row, double value) -> Status {
        const float weight = static_cast<float>(value);
        if (!(weight >= 0) || std::isinf(weight))
          return DataError(name + ", row " + std::to_string(row + 1) + ": weight " +
                           (std::isnan(value) ? "is missing" : std::to_string(value)) +
                           ". Weights must be finite numbers, zero or more.");
        weights[row] = weight;
        all_one &= weight == 1;
        return {};
      }));
  if (all_one) weights.clear();
  return weights;
}

Result<LabelledRows> ReadLabels(const Context& context, const Table& table, const Roles& roles,
                                const DataSpec& spec, const std::vector<CategoryKey>* known) {
  LabelledRows rows;
  RAMET_ASSIGN(rows.weights, ReadWeights(context, table, roles));
  if (spec.classification) {
    RAMET_ASSIGN(ClassLabels labels, ReadClasses(context, table, roles.label, known));
    rows.classes = std::move(labels.classes);
    rows.labels = std::move(labels.labels);
  } else if (!spec.class_weight.empty()) {
    return InvalidArgument(
        "class_weight is for classes, but numbers are to be predicted. Leave it out.");
  } else {
    RAMET_ASSIGN(rows.labels, ReadTargets(context, table, roles.label));
  }
  return rows;
}

}  // namespace ramet
