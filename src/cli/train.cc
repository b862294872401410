// ramet train: tables in, a model out.
//
//   files ─► Table ─► Dataset ─► Train ─► model file + summary
#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>

#include "cli/cluster.h"
#include "cli/input.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/text.h"
#include "cli/train_summary.h"
#include "cli/verbs.h"
#include "ramet/boost/boost.h"
#include "ramet/loss/loss.h"

namespace ramet {
namespace {

constexpr const char* kHelp =
    "Example\n"
    "  ramet train flights/*.parquet --label late --out late.ramet --max-iter 200\n"
    "\n"
    "Trains gradient-boosted trees on the rows of all files, in order, and writes the model.";

constexpr const char* kTaskHelp =
    "classification, regression or auto: a label of text, true/false, or at most 100 distinct "
    "whole numbers is of classes, any other is a number to predict";

struct TrainFlags {
  std::vector<std::string> files, features, drop, categorical, numeric, valid;
  std::string label, weight, task = "auto", out, init_model, resume, checkpoint;
  size_t checkpoint_every = 10;
  bool no_speculation = false;
  ReaderFlags reader;
  RunFlags run;
  ParameterFlags parameters;
  ClusterFlags cluster;
};

// What is settled before any row is read.
struct Plan {
  Context context;
  ReadOptions read;
  TrainParameters parameters;
  std::optional<Model> initial;
};

Status CheckColumnFlags(const TrainFlags& flags) {
  RAMET_RETURN_IF_ERROR(RequireDistinct(flags.features, "--features"));
  RAMET_RETURN_IF_ERROR(RequireDistinct(flags.drop, "--drop"));
  const auto has = [](const std::vector<std::string>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  for (const auto& [name, role] : {std::pair(flags.label, "label"), {flags.weight, "weight"}}) {
    const std::string what = "column \"" + name + "\" is the " + role;
    if (has(flags.features, name))
      return InvalidArgument("--features: " + what + " and cannot be a feature too. Leave it out.");
    if (has(flags.drop, name))
      return InvalidArgument("--drop: " + what + " and is needed. Leave it out.");
  }
  for (const std::string& name : flags.drop)
    if (has(flags.features, name))
      return InvalidArgument("--drop: column \"" + name +
                             "\" is among --features too. Leave it out of one.");
  return {};
}

// A resumed run has the checkpoint's parameters; only their number of rounds may be raised.
Status ApplyOverCheckpoint(const std::vector<std::pair<std::string, std::string>>& given,
                           const Model& checkpoint, const std::string& path,
                           TrainParameters& parameters) {
  for (const auto& [name, text] : checkpoint.parameters)
    RAMET_RETURN_IF_ERROR(SetParameter(parameters, name, text));
  const TrainParameters kept = parameters;
  RAMET_RETURN_IF_ERROR(Apply(given, parameters));
  for (const auto& [name, text] : given) {
    const std::string before = GetParameter(kept, name), after = GetParameter(parameters, name);
    // "auto" names what the checkpoint has already settled.
    if (name == "max_iter" || before == after || after == "auto") continue;
    return InvalidArgument("--resume " + path + ": it was trained with " + name + " = " + before +
                           ", not " + after +
                           ". Leave the parameter out to go on, or start anew without --resume "
                           "(or from it with --init-model).");
  }
  return {};
}

Result<Plan> MakePlan(const TrainFlags& flags, const Console& console) {
  Plan plan;
  RAMET_ASSIGN(plan.context, flags.run.ToContext(console));
  plan.context.speculate = !flags.no_speculation;
  RAMET_RETURN_IF_ERROR(CheckColumnFlags(flags));
  RAMET_ASSIGN(plan.read, flags.reader.ToReadOptions());
  plan.read.drop = flags.drop;
  plan.read.columns = flags.features;
  if (!flags.features.empty()) {
    plan.read.columns.push_back(flags.label);
    if (!flags.weight.empty()) plan.read.columns.push_back(flags.weight);
  }
  RAMET_ASSIGN(const auto given, flags.parameters.Given());
  if (!flags.resume.empty()) {
    RAMET_ASSIGN(plan.initial, LoadModel(flags.resume));
    RAMET_RETURN_IF_ERROR(ApplyOverCheckpoint(given, *plan.initial, flags.resume, plan.parameters));
  } else {
    RAMET_RETURN_IF_ERROR(Apply(given, plan.parameters));
    if (!flags.init_model.empty()) {
      RAMET_ASSIGN(plan.initial, LoadModel(flags.init_model));
      if (const size_t has = plan.initial->num_rounds();
          has >= static_cast<size_t>(plan.parameters.max_iter))
        return InvalidArgument("--init-model " + flags.init_model + ": it has " +
                               Count(has, "round") + " already, and --max-iter " +
                               std::to_string(plan.parameters.max_iter) +
                               " counts them too. Raise --max-iter.");
    }
  }
  RAMET_RETURN_IF_ERROR(CheckWritable(flags.out, "--out"));
  if (!flags.checkpoint.empty())
    RAMET_RETURN_IF_ERROR(CheckWritable(flags.checkpoint, "--checkpoint"));
  return plan;
}

// By --task or by the loss; neither may say.
Result<std::optional<bool>> IsClassificationByFlags(const TrainFlags& flags,
                                                    const TrainParameters& parameters) {
  std::optional<bool> by_loss;
  if (parameters.loss != "auto") {
    RAMET_ASSIGN(const Loss* const loss, FindLoss(parameters.loss));
    by_loss = loss->classification;
  }
  if (flags.task == "auto") return by_loss;
  const bool by_task = flags.task == "classification";
  if (by_loss && *by_loss != by_task)
    return InvalidArgument("--task " + flags.task + ": loss " + parameters.loss + " is for " +
                           (*by_loss ? "classification" : "regression") +
                           ". Leave one of them out.");
  return std::optional<bool>(by_task);
}

// The same; if they don't say, by the label's looks.
Result<bool> IsClassification(const TrainFlags& flags, const TrainParameters& parameters,
                              const Table& table) {
  RAMET_ASSIGN(const std::optional<bool> said, IsClassificationByFlags(flags, parameters));
  if (said) return *said;
  RAMET_ASSIGN(const size_t column, table.schema().Require(flags.label));
  return LooksLikeClasses(table, column);
}

BeforeBinning BeforeBinningOf(const Plan& plan, DataRole role) {
  if (!plan.initial) return {};
  return ContinueFrom(plan.context, plan.parameters, *plan.initial, role);
}

Result<Dataset> MakeTrainingSet(const TrainFlags& flags, const Plan& plan,
                                const TableSource& source, DataSpec& spec, Progress& progress,
                                Seconds& seconds) {
  progress.Stage("reading");
  RAMET_ASSIGN(Input input, Input::Open(plan.context, source, flags.files, plan.read));
  RAMET_ASSIGN(Table table, input.All(progress));
  seconds.read += input.seconds();
  const Stopwatch watch;
  progress.Stage("binning " + Count(table.num_rows(), "row"));
  const auto classification = IsClassification(flags, plan.parameters, table);
  if (!classification.ok()) return input.Named(classification.error());
  spec.classification = *classification;
  auto dataset =
      MakeDataset(plan.context, std::move(table), spec, BinningOf(plan.parameters), nullptr,
                  BeforeBinningOf(plan, flags.valid.empty() ? DataRole::kTraining
                                                            : DataRole::kTrainingWithEvalSets));
  seconds.bin += watch.Seconds();
  if (!dataset.ok()) return input.Named(dataset.TakeError());
  return dataset;
}

Result<Dataset> MakeValidationSet(const TrainFlags& flags, const Plan& plan,
                                  const TableSource& source, const DataSpec& spec,
                                  const Dataset& train, Progress& progress, Seconds& seconds) {
  progress.Stage("reading the validation files");
  ReadOptions read = plan.read;
  read.columns = train.feature_names;
  read.drop.clear();
  read.columns.push_back(flags.label);
  if (!flags.weight.empty()) read.columns.push_back(flags.weight);
  std::vector<std::string> text;
  for (size_t i = 0; i < train.feature_names.size(); ++i)
    if (HoldsText(train.mapper.features[i].categories)) text.push_back(train.feature_names[i]);
  if (HoldsText(train.classes)) text.push_back(flags.label);
  RAMET_ASSIGN(Input input, OpenWithText(plan.context, source, flags.valid, read, text));
  RAMET_ASSIGN(Table table, input.All(progress));
  seconds.read += input.seconds();
  const Stopwatch watch;
  auto dataset = MakeDataset(plan.context, std::move(table), spec, BinningOf(plan.parameters),
                             &train, BeforeBinningOf(plan, DataRole::kEvalSet));
  seconds.bin += watch.Seconds();
  if (!dataset.ok()) return input.Named(dataset.TakeError());
  return dataset;
}

// The error of a stopped run says where to go on.
Error Explained(Error error, const TrainFlags& flags) {
  if (error.code != ErrorCode::kCancelled) return error;
  std::error_code ignored;
  if (flags.checkpoint.empty())
    error.message =
        "stopped; no model was written. With --checkpoint FILE the rounds so far are kept.";
  else if (std::filesystem::exists(flags.checkpoint, ignored))
    error.message = "stopped; go on with --resume " + flags.checkpoint + ".";
  else
    error.message = "stopped before the first checkpoint; no model was written.";
  return error;
}

// The last two steps: the model's file, and what the run has to say.
Status Finish(const TrainSummary& summary, bool json, Progress& progress, const Console& console) {
  progress.EndLine();
  RAMET_RETURN_IF_ERROR(SaveModel(summary.result.model, summary.path));
  console.out << (json ? SummaryJson(summary) : SummaryText(summary));
  return {};
}

Status TrainHere(const TrainFlags& flags, const Plan& plan, const Session& session,
                 Progress& progress) {
  DataSpec spec{.label = flags.label,
                .weight = flags.weight,
                .features = flags.features,
                .categorical = flags.categorical,
                .numeric = flags.numeric,
                .class_weight = plan.parameters.class_weight};
  Seconds seconds;
  RAMET_ASSIGN(const Dataset train,
               MakeTrainingSet(flags, plan, session.source, spec, progress, seconds));
  std::optional<Dataset> validation;
  if (!flags.valid.empty()) {
    RAMET_ASSIGN(validation,
                 MakeValidationSet(flags, plan, session.source, spec, train, progress, seconds));
  }
  TrainOptions options;
  options.initial_model = plan.initial ? &*plan.initial : nullptr;
  options.checkpoint_path = flags.checkpoint;
  options.checkpoint_every = flags.checkpoint_every;
  options.on_round = [&](const RoundReport& report) -> Result<bool> {
    progress.Round(report);
    return false;
  };
  std::vector<EvalSet> eval_sets;
  if (validation) eval_sets.push_back({"validation", &*validation});
  const size_t num_features = train.feature_names.size();
  progress.Stage("training on " + Count(train.num_rows, "row") + " x " +
                 Count(num_features, "feature"));
  RAMET_ASSIGN(const TrainResult result,
               Train(plan.context, plan.parameters, train, eval_sets, options));
  const TrainSummary summary{flags.out, train.num_rows, num_features, result, seconds};
  return Finish(summary, flags.run.json, progress, session.console);
}

Status TrainOnCluster(const TrainFlags& flags, const Plan& plan, const Session& session,
                      Progress& progress) {
  const TableSource& source = session.source;
  if (!source.train_on_cluster)
    return InvalidArgument(flags.cluster.Name() +
                           ": this `ramet` trains on one machine alone. The one that comes with "
                           "the Python package works with Dask: pip install 'ramet[dask]'.");
  if (!flags.run.isa.empty() || flags.no_speculation)
    return InvalidArgument(flags.cluster.Name() + ": " +
                           (flags.no_speculation ? "--no-speculation" : "--isa") +
                           " is for one machine. Leave it out; RAMET_ISA in the workers' "
                           "environment chooses their instruction set.");
  ClusterTraining training;
  training.cluster = flags.cluster;
  training.threads = flags.run.threads;
  training.files = flags.files;
  training.valid = flags.valid;
  if (!flags.cluster.FilesAreElsewhere()) {
    for (auto* files : {&training.files, &training.valid})
      if (!files->empty()) {
        RAMET_ASSIGN(*files, source.list_files(*files));
      }
  }
  training.read = plan.read;
  training.label = flags.label;
  training.weight = flags.weight;
  training.features = flags.features;
  training.categorical = flags.categorical;
  training.numeric = flags.numeric;
  RAMET_ASSIGN(const std::optional<bool> said, IsClassificationByFlags(flags, plan.parameters));
  training.task = !said ? "auto" : *said ? "classification" : "regression";
  for (const ParameterInfo& info : AllParameters())
    training.parameters.emplace_back(info.name, GetParameter(plan.parameters, info.name));
  training.initial_model = plan.initial ? &*plan.initial : nullptr;
  training.checkpoint_path = flags.checkpoint;
  training.checkpoint_every = flags.checkpoint_every;
  training.on_stage = [&](std::string_view what) { progress.Stage(what); };
  training.on_warning = [&](std::string_view message) { progress.Warn(message); };
  training.on_round = [&](const RoundReport& report) { progress.Round(report); };
  RAMET_ASSIGN(const ClusterResult done, source.train_on_cluster(plan.context, training));
  if (done.handed_on) return {};
  const TrainSummary summary{flags.out,
                             done.num_rows,
                             done.num_features,
                             done.result,
                             {done.read_seconds, done.bin_seconds}};
  return Finish(summary, flags.run.json, progress, session.console);
}

Status RunTrain(const TrainFlags& flags, const Session& session) {
  RAMET_ASSIGN(const Plan plan, MakePlan(flags, session.console));
  Progress progress(session.console, flags.run.quiet);
  const auto train = flags.cluster.Given() ? TrainOnCluster : TrainHere;
  return train(flags, plan, session, progress);
}

void AddDataFlags(CLI::App& verb, TrainFlags& flags) {
  verb.add_option("FILES", flags.files, "Parquet, CSV or Feather files, globs or folders")
      ->required();
  verb.add_option("--label", flags.label, "The column to predict")->required()->type_name("COLUMN");
  verb.add_option("--out,-o", flags.out, "The model's file")->required()->type_name("FILE");
  verb.add_option("--weight", flags.weight, "The column of row weights")->type_name("COLUMN");
  AddNames(verb, "--features", flags.features, "Features; left out, all other columns");
  AddNames(verb, "--drop", flags.drop, "Columns to leave out");
  AddNames(verb, "--categorical", flags.categorical,
           "Features to read as categories (text and dictionary columns are anyway)");
  AddNames(verb, "--numeric", flags.numeric, "Dictionary columns of numbers to read as numbers");
  verb.add_option("--valid", flags.valid, "Files to measure on after each round")
      ->type_name("FILES...");
  verb.add_option("--task", flags.task, kTaskHelp)
      ->type_name("NAME")
      ->check(CLI::IsMember({"auto", "classification", "regression"}));
}

void AddContinuationFlags(CLI::App& verb, TrainFlags& flags) {
  const std::string group = "Continuing";
  auto* init = verb.add_option("--init-model", flags.init_model, "Add rounds to this model")
                   ->type_name("FILE")
                   ->group(group);
  verb.add_option("--resume", flags.resume,
                  "Go on from this checkpoint, with its parameters, as if never stopped")
      ->type_name("FILE")
      ->group(group)
      ->excludes(init);
  verb.add_option("--checkpoint", flags.checkpoint, "Keep the rounds so far in this file")
      ->type_name("FILE")
      ->group(group);
  verb.add_option("--checkpoint-every", flags.checkpoint_every, "Rounds between checkpoints")
      ->type_name("N [10]")
      ->check(CLI::Range(size_t{1}, size_t{1'000'000'000}))
      ->group(group);
}

}  // namespace

void AddTrain(CLI::App& app, Session& session) {
  CLI::App* verb = app.add_subcommand("train", "Train a model on tables");
  verb->footer(kHelp);
  auto flags = std::make_shared<TrainFlags>();
  AddDataFlags(*verb, *flags);
  AddContinuationFlags(*verb, *flags);
  flags->parameters.AddTo(*verb);
  flags->reader.AddTo(*verb);
  flags->run.AddTo(*verb);
  flags->cluster.AddTo(*verb);
  verb->add_flag("--no-speculation", flags->no_speculation,
                 "Build one leaf's histogram at a time; the same model, slower")
      ->group("Running (never changes a result)");
  verb->callback([flags, &session] {
    session.run = [flags, &session]() -> Status {
      Status status = RunTrain(*flags, session);
      if (status.ok()) return status;
      return Explained(status.TakeError(), *flags);
    };
  });
}

}  // namespace ramet
