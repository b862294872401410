#include "ramet/bins/dataset.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <unordered_set>

#include "ramet/bins/class_weight.h"
#include "ramet/parallel/parallel.h"

namespace ramet {
namespace {

constexpr size_t kRowsPerBlock = 4096;

std::string Quoted(const std::string& name) { return "column \"" + name + "\""; }

struct Roles {
  std::vector<size_t> features;
  std::vector<FeatureKind> kinds;
  size_t label = 0;
  std::optional<size_t> weight;
};

Result<std::vector<size_t>> FeatureColumns(const Schema& schema, const DataSpec& spec,
                                           const Roles& roles) {
  std::vector<size_t> features;
  if (spec.features.empty()) {
    for (size_t i = 0; i < schema.fields.size(); ++i)
      if (i != roles.label && roles.weight != i) features.push_back(i);
  }
  std::unordered_set<size_t> seen;
  for (const std::string& name : spec.features) {
    RAMET_ASSIGN(const size_t column, schema.Require(name));
    if (!seen.insert(column).second)
      return InvalidArgument(Quoted(name) + " is listed twice among the features.");
    if (column == roles.label)
      return InvalidArgument(
          Quoted(name) + " is the label and cannot be a feature too. Remove it from one of them.");
    if (roles.weight == column)
      return InvalidArgument(
          Quoted(name) + " is the weight and cannot be a feature too. Remove it from one of them.");
    features.push_back(column);
  }
  if (features.empty())
    return InvalidArgument("no features are left to train on. Drop fewer columns.");
  if (features.size() > kMaxTrainingFeatures)
    return DataError("the table has " + std::to_string(features.size()) + " features; at most " +
                     std::to_string(kMaxTrainingFeatures) + " can be trained on. Drop some.");
  return features;
}

Result<Roles> FindRoles(const Schema& schema, const DataSpec& spec) {
  Roles roles;
  RAMET_ASSIGN(roles.label, schema.Require(spec.label));
  if (!spec.weight.empty()) {
    RAMET_ASSIGN(roles.weight, schema.Require(spec.weight));
    if (*roles.weight == roles.label)
      return InvalidArgument(Quoted(spec.label) + " is both label and weight.");
    if (!IsNumeric(schema.fields[*roles.weight].type))
      return DataError(Quoted(spec.weight) + " holds strings; weights are numbers.");
  }
  RAMET_ASSIGN(roles.features, FeatureColumns(schema, spec, roles));
  const auto among = [&](const std::vector<std::string>& names, size_t column) {
    return std::find(names.begin(), names.end(), schema.fields[column].name) != names.end();
  };
  for (const auto* names : {&spec.categorical, &spec.numeric}) {
    for (const std::string& name : *names) {
      RAMET_ASSIGN(const size_t column, schema.Require(name));
      if (std::find(roles.features.begin(), roles.features.end(), column) == roles.features.end())
        return InvalidArgument(Quoted(name) +
                               " is declared categorical or numeric, but is not a feature.");
    }
  }
  for (size_t column : roles.features) {
    const Field& field = schema.fields[column];
    const bool categorical =
        among(spec.categorical, column) ||
        ((field.dictionary || !IsNumeric(field.type)) && !among(spec.numeric, column));
    if (categorical && among(spec.numeric, column))
      return InvalidArgument(Quoted(field.name) + " is declared both categorical and numeric.");
    roles.kinds.push_back(categorical ? FeatureKind::kCategorical : FeatureKind::kNumeric);
  }
  return roles;
}

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

Result<std::vector<float>> ReadWeights(const Context& context, const Table& table, size_t column) {
  const std::string name = Quoted(table.schema().fields[column].name);
  std::vector<float> weights(table.num_rows());
  bool all_one = true, any = false;
  RAMET_RETURN_IF_ERROR(
      VisitNumbers(context, table, column, [&](size_t row, double value) -> Status {
        const float weight = static_cast<float>(value);
        if (!(weight >= 0) || std::isinf(weight))
          return DataError(name + ", row " + std::to_string(row + 1) + ": weight " +
                           (std::isnan(value) ? "is missing" : std::to_string(value)) +
                           ". Weights must be finite numbers, zero or more.");
        weights[row] = weight;
        all_one &= weight == 1;
        any |= weight > 0;
        return {};
      }));
  if (!any) return DataError(name + ": all weights are zero, so there is nothing to learn from.");
  if (all_one) weights.clear();
  return weights;
}

Result<std::vector<double>> ReadTargets(const Context& context, const Table& table, size_t column) {
  const Field& field = table.schema().fields[column];
  if (!IsNumeric(field.type))
    return DataError(Quoted(field.name) +
                     " holds strings, but regression needs numbers. Use --task classification, or "
                     "another label.");
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
      if (Status status = view.ReadKeys(begin, end, block.data()); !status.ok()) {
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
                           " classes. Is it a number to predict? Then use --task regression.");
        labels[row] = entry->second;
      }
    }
  }
  if (known != nullptr) return ClassLabels{*known, std::move(labels)};
  if (index.size() < 2)
    return DataError(name + " has only one class" +
                     (index.empty() ? "" : ", \"" + ToString(index.begin()->first) + "\"") +
                     ". A classifier needs at least two.");
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

