// Train: the loop over rounds, with early stopping, checkpoints, progress and cancellation.

#include <algorithm>
#include <chrono>
#include <cmath>

#include "ramet/base/fpu.h"
#include "ramet/boost/base_score.h"
#include "ramet/boost/boost.h"
#include "ramet/boost/constraints.h"
#include "ramet/boost/continue.h"
#include "ramet/boost/resolve.h"
#include "ramet/boost/trainer.h"
#include "ramet/boost/watch.h"
#include "ramet/collective/collective.h"
#include "ramet/parallel/parallel.h"

namespace ramet {
namespace {

double SecondsSince(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
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

// The loop's bookkeeping beside the trees.
struct Run {
  const Context& context;
  const Resolved& resolved;
  const TrainOptions& options;
  const Dataset& train;
  std::span<const EvalSet> eval_sets;
  HoldOut hold_out;
  std::chrono::steady_clock::time_point begin;

  const TrainParameters& parameters() const { return resolved.parameters; }
};

// Whether what was put together with other members is to be believed.
Status StatusOfMembers(const Context& context) {
  return context.collective == nullptr ? Status() : context.collective->status();
}

// Once members are lost, whatever else went wrong came of that; and who ends for another reason
// tells the others, who would wait for ever.
Error CauseOf(const Context& context, Status status) {
  Status of_members = StatusOfMembers(context);
  if (!of_members.ok()) return of_members.TakeError();
  if (context.collective != nullptr)
    context.collective->Fail(status.error(), static_cast<int>(context.collective->rank()));
  return status.TakeError();
}

Status SaveCheckpoint(const Run& run, const Model& model) {
  return run.options.checkpoint_path.empty() ? Status()
                                             : SaveModel(model, run.options.checkpoint_path);
}

// Measures on all sets after each round.
class Measurements {
 public:
  // Takes the curves of earlier rounds, or measures the scores before the first one.
  static Result<Measurements> Begin(const Run& run, const Trainer& trainer, const ScoreKind& kind) {
    Measurements measurements(run);
    const Measuring& measuring = run.resolved.measuring;
    const DataRole role =
        run.eval_sets.empty() ? DataRole::kTraining : DataRole::kTrainingWithEvalSets;
    for (size_t i = 0; i < run.eval_sets.size(); ++i)
      RAMET_RETURN_IF_ERROR(
          measurements.Add(*run.eval_sets[i].data,
                           WatchesOn(run.context, *run.eval_sets[i].data, DataRole::kEvalSet,
                                     run.eval_sets[i].name, run.hold_out, measuring, kind),
                           trainer.eval_scores(i)));
    RAMET_RETURN_IF_ERROR(measurements.Add(
        run.train,
        WatchesOn(run.context, run.train, role, kTrainingSet, run.hold_out, measuring, kind),
        trainer.train_scores()));
    return measurements;
  }

  Status Measure(TrainResult& result) {
    const auto begin = std::chrono::steady_clock::now();
    size_t curve = 0;
    for (size_t i = 0; i < watches_.size(); ++i) {
      RAMET_ASSIGN(const std::vector<double> values,
                   watches_[i].Compute(run_.context, run_.resolved.measuring.metrics, scores_[i]));
      for (double value : values) result.curves[curve++].values.push_back(value);
    }
    result.steps.metric += SecondsSince(begin);
    return {};
  }

  std::vector<Curve> TakeCurves() { return std::move(curves_); }

 private:
  explicit Measurements(const Run& run) : run_(run) {}

  Status Add(const Dataset& data, std::vector<Watch> watches, std::span<const double> scores) {
    const std::span<const struct Measure> metrics = run_.resolved.measuring.metrics;
    const TrainResult* resume = run_.options.resume;
    const bool first = resume == nullptr && run_.options.initial_model == nullptr;
    std::vector<std::vector<double>> initial_curves = data.initial_curves;
    if (resume == nullptr && !first && initial_curves.empty() && !watches.empty()) {
      RAMET_ASSIGN(initial_curves,
                   CurvesOnBins(run_.context, *run_.options.initial_model, data, watches, metrics));
    }
    size_t curve = 0;
    for (Watch& watch : watches) {
      std::vector<double> now;
      if (first) {
        RAMET_ASSIGN(now, watch.Compute(run_.context, metrics, scores));
      }
      for (size_t m = 0; m < metrics.size(); ++m, ++curve) {
        curves_.push_back({watch.set(), metrics[m].name, metrics[m].higher_is_better, {}});
        if (resume != nullptr) {
          if (curves_.size() > resume->curves.size())
            return InvalidArgument("the rounds to go on from were measured otherwise.");
          curves_.back().values = resume->curves[curves_.size() - 1].values;
        } else if (first) {
          curves_.back().values.push_back(now[m]);
        } else if (curve < initial_curves.size()) {
          curves_.back().values = initial_curves[curve];
        } else {
          return InvalidArgument(
              "to continue from a model, make the data sets with the same "
              "metrics as training.");
        }
      }
      watches_.push_back(std::move(watch));
      scores_.push_back(scores);
    }
    return {};
  }

  const Run& run_;
  std::vector<Watch> watches_;
  std::vector<std::span<const double>> scores_;  // of each watch
  std::vector<Curve> curves_;
};

Result<double> LearningRateOf(const Run& run, size_t round) {
  if (!run.options.learning_rate) return run.parameters().learning_rate;
  RAMET_ASSIGN(double rate, run.options.learning_rate(round));
  rate = AllGather<double>(run.context, std::span<const double>(&rate, 1))[0];
  if (!std::isfinite(rate))
    return InvalidArgument("the learning rate of round " + std::to_string(round) +
                           " is not finite.");
  return rate;
}

// Asks whoever watches; all members stop where one wants to.
Result<bool> ShallStop(const Run& run, size_t round, double learning_rate,
                       const TrainResult& result) {
  if (!run.options.on_round) return false;
  RAMET_ASSIGN(const bool stop,
               run.options.on_round({round + 1, static_cast<size_t>(run.parameters().max_iter),
                                     SecondsSince(run.begin), learning_rate, result.validates,
                                     result.curves, &result.model}));
  char any = stop;
  AllReduce(run.context, any, [](char& into, char from) { into |= from; });
  return any != 0;
}

// One round with all that belongs to it: trees in the model's categories, measured. Whole or not at
// all.
Status WholeRound(const Run& run, size_t round, double learning_rate, Trainer& trainer,
                  Measurements& measurements, TrainResult& result) {
  const size_t trees_before = result.model.trees.size();
  const size_t rounds = static_cast<size_t>(run.parameters().max_iter);
  Status status = trainer.Round(round, round + 1 == rounds, learning_rate);
  if (status.ok()) status = measurements.Measure(result);
  if (status.ok()) status = StatusOfMembers(run.context);
  if (!status.ok()) {
    result.model.trees.resize(trees_before);
    for (Curve& curve : result.curves) curve.values.resize(round + 1);
    return status;
  }
  // Trees are grown over the data's own categories.
  const std::vector<ModelFeature> data_features = FeaturesOf(run.train.mapper);
  for (size_t t = trees_before; t < result.model.trees.size(); ++t)
    TranslateCategories(data_features, result.model.features, result.model.trees[t]);
  return {};
}

Status Loop(const Run& run, Trainer& trainer, Measurements& measurements, TrainResult& result) {
  const size_t rounds = static_cast<size_t>(run.parameters().max_iter);
  const size_t patience = static_cast<size_t>(run.parameters().n_iter_no_change);
  const bool may_stop = run.resolved.stops_early && result.validates;
  for (size_t round = result.model.num_rounds(); round < rounds; ++round) {
    result.stopped_early = may_stop && ShouldStop(result.curves[0], run.parameters().tol, patience);
    if (result.stopped_early) break;
    if (run.context.Cancelled()) return CancelledError("training was stopped");
    RAMET_ASSIGN(const double learning_rate, LearningRateOf(run, round + 1));
    RAMET_RETURN_IF_ERROR(WholeRound(run, round, learning_rate, trainer, measurements, result));
    if ((round + 1) % std::max<size_t>(1, run.options.checkpoint_every) == 0)
      RAMET_RETURN_IF_ERROR(SaveCheckpoint(run, result.model));
    RAMET_ASSIGN(result.stopped, ShallStop(run, round, learning_rate, result));
    if (result.stopped) break;
  }
  if (may_stop && !result.stopped_early)
    result.stopped_early = ShouldStop(result.curves[0], run.parameters().tol, patience);
  return {};
}

// Base scores, those and the trees of the initial model, or the rounds so far.
Result<Model> FirstModel(const Run& run, const RowSelection& rows) {
  if (run.options.resume != nullptr) return run.options.resume->model;
  Model model = StartModel(run.parameters(), *run.resolved.loss, run.train);
  const Model* initial = run.options.initial_model;
  if (initial == nullptr) {
    model.base_scores =
        BaseScores(run.context, *run.resolved.loss, {run.parameters().quantile}, run.train, rows);
    return model;
  }
  RAMET_RETURN_IF_ERROR(CheckInitialModel(*initial, run.train, *run.resolved.loss));
  const auto has_own_scores = [&](const Dataset& data) {
    return data.initial_scores.size() == initial->num_outputs() * data.num_rows;
  };
  const bool has_scores =
      has_own_scores(run.train) &&
      std::all_of(run.eval_sets.begin(), run.eval_sets.end(),
                  [&](const EvalSet& set) { return has_own_scores(*set.data); });
  if (!has_scores)
    return InvalidArgument("to continue from a model, make the data sets with ContinueFrom().");
  if (initial->num_rounds() > static_cast<size_t>(run.parameters().max_iter))
    return InvalidArgument("the initial model has " + std::to_string(initial->num_rounds()) +
                           " rounds already; max_iter is " +
                           std::to_string(run.parameters().max_iter) + " and counts them too.");
  MergeCategories(*initial, model);
  model.base_scores = initial->base_scores;
  model.trees = initial->trees;
  for (Tree& tree : model.trees) TranslateCategories(initial->features, model.features, tree);
  return model;
}

Status CheckAllLabels(const Context& context, const Loss& loss, const Dataset& train,
                      std::span<const EvalSet> eval_sets) {
  RAMET_RETURN_IF_ERROR(
      CheckLabels(context, loss, train.ids, train.labels, train.weights, LabelUse::kTraining));
  for (const EvalSet& set : eval_sets) {
    const Status status = CheckLabels(context, loss, set.data->ids, set.data->labels,
                                      set.data->weights, LabelUse::kEvaluation);
    if (!status.ok())
      return DataError("evaluation set \"" + set.name + "\": " + status.error().message);
  }
  return {};
}

// Rows that are trained on.
Result<RowSelection> RowsToTrainOn(const Run& run) {
  const std::vector<float>& weights = run.train.weights;
  if (!run.hold_out.enabled()) return TrainingRows(run.train.ids, weights, run.hold_out);
  const std::vector<uint32_t> held_out = HeldOutRows(run.train.ids, run.hold_out).rows;
  char any = std::any_of(held_out.begin(), held_out.end(),
                         [&](uint32_t row) { return weights.empty() || weights[row] != 0; });
  AllReduce(run.context, any, [](char& into, char from) { into |= from; });
  if (any == 0)
    return DataError(
        "no row was held out for early stopping: the table is too small. Give a validation set, "
        "raise validation_fraction, or set early_stopping to false.");
  RowSelection rows = TrainingRows(run.train.ids, weights, run.hold_out);
  if (CountOfMembers(run.context, run.train.ids, rows) == 0)
    return DataError(
        "all rows were held out for early stopping: none is left to train on. Give a validation "
        "set, lower validation_fraction, or set early_stopping to false.");
  return rows;
}

// `begun`: whether `result` holds rounds that may be gone on from.
Status TrainOnThreads(const Run& run, TrainResult& result, bool& begun) {
  RAMET_ASSIGN(const RowSelection rows, RowsToTrainOn(run));
  RAMET_ASSIGN(result.model, FirstModel(run, rows));
  result.validates = !run.eval_sets.empty() || run.hold_out.enabled();
  Model& model = result.model;
  std::vector<const Dataset*> eval_data;
  for (const EvalSet& set : run.eval_sets) eval_data.push_back(set.data);
  Trainer trainer(run.context, run.parameters(), *run.resolved.loss, run.train, eval_data,
                  run.hold_out, model, run.options.gradients, run.resolved.constraints);
  if (run.options.resume != nullptr) {
    const Model* initial = run.options.initial_model;
    RAMET_RETURN_IF_ERROR(trainer.Replay(initial == nullptr ? 0 : initial->trees.size()));
  }
  RAMET_ASSIGN(Measurements measurements,
               Measurements::Begin(run, trainer, KindOf(run.resolved, model.num_outputs())));
  result.curves = measurements.TakeCurves();
  RAMET_RETURN_IF_ERROR(trainer.ComputeGradients());
  RAMET_RETURN_IF_ERROR(StatusOfMembers(run.context));
  begun = true;
  Status status = Loop(run, trainer, measurements, result);

  if (!status.ok() && status.error().code == ErrorCode::kCancelled)
    RAMET_RETURN_IF_ERROR(SaveCheckpoint(run, model));
  result.best_round = result.validates ? BestRound(result.curves[0]) : model.num_rounds();
  if (status.ok() && run.resolved.stops_early && run.parameters().keep_best && result.validates)
    model.trees.resize(result.best_round * model.num_outputs());
  const double metric_seconds = result.steps.metric;
  result.steps = trainer.steps();
  result.steps.metric = metric_seconds;
  result.seconds = SecondsSince(run.begin);
  return status;
}

}  // namespace

BinningParameters BinningOf(const TrainParameters& parameters) {
  BinningParameters binning;
  binning.max_bins = static_cast<int>(parameters.max_bins);
  binning.seed = static_cast<uint64_t>(parameters.random_state);
  return binning;
}

Result<TrainResult> Train(const Context& context, const TrainParameters& parameters,
                          const Dataset& train, std::span<const EvalSet> eval_sets,
                          const TrainOptions& options) {
  const auto begin = std::chrono::steady_clock::now();
  RAMET_ASSIGN(Resolved resolved,
               Resolve(parameters, train, options.measuring, options.gradients != nullptr));
  RAMET_RETURN_IF_ERROR(
      ResolveTexts(train, resolved));  // the same on all members, as the one before
  Status status = CheckAllLabels(context, *resolved.loss, train, eval_sets);
  if (!status.ok()) return CauseOf(context, std::move(status));
  const Run run{context, resolved,  options,
                train,   eval_sets, HoldOut(parameters, resolved.stops_early && eval_sets.empty()),
                begin};
  TrainResult result;
  bool begun = false;
  RunOnThreads(context, [&] { status = TrainOnThreads(run, result, begun); });
  if (status.ok()) return result;
  if (!begun && options.resume != nullptr) result = *options.resume;
  if (!begun && options.resume == nullptr) result.model.trees.clear();
  if (options.rounds_so_far != nullptr) *options.rounds_so_far = std::move(result);
  return CauseOf(context, std::move(status));
}

}  // namespace ramet
