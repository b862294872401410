// ramet evaluate: how good a model is on labelled tables.
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "cli/input.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/text.h"
#include "cli/verbs.h"
#include "ramet/boost/evaluation.h"
#include "ramet/metric/metric.h"
#include "ramet/predict/predict.h"

namespace ramet {
namespace {

constexpr const char* kHelp =
    "Example\n"
    "  ramet evaluate late.ramet test.parquet\n"
    "\n"
    "Prints every metric that applies to the model: logloss, auc, accuracy and average precision\n"
    "of classes; rmse, mae and r2 of numbers, deviances of positive ones, and the pinball loss of\n"
    "a quantile.";

constexpr size_t kRowsPerBlock = 4096;

struct EvaluateFlags {
  std::string model;
  std::vector<std::string> files;
  std::string label, weight;
  ReaderFlags reader;
  RunFlags run;
};

Error RowError(const Table& table, size_t column, size_t row, const std::string& what) {
  return DataError("row " + Thousands(row + 1) + ", column \"" +
                   table.schema().fields[column].name + "\": " + what);
}

// Calls visit(row, value) for each row of a column of numbers.
Status VisitNumbers(const Table& table, size_t column, const std::string& role,
                    const std::function<Status(size_t, double)>& visit) {
  const Field& field = table.schema().fields[column];
  if (!IsNumeric(field.type))
    return DataError("column \"" + field.name + "\" holds text, but the " + role +
                     " must be numbers. Name another column with --" + role + ".");
  double block[kRowsPerBlock];
  for (size_t c = 0; c < table.num_chunks(); ++c) {
    const ColumnView view = table.chunk(c).column(column);
    for (size_t begin = 0; begin < view.length(); begin += kRowsPerBlock) {
      const size_t end = std::min(view.length(), begin + kRowsPerBlock);
      view.ReadNumbers(begin, end, block);
      for (size_t i = begin; i < end; ++i)
        RAMET_RETURN_IF_ERROR(visit(table.chunk_begin(c) + i, block[i - begin]));
    }
  }
  return {};
}

Result<std::vector<double>> ReadTargets(const Table& table, size_t column) {
  std::vector<double> targets(table.num_rows());
  RAMET_RETURN_IF_ERROR(
      VisitNumbers(table, column, "label", [&](size_t row, double value) -> Status {
        if (!std::isfinite(value))
          return RowError(table, column, row,
                          std::string("the label is ") +
                              (std::isnan(value) ? "missing" : "infinite") +
                              ". Remove such rows, or fill them in.");
        targets[row] = value;
        return {};
      }));
  return targets;
}

Result<std::vector<float>> ReadWeights(const Table& table, size_t column) {
  std::vector<float> weights(table.num_rows());
  double sum = 0;
  RAMET_RETURN_IF_ERROR(
      VisitNumbers(table, column, "weight", [&](size_t row, double value) -> Status {
        weights[row] = static_cast<float>(value);
        if (!(weights[row] >= 0) || !std::isfinite(weights[row]))
          return RowError(table, column, row,
                          "weight " + (std::isnan(value) ? "is missing" : Shortest(value)) +
                              ". Weights must be finite numbers, zero or more.");
        sum += weights[row];
        return {};
      }));
  if (sum == 0)
    return DataError("column \"" + table.schema().fields[column].name +
                     "\": all weights are zero, so there is nothing to measure.");
  return weights;
}

// Each row's index among the model's classes.
Result<std::vector<double>> ReadClasses(const Table& table, size_t column,
                                        const std::vector<CategoryKey>& classes) {
  std::unordered_map<CategoryKey, size_t> index;
  for (const CategoryKey& key : classes) index.emplace(key, index.size());
  std::vector<double> labels(table.num_rows());
  std::vector<KeyView> block(kRowsPerBlock);
  for (size_t c = 0; c < table.num_chunks(); ++c) {
    const ColumnView view = table.chunk(c).column(column);
    for (size_t begin = 0; begin < view.length(); begin += kRowsPerBlock) {
      const size_t end = std::min(view.length(), begin + kRowsPerBlock);
      RAMET_RETURN_IF_ERROR(
          view.ReadKeys(begin, end, block.data(), UnfitKeys::kRefuse, table.chunk_begin(c)));
      for (size_t i = begin; i < end; ++i) {
        const KeyView& key = block[i - begin];
        const size_t row = table.chunk_begin(c) + i;
        if (key.kind == KeyView::Kind::kMissing)
          return RowError(table, column, row,
                          "the label is missing. Remove such rows, or fill them in.");
        const auto entry = index.find(key.ToKey());
        if (entry == index.end())
          return RowError(table, column, row,
                          "class \"" + ToString(key.ToKey()) +
                              "\" is unknown to the model. Remove such rows, or train on it.");
        labels[row] = static_cast<double>(entry->second);
      }
    }
  }
  return labels;
}

struct Labelled {
  std::vector<double> labels;
  std::vector<float> weights;  // empty: all 1
};

Result<Labelled> ReadLabels(const Model& model, const Table& table, const std::string& label,
                            const std::string& weight) {
  Labelled rows;
  RAMET_ASSIGN(const size_t column, table.schema().Require(label));
  if (model.classes.empty()) {
    RAMET_ASSIGN(rows.labels, ReadTargets(table, column));
  } else {
    RAMET_ASSIGN(rows.labels, ReadClasses(table, column, model.classes));
  }
  if (!weight.empty()) {
    RAMET_ASSIGN(const size_t weight_column, table.schema().Require(weight));
    RAMET_ASSIGN(rows.weights, ReadWeights(table, weight_column));
  }
  return rows;
}

struct Measured {
  std::string_view name;
  double value;
};

Result<std::vector<Measured>> Measure(const Context& context, const Model& model,
                                      const Table& table, const Labelled& rows) {
  const Predictor predictor(model);
  RAMET_ASSIGN(const Buffer<double> scores, predictor.RawScores(context, table));
  RAMET_ASSIGN(const Evaluation evaluation,
               EvaluationOf(model, scores.span(), rows.labels, rows.weights));
  std::vector<Measured> measured;
  for (const Metric& metric : AllMetrics()) {
    if (metric.classification == model.classes.empty()) continue;
    // Of a quantile that only this loss has.
    if (metric.name == "mean_pinball_loss" && model.loss != "quantile") continue;
    // NaN: undefined here (AUC of one class, a deviance of negative numbers).
    const double value = metric.compute(context, evaluation);
    if (!std::isnan(value)) measured.push_back({metric.name, value});
  }
  return measured;
}

Status RunEvaluate(const EvaluateFlags& flags, const Session& session) {
  RAMET_ASSIGN(const Context context, flags.run.ToContext(session.console));
  RAMET_ASSIGN(ReadOptions read, flags.reader.ToReadOptions());
  RAMET_ASSIGN(const Model model, LoadModel(flags.model));
  const std::string label = flags.label.empty() ? model.label_name : flags.label;
  if (label.empty())
    return InvalidArgument(flags.model + " does not name its label. Name it with --label.");
  Progress progress(session.console, flags.run.quiet);
  progress.Stage("evaluating " + Count(model.num_rounds(), "round"));
  read.columns = model.feature_names;
  read.columns.push_back(label);
  if (!flags.weight.empty()) read.columns.push_back(flags.weight);
  std::vector<std::string> text = TextFeatures(model);
  if (HoldsText(model.classes)) text.push_back(label);
  RAMET_ASSIGN(Input input, OpenWithText(context, session.source, flags.files, read, text));
  RAMET_ASSIGN(const Table table, input.All(progress));
  const auto rows = ReadLabels(model, table, label, flags.weight);
  if (!rows.ok()) return input.Named(rows.error());
  const auto measured = Measure(context, model, table, *rows);
  if (!measured.ok()) return input.Named(measured.error());
  progress.EndLine();
  if (flags.run.json) {
    nlohmann::ordered_json metrics = nlohmann::ordered_json::object();
    for (const Measured& metric : *measured) metrics[std::string(metric.name)] = metric.value;
    const nlohmann::ordered_json json = {
        {"rows", table.num_rows()}, {"digest", Digest(model)}, {"metrics", metrics}};
    session.console.out << json.dump() << "\n";
    return {};
  }
  std::vector<std::vector<std::string>> cells = {{"rows", Thousands(table.num_rows())}};
  for (const Measured& metric : *measured)
    cells.push_back({std::string(metric.name), Significant(metric.value)});
  session.console.out << AlignedTable(cells, {1});
  return {};
}

}  // namespace

void AddEvaluate(CLI::App& app, Session& session) {
  CLI::App* verb = app.add_subcommand("evaluate", "Measure a model on labelled tables");
  verb->footer(kHelp);
  auto flags = std::make_shared<EvaluateFlags>();
  verb->add_option("MODEL", flags->model, "A model's file")->required();
  verb->add_option("FILES", flags->files, "Parquet, CSV or Feather files, globs or folders")
      ->required();
  verb->add_option("--label", flags->label, "The label's column; left out, as in training")
      ->type_name("COLUMN");
  verb->add_option("--weight", flags->weight, "The column of row weights")->type_name("COLUMN");
  flags->reader.AddTo(*verb);
  flags->run.AddTo(*verb);
  verb->callback([flags, &session] {
    session.run = [flags, &session] { return RunEvaluate(*flags, session); };
  });
}

}  // namespace ramet
