// Train: the loop over rounds, with early stopping, checkpoints, progress and cancellation.

#include <algorithm>
#include <chrono>
#include <optional>

#include "ramet/base/fpu.h"
#include "ramet/boost/base_score.h"
#include "ramet/boost/boost.h"
#include "ramet/boost/trainer.h"
#include "ramet/boost/watch.h"
#include "ramet/parallel/parallel.h"
#include "ramet/predict/predict.h"

namespace ramet {
namespace {

double SecondsSince(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

Result<const Loss*> ResolveLoss(const TrainParameters& parameters, const Dataset& train) {
  std::string name = parameters.loss;
  if (name == "auto")
    name = train.classes.empty()       ? "squared_error"
           : train.classes.size() == 2 ? "logistic"
                                       : "softmax";
  RAMET_ASSIGN(const Loss* loss, FindLoss(name));
  if (loss->classification == train.classes.empty())
    return InvalidArgument(
        "loss " + name + " is for " + (loss->classification ? "classes" : "numbers") +
        ", but the label was read as " + (loss->classification ? "numbers" : "classes") + ".");
  if (loss->num_outputs(train.classes.size()) == 0)
    return InvalidArgument("loss " + name + " does not fit a label of " +
                           std::to_string(train.classes.size()) + " classes. Use loss auto.");
  return loss;
}

Result<const Metric*> ResolveMetric(const TrainParameters& parameters, const Loss& loss) {
  RAMET_ASSIGN(const Metric* metric,
               FindMetric(parameters.metric == "auto" ? loss.default_metric : parameters.metric));
  if (metric->classification != loss.classification)
    return InvalidArgument("metric " + std::string(metric->name) + " does not fit loss " +
                           std::string(loss.name) + ".");
  return metric;
}

std::vector<ModelFeature> FeaturesOf(const BinMapper& mapper) {
  std::vector<ModelFeature> features;
  for (const FeatureBins& bins : mapper.features)
    features.push_back({bins.kind, bins.categories, bins.folded});
  return features;
}

Model StartModel(const TrainParameters& parameters, const Loss& loss, const Dataset& train) {
  Model model;
  model.loss = loss.name;
  model.parameters = ToText(parameters);
  model.features = FeaturesOf(train.mapper);
  model.classes = train.classes;
  model.feature_names = train.feature_names;
  model.feature_types = train.feature_types;
  model.label_name = train.label_name;
  return model;
}

// An old model's category sets, over the categories of the new features: keys that the old model
// did not know go where unknown keys went.
void TranslateCategories(const std::vector<ModelFeature>& from, const std::vector<ModelFeature>& to,
                         Tree& tree) {
  for (Node& node : tree.nodes) {
    if (node.category_set < 0) continue;
    const ModelFeature& old_feature = from[static_cast<size_t>(node.feature)];
    const ModelFeature& new_feature = to[static_cast<size_t>(node.feature)];
    if (old_feature.categories == new_feature.categories) continue;
    CategorySet& set = tree.category_sets[static_cast<size_t>(node.category_set)];
    CategorySet translated;
    translated.others_left = set.others_left;
    translated.bits.assign((new_feature.categories.size() + 63) / 64, 0);
    for (size_t i = 0; i < new_feature.categories.size(); ++i) {
      const auto found = std::lower_bound(old_feature.categories.begin(),
                                          old_feature.categories.end(), new_feature.categories[i]);
      const bool known =
          found != old_feature.categories.end() && *found == new_feature.categories[i];
      const bool left =
          known ? set.Contains(static_cast<size_t>(found - old_feature.categories.begin()))
                : set.others_left;
      if (left) translated.bits[i / 64] |= uint64_t{1} << (i % 64);
    }
    set = std::move(translated);
  }
}

// The union of an old model's categories and the new data's, which the continued model lists.
void MergeCategories(const Model& initial, Model& model) {
  for (size_t f = 0; f < model.features.size(); ++f) {
    std::vector<CategoryKey>& categories = model.features[f].categories;
    categories.insert(categories.end(), initial.features[f].categories.begin(),
                      initial.features[f].categories.end());
    std::sort(categories.begin(), categories.end());
    categories.erase(std::unique(categories.begin(), categories.end()), categories.end());
    model.features[f].folded |= initial.features[f].folded;
  }
}

Status CheckInitialModel(const Model& initial, const Dataset& data, const Loss& loss) {
  const std::string refused = "the initial model does not fit the data: ";
  if (initial.loss != loss.name)
    return InvalidArgument(refused + "its loss is " + initial.loss + ", not " +
                           std::string(loss.name) + ".");
  if (initial.classes != data.classes) return DataError(refused + "its classes are others.");
  if (initial.feature_names != data.feature_names)
    return DataError(refused + "it was trained on other features, or in another order.");
  for (size_t f = 0; f < data.mapper.features.size(); ++f)
    if (initial.features[f].kind != data.mapper.features[f].kind)
      return DataError(refused + "feature \"" + data.feature_names[f] +
                       "\" is numeric in one and categorical in the other.");
  return {};
}

// The loop's bookkeeping beside the trees.
struct Run {
  const Context& context;
  const TrainParameters& parameters;
  const TrainOptions& options;
  const Dataset& train;
  const Dataset* validation;
  const Loss& loss;
  const Metric& metric;
  std::chrono::steady_clock::time_point begin;
};

Status SaveCheckpoint(const Run& run, const Model& model) {
  return run.options.checkpoint_path.empty() ? Status()
                                             : SaveModel(model, run.options.checkpoint_path);
}

Status Loop(const Run& run, Trainer& trainer, Watch* watch, Model& model, TrainResult& result) {
  const size_t rounds = static_cast<size_t>(run.parameters.max_iter);
  EarlyStopping stopping(run.metric, run.parameters.tol,
                         static_cast<size_t>(run.parameters.n_iter_no_change));
  const std::span<const double> watched =
      run.validation != nullptr ? trainer.validation_scores() : trainer.train_scores();
  const std::vector<double>& history =
      run.validation != nullptr ? run.validation->initial_history : run.train.initial_history;
  if (watch != nullptr) {
    result.validation_history = history;
    for (double value : history) stopping.Add(value);
  }
  for (size_t round = model.num_rounds(); round < rounds; ++round) {
    result.stopped_early =
        run.parameters.early_stopping && watch != nullptr && round > 0 && stopping.ShouldStop();
    if (result.stopped_early) break;
    Status status = run.context.Cancelled() ? Status(CancelledError("training was stopped"))
                                            : trainer.Round(round, round + 1 == rounds);
    if (!status.ok()) {
      if (status.error().code == ErrorCode::kCancelled)
        RAMET_RETURN_IF_ERROR(SaveCheckpoint(run, model));
      return status.TakeError();
    }
    RoundReport report{
        round + 1, rounds, SecondsSince(run.begin), watch != nullptr, std::string(run.metric.name),
        0};
    if (watch != nullptr) {
      const auto begin = std::chrono::steady_clock::now();
      report.validation_metric = watch->Compute(run.context, watched);
      result.steps.metric += SecondsSince(begin);
      result.validation_history.push_back(report.validation_metric);
      stopping.Add(report.validation_metric);
    }
    if ((round + 1) % std::max<size_t>(1, run.options.checkpoint_every) == 0)
      RAMET_RETURN_IF_ERROR(SaveCheckpoint(run, model));
    if (run.options.on_round) run.options.on_round(report);
  }
  result.best_round = model.num_rounds();
  if (run.parameters.early_stopping && watch != nullptr) {
    if (!result.stopped_early) result.stopped_early = stopping.ShouldStop();
    result.best_round = stopping.best_round();
    model.trees.resize(result.best_round * model.num_outputs());
  }
  return {};
}

Result<TrainResult> TrainOnThreads(const Run& run) {
  TrainResult result;
  const bool holds_out = run.parameters.early_stopping && run.validation == nullptr;
  const HoldOut hold_out(run.parameters, holds_out);
  const std::vector<uint32_t> held_out = HeldOutRows(run.train.num_rows, hold_out);
  const std::vector<float>& weights = run.train.weights;
  if (holds_out && std::none_of(held_out.begin(), held_out.end(),
                                [&](uint32_t row) { return weights.empty() || weights[row] != 0; }))
    return DataError(
        "no row was held out for early stopping: the table is too small. Give a validation set, or "
        "raise "
        "validation_fraction.");
  const std::vector<uint32_t> rows = TrainingRows(run.train.num_rows, weights, hold_out);
  // Empty means all rows, which cannot be where some are held out.
  if (holds_out && rows.empty())
    return DataError(
        "all rows were held out for early stopping: none is left to train on. Give a validation "
        "set, or lower "
        "validation_fraction.");

  Model& model = result.model;
  model = StartModel(run.parameters, run.loss, run.train);
  if (const Model* initial = run.options.initial_model; initial != nullptr) {
    RAMET_RETURN_IF_ERROR(CheckInitialModel(*initial, run.train, run.loss));
    if (run.train.initial_scores.empty() ||
        (run.validation != nullptr && run.validation->initial_scores.empty()))
      return InvalidArgument("to continue from a model, make the data sets with ContinueFrom().");
    if (initial->num_rounds() > static_cast<size_t>(run.parameters.max_iter))
      return InvalidArgument("the initial model has " + std::to_string(initial->num_rounds()) +
                             " rounds already; max_iter is " +
                             std::to_string(run.parameters.max_iter) + " and counts them too.");
    MergeCategories(*initial, model);
    model.base_scores = initial->base_scores;
    model.trees = initial->trees;
    for (Tree& tree : model.trees) TranslateCategories(initial->features, model.features, tree);
  } else {
    model.base_scores = BaseScores(run.loss, run.train, rows);
  }
  Trainer trainer(run.context, run.parameters, run.loss, run.train, run.validation, hold_out,
                  model);
  std::optional<Watch> watch;
  if (run.validation != nullptr)
    watch.emplace(*run.validation, std::span<const uint32_t>(), run.metric, model.num_outputs());
  else if (holds_out)
    watch.emplace(run.train, held_out, run.metric, model.num_outputs());
  RAMET_RETURN_IF_ERROR(trainer.ComputeGradients());
  const size_t initial_trees = model.trees.size();
  RAMET_RETURN_IF_ERROR(Loop(run, trainer, watch ? &*watch : nullptr, model, result));
  // New trees were grown over the data's own categories.
  const std::vector<ModelFeature> data_features = FeaturesOf(run.train.mapper);
  for (size_t t = initial_trees; t < model.trees.size(); ++t)
    TranslateCategories(data_features, model.features, model.trees[t]);
  result.metric_name = run.metric.name;
  const double metric_seconds = result.steps.metric;
  result.steps = trainer.steps();
  result.steps.metric = metric_seconds;
  result.seconds = SecondsSince(run.begin);
  return result;
}

}  // namespace

BinningParameters BinningOf(const TrainParameters& parameters) {
  BinningParameters binning;
  binning.max_bins = static_cast<int>(parameters.max_bins);
  binning.seed = static_cast<uint64_t>(parameters.random_state);
  return binning;
}

BeforeBinning ContinueFrom(const Context& context, const TrainParameters& parameters,
                           const Model& initial_model, bool validation) {
  return [&context, parameters, &initial_model, validation](const Table& table,
                                                            Dataset& data) -> Status {
    RAMET_ASSIGN(const Loss* loss, ResolveLoss(parameters, data));
    RAMET_RETURN_IF_ERROR(CheckInitialModel(initial_model, data, *loss));
    RAMET_ASSIGN(const Metric* metric, ResolveMetric(parameters, *loss));
    const Predictor predictor(initial_model);
    const size_t outputs = initial_model.num_outputs();
    const auto transpose = [&](const Buffer<double>& row_major) {
      std::vector<double> scores(row_major.size());
      for (size_t row = 0; row < data.num_rows; ++row)
        for (size_t k = 0; k < outputs; ++k)
          scores[k * data.num_rows + row] = row_major[row * outputs + k];
      return scores;
    };
    RAMET_ASSIGN(const Buffer<double> scores, predictor.RawScores(context, table));
    data.initial_scores = transpose(scores);
    const HoldOut hold_out(parameters, parameters.early_stopping && !validation);
    if (!validation && !hold_out.enabled()) return {};
    Watch watch(data, HeldOutRows(data.num_rows, hold_out), *metric, outputs);
    return predictor.StagedRawScores(context, table, [&](size_t, const Buffer<double>& staged) {
      data.initial_history.push_back(watch.Compute(context, transpose(staged)));
    });
  };
}

Result<TrainResult> Train(const Context& context, const TrainParameters& parameters,
                          const Dataset& train, const Dataset* validation,
                          const TrainOptions& options) {
  const auto begin = std::chrono::steady_clock::now();
  RAMET_RETURN_IF_ERROR(Validate(parameters));
  RAMET_ASSIGN(const Loss* loss, ResolveLoss(parameters, train));
  RAMET_ASSIGN(const Metric* metric, ResolveMetric(parameters, *loss));
  const Run run{context, parameters, options, train, validation, *loss, *metric, begin};
  std::optional<Result<TrainResult>> result;
  RunOnThreads(context, [&] { result.emplace(TrainOnThreads(run)); });
  return *std::move(result);
}

}  // namespace ramet
