#include <gtest/gtest.h>

#include <atomic>
#include <bit>
#include <chrono>
#include <filesystem>
#include <thread>

#include "ramet/base/isa.h"
#include "ramet/boost/base_score.h"
#include "ramet/boost/boost.h"
#include "ramet/boost/trainer.h"
#include "ramet/metric/metric.h"
#include "ramet/model/testing.h"
#include "ramet/predict/predict.h"
#include "ramet/table/testing.h"

namespace ramet {
namespace {

// Two numbers (one with missing values) and a category of `letters` values beginning at
// `first_letter`; labels depend on all.
struct TableOptions {
  size_t rows = 800;
  uint64_t seed = 1;
  int classes = 2;  // 0: regression
  int first_letter = 0, letters = 5;
  double noise = 0.5;
  double scale = 1;  // of the numbers
};

TestTable MakeTable(const TableOptions& options) {
  RandomDraws draws(options.seed);
  std::vector<std::optional<double>> a;
  std::vector<double> b, y;
  std::vector<std::optional<std::string>> c;
  std::vector<int32_t> classes;
  for (size_t row = 0; row < options.rows; ++row) {
    const double av = draws.Unit() - 0.5, bv = draws.Unit() - 0.5;
    const int letter =
        options.first_letter + static_cast<int>(draws.Below(static_cast<size_t>(options.letters)));
    a.push_back(draws.Chance(10) ? std::nullopt : std::optional(av * options.scale));
    b.push_back(bv * options.scale);
    c.push_back("letter " + std::to_string(letter));
    const double signal =
        av + 2 * bv * bv + (letter % 3 - 1) * 0.4 + options.noise * (draws.Unit() - 0.5);
    y.push_back(signal);
    const int cell = signal < 0 ? 0 : signal < 0.3 ? 1 : 2;
    classes.push_back(row < 3 ? static_cast<int32_t>(row) % std::max(1, options.classes)
                              : std::min(cell, options.classes - 1));
  }
  TestTable table;
  table.Add("a", a).Add("b", b).AddCategory("c", c);
  if (options.classes > 0)
    table.Add("y", classes);
  else
    table.Add("y", y);
  return table;
}

DataSpec SpecOf(bool classification) {
  DataSpec spec;
  spec.label = "y";
  spec.classification = classification;
  return spec;
}

Context TwoThreads() {
  Context context;
  context.threads = 2;
  context.isa = SupportedIsas().back();
  return context;
}

Dataset Data(const TableOptions& options, const TrainParameters& parameters,
             const Dataset* reference = nullptr, const BeforeBinning& before = {}) {
  return *MakeDataset(TwoThreads(), MakeTable(options).ToTable(), SpecOf(options.classes > 0),
                      BinningOf(parameters), reference, before);
}

TrainParameters Small() {
  TrainParameters parameters;
  parameters.max_iter = 12;
  parameters.max_leaf_nodes = 8;
  parameters.learning_rate = 0.3;
  return parameters;
}

std::string ErrorOf(const Result<TrainResult>& result) {
  return result.ok() ? "no error" : result.error().message;
}

void ExpectMentions(const std::string& message, std::initializer_list<std::string_view> parts) {
  for (const std::string_view part : parts)
    EXPECT_NE(message.find(part), std::string::npos) << "\"" << part << "\" is not in: " << message;
}

Model PrefixOf(const Model& model, size_t rounds) {
  Model prefix = model;
  prefix.trees.resize(rounds * model.num_outputs());
  return prefix;
}

// --- What a round does ---

// G3: scores kept while training are those that the model predicts, bit by bit, also of rows that
// no tree was grown on.
TEST(Trainer, ScoresAreThoseOfTheModel) {
  for (const int classes : {0, 2, 3}) {
    for (const double subsample : {1.0, 0.6}) {
      TrainParameters parameters = Small();
      parameters.subsample = subsample;
      const TableOptions options{.rows = 1500, .classes = classes};
      const Dataset data = Data(options, parameters);
      const Loss& loss = **FindLoss(classes == 0   ? "squared_error"
                                    : classes == 2 ? "logistic"
                                                   : "softmax");
      Model model = Train(TwoThreads(), parameters, data)->model;
      const Model trained = model;
      model.trees.clear();
      const HoldOut none(parameters, false);
      const Context context = TwoThreads();
      Trainer trainer(context, parameters, loss, data, {}, none, model);
      ASSERT_TRUE(trainer.ComputeGradients().ok());
      for (size_t round = 0; round < 12; ++round)
        ASSERT_TRUE(trainer.Round(round, round == 11, parameters.learning_rate).ok());
      EXPECT_EQ(Digest(model), Digest(trained));
      const Result<Buffer<double>> scores =
          Predictor(model).RawScores(TwoThreads(), MakeTable(options).ToTable());
      const size_t outputs = model.num_outputs();
      ASSERT_EQ(trainer.train_scores().size(), scores->size());
      for (size_t row = 0; row < data.num_rows; ++row)
        for (size_t k = 0; k < outputs; ++k)
          ASSERT_EQ(std::bit_cast<uint64_t>(trainer.train_scores()[k * data.num_rows + row]),
                    std::bit_cast<uint64_t>((*scores)[row * outputs + k]))
              << "row " << row << ", output " << k << ", subsample " << subsample;
    }
  }
}

// --- Early stopping ---

TEST(Train, StopsWhenTheLastRoundsAreNoBetter) {
  for (const bool with_validation : {true, false}) {
    for (const bool keep_best : {true, false}) {
      TrainParameters parameters = Small();
      parameters.early_stopping = "true";
      parameters.keep_best = keep_best;
      parameters.max_iter = 300;
      parameters.learning_rate = 1;
      parameters.n_iter_no_change = 4;
      parameters.tol = 0;
      const TableOptions options{.classes = 2, .noise = 1.5};
      const Dataset train = Data(options, parameters);
      const Dataset validation = Data({.rows = 300, .seed = 2, .noise = 1.5}, parameters, &train);
      const EvalSet sets[] = {{"valid", &validation}};
      const Result<TrainResult> result =
          Train(TwoThreads(), parameters, train,
                with_validation ? std::span<const EvalSet>(sets) : std::span<const EvalSet>());
      ASSERT_TRUE(result.ok()) << ErrorOf(result);
      ASSERT_EQ(result->curves.size(), 1u);
      const Curve& curve = result->curves[0];
      EXPECT_EQ(curve.set, with_validation ? "valid" : "validation");
      EXPECT_EQ(curve.metric, "logloss");
      EXPECT_TRUE(result->stopped_early);
      const std::vector<double>& values = curve.values;
      const size_t rounds = values.size() - 1;
      ASSERT_GT(rounds, 4u);
      EXPECT_LT(rounds, 300u);
      // The rule held at the end and never before.
      for (size_t last = 4; last <= rounds; ++last)
        EXPECT_EQ(*std::min_element(values.begin() + static_cast<std::ptrdiff_t>(last) - 3,
                                    values.begin() + static_cast<std::ptrdiff_t>(last) + 1) >=
                      values[last - 4],
                  last == rounds);
      const size_t best =
          static_cast<size_t>(std::min_element(values.begin() + 1, values.end()) - values.begin());
      EXPECT_EQ(result->best_round, best);
      EXPECT_EQ(result->model.num_rounds(), keep_best ? best : rounds);
    }
  }
}

TEST(Train, HigherIsBetterForSomeMetrics) {
  TrainParameters parameters = Small();
  parameters.early_stopping = "true";
  parameters.metric = "auc";
  parameters.max_iter = 200;
  parameters.learning_rate = 1;
  parameters.n_iter_no_change = 5;
  parameters.tol = 0;
  const Dataset train = Data({.noise = 1.5}, parameters);
  const Result<TrainResult> result = Train(TwoThreads(), parameters, train);
  ASSERT_TRUE(result.ok()) << ErrorOf(result);
  const std::vector<double>& values = result->curves[0].values;
  EXPECT_EQ(
      result->best_round,
      static_cast<size_t>(std::max_element(values.begin() + 1, values.end()) - values.begin()));
}

TEST(Train, AutoStopsEarlyAboveTenThousandRows) {
  TrainParameters parameters = Small();
  for (const size_t rows : {10'000u, 10'001u}) {
    const Dataset train = Data({.rows = rows}, parameters);
    const Result<TrainResult> result = Train(TwoThreads(), parameters, train);
    ASSERT_TRUE(result.ok()) << ErrorOf(result);
    EXPECT_EQ(result->validates, rows > 10'000);
    TrainParameters told = parameters;
    told.early_stopping = rows > 10'000 ? "true" : "false";
    EXPECT_EQ(Digest(Train(TwoThreads(), told, train)->model), Digest(result->model));
  }
}

TEST(Train, WatchedSetsChangeNothingWithoutEarlyStopping) {
  const TrainParameters parameters = Small();
  const Dataset train = Data({}, parameters);
  const Dataset first = Data({.rows = 100, .seed = 3}, parameters, &train);
  const Dataset second = Data({.rows = 200, .seed = 4}, parameters, &train);
  const EvalSet sets[] = {{"first", &first}, {"second", &second}};
  TrainOptions options;
  options.measuring.training_rows = true;
  for (const std::string_view name : {"auc", "logloss"}) {
    const Metric& metric = **FindMetric(name);
    options.measuring.metrics.push_back(
        {std::string(name), metric.higher_is_better,
         [&metric](const Context& context, const Evaluation& evaluation) -> Result<double> {
           return metric.compute(context, evaluation);
         }});
  }
  TrainParameters named = parameters;
  named.metric = "auc";  // what the body keeps: the first metric
  const Result<TrainResult> watched = Train(TwoThreads(), parameters, train, sets, options);
  ASSERT_TRUE(watched.ok()) << ErrorOf(watched);
  EXPECT_EQ(Digest(watched->model), Digest(Train(TwoThreads(), named, train)->model));
  EXPECT_FALSE(watched->stopped_early);
  ASSERT_EQ(watched->curves.size(), 6u);
  for (size_t c = 0; c < 6; ++c) {
    EXPECT_EQ(watched->curves[c].set, c < 2 ? "first" : c < 4 ? "second" : "train");
    EXPECT_EQ(watched->curves[c].metric, c % 2 == 0 ? "auc" : "logloss");
    EXPECT_EQ(watched->curves[c].values.size(), 13u);
  }
  // Training improves on what it trains on.
  EXPECT_LT(watched->curves[5].values[12], watched->curves[5].values[0] * 0.8);
}

// --- The caller's own functions ---

TEST(Train, OwnGradientsOfTheLossGiveItsModel) {
  for (const int classes : {0, 2}) {
    const TrainParameters parameters = Small();
    const Dataset train = Data({.classes = classes}, parameters);
    TrainOptions options;
    options.gradients = [&](std::span<const double> labels, std::span<const double> scores,
                            std::span<double> gradients, std::span<double> hessians) -> Status {
      for (size_t i = 0; i < labels.size(); ++i) {
        const double p = classes == 0 ? scores[i] : 1 / (1 + std::exp(-scores[i]));
        gradients[i] = p - labels[i];
        hessians[i] = classes == 0 ? 1 : p * (1 - p);
      }
      return {};
    };
    const Result<TrainResult> own = Train(TwoThreads(), parameters, train, {}, options);
    ASSERT_TRUE(own.ok()) << ErrorOf(own);
    const Model expected = Train(TwoThreads(), parameters, train)->model;
    EXPECT_EQ(own->model.loss, expected.loss);
    EXPECT_NE(own->model.parameters, expected.parameters);
    ASSERT_EQ(own->model.trees.size(), expected.trees.size());
    if (classes == 0) {
      EXPECT_EQ(own->model.trees, expected.trees);
    }
    const auto scores = [&](const Model& model) {
      return *Predictor(model).RawScores(TwoThreads(), MakeTable({.classes = classes}).ToTable());
    };
    const Buffer<double> a = scores(own->model), b = scores(expected);
    for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 0.05);
  }
}

TEST(Train, AnErrorOfTheCallersEndsTrainingAndKeepsTheRoundsSoFar) {
  const TrainParameters parameters = Small();
  const Dataset train = Data({}, parameters);
  const Model whole = Train(TwoThreads(), parameters, train)->model;
  TrainResult so_far;
  TrainOptions options;
  options.rounds_so_far = &so_far;
  options.on_round = [](const RoundReport& report) -> Result<bool> {
    if (report.round == 5) return DataError("enough");
    return false;
  };
  EXPECT_EQ(ErrorOf(Train(TwoThreads(), parameters, train, {}, options)), "enough");
  EXPECT_EQ(so_far.model, PrefixOf(whole, 5));
}

TEST(Train, ARoundMayBeTheLastAndHaveItsOwnLearningRate) {
  const TrainParameters parameters = Small();
  const Dataset train = Data({.classes = 0}, parameters);
  TrainOptions options;
  options.on_round = [](const RoundReport& report) -> Result<bool> { return report.round == 3; };
  options.learning_rate = [](size_t round) -> Result<double> { return round == 1 ? 0.0 : 0.3; };
  const Result<TrainResult> result = Train(TwoThreads(), parameters, train, {}, options);
  ASSERT_TRUE(result.ok()) << ErrorOf(result);
  EXPECT_EQ(result->model.num_rounds(), 3u);
  for (const Node& node : result->model.trees[0].nodes) EXPECT_EQ(node.value, 0);
  EXPECT_NE(result->model.trees[1].nodes.back().value, 0);
}

TEST(Train, EarlyStoppingNeedsRowsOnBothSides) {
  TrainParameters parameters = Small();
  parameters.early_stopping = "true";
  parameters.validation_fraction = 1e-9;
  ExpectMentions(ErrorOf(Train(TwoThreads(), parameters, Data({}, parameters))),
                 {"held out", "validation_fraction"});
  parameters.validation_fraction = 0.999;
  const Dataset few = Data({.rows = 6}, parameters);
  ExpectMentions(ErrorOf(Train(TwoThreads(), parameters, few)), {"validation_fraction"});
}

// --- Checkpoints, stopping, continuing ---

TEST(Train, CheckpointsAreThePrefixesOfTheModel) {
  const std::string path = testing::TempDir() + "train_test_checkpoint.ramet";
  const TrainParameters parameters = Small();
  const Dataset train = Data({.classes = 3}, parameters);
  const Model whole = Train(TwoThreads(), parameters, train)->model;
  TrainOptions options;
  options.checkpoint_path = path;
  options.checkpoint_every = 3;
  size_t checked = 0;
  options.on_round = [&](const RoundReport& report) -> Result<bool> {
    EXPECT_EQ(report.rounds, 12u);
    EXPECT_FALSE(report.validates);
    EXPECT_EQ(std::filesystem::exists(path), report.round >= 3);
    if (report.round < 3) return false;
    RAMET_ASSIGN(const Model checkpoint, LoadModel(path));
    EXPECT_EQ(checkpoint, PrefixOf(whole, report.round / 3 * 3));
    ++checked;
    return false;
  };
  std::filesystem::remove(path);
  ASSERT_TRUE(Train(TwoThreads(), parameters, train, {}, options).ok());
  EXPECT_EQ(checked, 10u);
  std::filesystem::remove(path);
}

TEST(Train, ACheckpointThatCannotBeWrittenIsAnError) {
  const TrainParameters parameters = Small();
  TrainOptions options;
  options.checkpoint_path = testing::TempDir() + "no such folder/model.ramet";
  const Result<TrainResult> result =
      Train(TwoThreads(), parameters, Data({}, parameters), {}, options);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kIo);
  ExpectMentions(result.error().message, {"no such folder"});
}

TEST(Train, CancellationStopsWithinASecond) {
  TrainParameters parameters;
  parameters.max_iter = 100'000;
  parameters.max_leaf_nodes = 255;
  const Dataset train = Data({.rows = 200'000}, parameters);
  std::atomic<bool> cancelled = false;
  Context context = TwoThreads();
  context.cancelled = &cancelled;
  std::chrono::steady_clock::time_point asked;
  std::thread canceller([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    asked = std::chrono::steady_clock::now();
    cancelled = true;
  });
  const Result<TrainResult> result = Train(context, parameters, train);
  const auto stopped = std::chrono::steady_clock::now();
  canceller.join();
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kCancelled);
  // A busy or instrumented machine is given more; what people wait is a tenth of a second.
  EXPECT_LT(std::chrono::duration<double>(stopped - asked).count(), 3);
}

// Other rows, other bins, categories that were not there and some that no longer are: the old trees
// predict as before, and the new ones are added to them.
TEST(Train, ContinuesOnOtherData) {
  for (const int classes : {0, 2, 3}) {
    for (const int letters : {6, 300}) {  // few, and folded on both sides
      SCOPED_TRACE(std::to_string(classes) + " classes, " + std::to_string(letters) + " letters");
      TrainParameters parameters = Small();
      parameters.min_samples_leaf = 3;
      parameters.l2_regularization = 10;  // steps stay short where old trees are surely wrong
      const TableOptions first{.rows = 3000, .classes = classes, .letters = letters};
      const TableOptions second{.rows = 2500,
                                .seed = 9,
                                .classes = classes,
                                .first_letter = letters / 2,
                                .letters = letters,
                                .scale = 3};
      const Model old_model = Train(TwoThreads(), parameters, Data(first, parameters))->model;
      parameters.max_iter = 20;
      TrainOptions options;
      options.initial_model = &old_model;
      const Dataset data =
          Data(second, parameters, nullptr,
               ContinueFrom(TwoThreads(), parameters, old_model, DataRole::kTraining));
      const Result<TrainResult> result = Train(TwoThreads(), parameters, data, {}, options);
      ASSERT_TRUE(result.ok()) << ErrorOf(result);
      const Model& model = result->model;
      ASSERT_TRUE(Validate(model).ok()) << Validate(model).error().message;
      EXPECT_EQ(model.num_rounds(), 20u);
      EXPECT_EQ(model.base_scores, old_model.base_scores);
      // Also on a third table, whose letters neither of them has seen in full.
      const TableOptions third{.rows = 1000,
                               .seed = 4,
                               .classes = classes,
                               .first_letter = letters / 4,
                               .letters = letters * 2};
      for (const TableOptions& rows : {first, second, third}) {
        const Buffer<double> before =
            *Predictor(old_model).RawScores(TwoThreads(), MakeTable(rows).ToTable());
        const Buffer<double> prefix =
            *Predictor(model).RawScores(TwoThreads(), MakeTable(rows).ToTable(), 12);
        for (size_t i = 0; i < before.size(); ++i)
          ASSERT_EQ(std::bit_cast<uint64_t>(before[i]), std::bit_cast<uint64_t>(prefix[i]))
              << "score " << i;
      }
      // The new trees improve on what the old ones know of the new rows.
      const Metric& metric = **FindMetric(classes == 0 ? "rmse" : "logloss");
      const auto quality = [&](size_t rounds) {
        const Buffer<double> scores =
            *Predictor(model).RawScores(TwoThreads(), MakeTable(second).ToTable(), rounds);
        return metric.compute(TwoThreads(),
                              {scores.span(), model.num_outputs(), data.labels, data.weights});
      };
      EXPECT_LT(quality(20), quality(12) * 0.99);
    }
  }
}

// What training on other data ends with is what the model predicts: continued once more, it is the
// same as in one go.
TEST(Train, ContinuingOnOtherDataIsReplayable) {
  TrainParameters parameters = Small();
  const TableOptions first{.rows = 2000, .letters = 300};
  const TableOptions second{.rows = 2000, .seed = 9, .first_letter = 150, .letters = 300};
  const Model old_model = Train(TwoThreads(), parameters, Data(first, parameters))->model;
  const auto continued = [&](const Model& from, int64_t rounds) {
    parameters.max_iter = rounds;
    TrainOptions options;
    options.initial_model = &from;
    return Train(TwoThreads(), parameters,
                 Data(second, parameters, nullptr,
                      ContinueFrom(TwoThreads(), parameters, from, DataRole::kTraining)),
                 {}, options)
        ->model;
  };
  const Model half = continued(old_model, 16);
  EXPECT_EQ(Digest(continued(half, 20)), Digest(continued(old_model, 20)));
}

TEST(Train, CheckpointsOfContinuingOnOtherDataArePrefixesToo) {
  const std::string path = testing::TempDir() + "train_test_continued.ramet";
  TrainParameters parameters = Small();
  const TableOptions first{.rows = 2000, .letters = 300};
  const TableOptions second{.rows = 2000, .seed = 9, .first_letter = 150, .letters = 300};
  const Model old_model = Train(TwoThreads(), parameters, Data(first, parameters))->model;
  parameters.max_iter = 20;
  std::vector<Model> checkpoints;
  TrainOptions options;
  options.initial_model = &old_model;
  options.checkpoint_path = path;
  options.checkpoint_every = 1;
  options.on_round = [&](const RoundReport&) -> Result<bool> {
    RAMET_ASSIGN(Model checkpoint, LoadModel(path));
    checkpoints.push_back(std::move(checkpoint));
    return false;
  };
  const Model whole =
      Train(TwoThreads(), parameters,
            Data(second, parameters, nullptr,
                 ContinueFrom(TwoThreads(), parameters, old_model, DataRole::kTraining)),
            {}, options)
          ->model;
  std::filesystem::remove(path);
  ASSERT_EQ(checkpoints.size(), 8u);
  for (const Model& checkpoint : checkpoints)
    EXPECT_EQ(checkpoint, PrefixOf(whole, checkpoint.num_rounds()));
}

// --- Refusals ---

TEST(Train, RefusesAnInitialModelThatDoesNotFit) {
  TrainParameters parameters = Small();
  const Model model = Train(TwoThreads(), parameters, Data({}, parameters))->model;
  const auto error = [&](const TableOptions& options, const Model& initial,
                         const TrainParameters& wanted) {
    const Result<Dataset> data = MakeDataset(
        TwoThreads(), MakeTable(options).ToTable(), SpecOf(options.classes > 0), BinningOf(wanted),
        nullptr, ContinueFrom(TwoThreads(), wanted, initial, DataRole::kTraining));
    return data.ok() ? "no error" : data.error().message;
  };
  EXPECT_EQ(error({}, model, parameters), "no error");
  Model renamed = model;
  renamed.feature_names[0] = "other";
  ExpectMentions(error({}, renamed, parameters), {"initial model", "features"});
  Model other_kind = model;
  other_kind.features[0].kind = FeatureKind::kCategorical;
  ExpectMentions(error({}, other_kind, parameters), {"initial model", "\"a\""});
  ExpectMentions(error({.classes = 3}, model, parameters), {"initial model"});
  ExpectMentions(error({.classes = 0}, model, parameters), {"initial model", "loss"});
  Model other_classes = model;
  other_classes.classes[1] = CategoryKey(int64_t{9});
  ExpectMentions(error({}, other_classes, parameters), {"initial model", "classes"});

  TrainOptions options;
  options.initial_model = &model;
  ExpectMentions(ErrorOf(Train(TwoThreads(), parameters, Data({}, parameters), {}, options)),
                 {"ContinueFrom"});
  const Dataset continued = Data(
      {}, parameters, nullptr, ContinueFrom(TwoThreads(), parameters, model, DataRole::kTraining));
  parameters.max_iter = 11;
  ExpectMentions(ErrorOf(Train(TwoThreads(), parameters, continued, {}, options)),
                 {"12 rounds", "max_iter is 11"});
  parameters.max_iter = 12;
  const Result<TrainResult> same = Train(TwoThreads(), parameters, continued, {}, options);
  ASSERT_TRUE(same.ok()) << ErrorOf(same);
  EXPECT_EQ(same->model, model);
}

TEST(Train, RefusesLossesAndMetricsThatDoNotFit) {
  TrainParameters parameters = Small();
  const Dataset two = Data({.classes = 2}, parameters), three = Data({.classes = 3}, parameters),
                numbers = Data({.classes = 0}, parameters);
  const auto error = [&](const Dataset& data, const std::string& loss, const std::string& metric) {
    TrainParameters wanted = parameters;
    wanted.loss = loss;
    wanted.metric = metric;
    const Result<TrainResult> result = Train(TwoThreads(), wanted, data);
    EXPECT_TRUE(result.ok() || result.error().code == ErrorCode::kInvalidArgument);
    return ErrorOf(result);
  };
  ExpectMentions(error(three, "logistic", "auto"), {"logistic", "3 classes"});
  ExpectMentions(error(two, "squared_error", "auto"), {"squared_error", "classes"});
  ExpectMentions(error(numbers, "softmax", "auto"), {"softmax", "numbers"});
  ExpectMentions(error(numbers, "poison", "auto"), {"poison", "squared_error"});
  ExpectMentions(error(numbers, "auto", "auc"), {"auc", "squared_error"});
  ExpectMentions(error(two, "auto", "rmse"), {"rmse", "logistic"});
  ExpectMentions(error(two, "auto", "unheard"), {"unheard"});
  EXPECT_EQ(error(two, "softmax", "auto"), "no error");
}

TEST(Train, NamesTheRowWhoseGradientIsNotFinite) {
  TrainParameters parameters = Small();
  for (const double huge : {1e308, -1e308, 1e39}) {
    std::vector<double> x(100), y(100, 1);
    for (size_t i = 0; i < 100; ++i) x[i] = static_cast<double>(i);
    y[37] = huge;
    const Dataset data = *MakeDataset(TwoThreads(), TestTable().Add("x", x).Add("y", y).ToTable(),
                                      SpecOf(false), BinningOf(parameters));
    const Result<TrainResult> result = Train(TwoThreads(), parameters, data);
    ASSERT_FALSE(result.ok()) << huge;
    EXPECT_EQ(result.error().code, ErrorCode::kData);
    ExpectMentions(result.error().message, {"row ", "not finite", "label"});
  }
  // A learning rate that makes scores run away.
  parameters.learning_rate = 1000;
  parameters.max_iter = 200;
  ExpectMentions(ErrorOf(Train(TwoThreads(), parameters, Data({.classes = 0}, parameters))),
                 {"row ", "learning rate"});
}

TEST(Train, RefusesImpossibleParameters) {
  TrainParameters parameters = Small();
  const Dataset data = Data({}, parameters);
  parameters.subsample = 0;
  ExpectMentions(ErrorOf(Train(TwoThreads(), parameters, data)), {"subsample"});
}

// --- Degenerate tables ---

TEST(Train, NothingToLearnGivesTreesOfOneLeaf) {
  const TrainParameters parameters = Small();
  const std::vector<double> constant(50, 3), y(50, 7);
  const Dataset data =
      *MakeDataset(TwoThreads(), TestTable().Add("x", constant).Add("y", y).ToTable(),
                   SpecOf(false), BinningOf(parameters));
  const Result<TrainResult> result = Train(TwoThreads(), parameters, data);
  ASSERT_TRUE(result.ok()) << ErrorOf(result);
  EXPECT_EQ(result->model.base_scores, std::vector<double>{7});
  for (const Tree& tree : result->model.trees) {
    ASSERT_EQ(tree.nodes.size(), 1u);
    EXPECT_EQ(tree.nodes[0].value, 0);
    EXPECT_EQ(tree.nodes[0].count, 50u);
  }
}

TEST(Train, ASampleOfNoRowsIsATreeOfOneLeaf) {
  TrainParameters parameters = Small();
  parameters.subsample = 1e-12;
  const Result<TrainResult> result =
      Train(TwoThreads(), parameters, Data({.rows = 50}, parameters));
  ASSERT_TRUE(result.ok()) << ErrorOf(result);
  for (const Tree& tree : result->model.trees) {
    EXPECT_EQ(tree.nodes.size(), 1u);
    EXPECT_EQ(tree.nodes[0].value, 0);
  }
}

}  // namespace
}  // namespace ramet