// Sets the labels, and for classes all that belongs to them.
Status ReadLabels(const Context& context, const Table& table, size_t column, const DataSpec& spec,
                  const Dataset* reference, Dataset& dataset) {
  if (!spec.classification) {
    if (!spec.class_weight.empty())
      return InvalidArgument(
          "class_weight is for classes, but numbers are to be predicted. Leave it out.");
    RAMET_ASSIGN(dataset.labels, ReadTargets(context, table, column));
    return {};
  }
  RAMET_ASSIGN(
      ClassLabels labels,
      ReadClasses(context, table, column, reference == nullptr ? nullptr : &reference->classes));
  dataset.classes = std::move(labels.classes);
  dataset.labels = std::move(labels.labels);
  if (reference != nullptr) {
    dataset.class_factors = reference->class_factors;
  } else if (!spec.class_weight.empty()) {
    RAMET_ASSIGN(dataset.class_factors,
                 ClassFactors(spec.class_weight, dataset.classes, dataset.labels));
  }
  if (dataset.class_factors.empty()) return {};
  return MultiplyByClass(dataset.class_factors, dataset.labels, dataset.weights);
}

}  // namespace

Result<Dataset> MakeDataset(const Context& context, Table table, const DataSpec& spec,
                            const BinningParameters& parameters, const Dataset* reference,
                            const BeforeBinning& before_binning) {
  if (table.num_rows() == 0) return DataError("the table has no rows.");
  if (table.num_rows() > kMaxRows)
    return DataError("the table has " + std::to_string(table.num_rows()) +
                     " rows; one process handles up to " + std::to_string(kMaxRows) + ".");
  DataSpec full_spec = spec;
  if (reference != nullptr) full_spec.features = reference->feature_names;
  RAMET_ASSIGN(const Roles roles, FindRoles(table.schema(), full_spec));

  Dataset dataset;
  dataset.num_rows = table.num_rows();
  dataset.ids = RowIds(dataset.num_rows);
  dataset.label_name = spec.label;
  for (size_t column : roles.features) {
    dataset.feature_names.push_back(table.schema().fields[column].name);
    dataset.feature_types.push_back(table.schema().fields[column].format);
  }
  if (roles.weight) {
    RAMET_ASSIGN(dataset.weights, ReadWeights(context, table, *roles.weight));
  }
  RAMET_RETURN_IF_ERROR(ReadLabels(context, table, roles.label, spec, reference, dataset));
  if (reference != nullptr) {
    dataset.mapper = reference->mapper;
  } else {
    RAMET_ASSIGN(dataset.mapper, FindBins(context, table, roles.features, roles.kinds,
                                          dataset.weights, parameters));
  }
  if (before_binning) RAMET_RETURN_IF_ERROR(before_binning(table, dataset));
  RAMET_ASSIGN(dataset.bins,
               ApplyBins(context, dataset.mapper, table, roles.features, /*release=*/true));
  return dataset;
}

}  // namespace ramet
