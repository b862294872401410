// The promise (design section 1): a model is a function of the rows, the parameters and the
// algorithm version. Random tables and parameters, for every loss; the number of threads, the
// instruction set, the chunks of the input, speculation, the memory for histograms and an
// interruption must not show in one bit of the model or of its predictions.
//
// RAMET_PROPERTY_SEED=n runs the one case of that seed; RAMET_PROPERTY_CASES=n runs n cases of each
// loss.

#include <gtest/gtest.h>

#include <atomic>
#include <bit>
#include <cstring>
#include <filesystem>

#include "ramet/base/isa.h"
#include "ramet/boost/boost.h"
#include "ramet/boost/evaluation.h"
#include "ramet/histogram/quantise.h"
#include "ramet/metric/metric.h"
#include "ramet/predict/predict.h"
#include "tests/random_task.h"

namespace ramet {
namespace {

constexpr size_t kDefaultCases = 40;  // of each loss

// How a model is made, beyond what it is a function of.
struct Way {
  Context context;
  std::vector<size_t> chunks;
  Slices slices;

  std::string Text() const {
    return std::to_string(context.threads) + " threads, " + std::string(IsaName(context.isa)) +
           ", " + std::to_string(chunks.size()) + " chunks, speculation " +
           (context.speculate ? "on" : "off") + ", histograms " +
           std::to_string(context.histogram_budget_bytes) + " bytes";
  }
};

// The plainest way first; then every number of threads and every instruction set, and some
// mixtures.
std::vector<Way> Ways(RandomDraws& draws, size_t rows) {
  const std::vector<Isa> isas = SupportedIsas();
  std::vector<Way> ways(1);
  ways[0].context.isa = Isa::kScalar;
  ways[0].context.speculate = false;
  const auto add = [&](int threads, Isa isa) {
    Way way;
    way.context.threads = threads;
    way.context.isa = isa;
    way.context.speculate = draws.Chance(70);
    if (draws.Chance(30)) way.context.histogram_budget_bytes = draws.Below(1 << 16);
    const auto next = [&] { return draws.Next(); };
    if (draws.Chance(80)) way.chunks = RandomChunkSizes(rows, next);
    way.slices = {draws.Below(3), draws.Below(3)};
    ways.push_back(std::move(way));
  };
  for (const int threads : {1, 2, 3, 8}) add(threads, isas[draws.Below(isas.size())]);
  for (const Isa isa : isas) add(1 + static_cast<int>(draws.Below(3)), isa);
  return ways;
}

// What is trained on: a task's rows, and maybe others to watch.
struct Case {
  Case(uint64_t seed, const Loss& loss, size_t rows)
      : task(seed, loss, rows),
        columns(task.Columns()),
        validation_columns(task.Later().Columns()),
        validates(RandomDraws(seed ^ 0x1f83d9ab).Chance(50)) {}
  RandomTask task;
  TestTable columns, validation_columns;
  bool validates;
};

// Trains as `way` says, up to `rounds`, continuing from options.initial_model if there is one.
Result<TrainResult> Fit(const Case& c, const Way& way, int64_t rounds,
                        const TrainOptions& options = {}) {
  TrainParameters parameters = c.task.parameters();
  parameters.max_iter = rounds;
  const auto before = [&](DataRole role) {
    return options.initial_model == nullptr
               ? BeforeBinning()
               : ContinueFrom(way.context, parameters, *options.initial_model, role);
  };
  RAMET_ASSIGN(
      const Dataset train,
      MakeDataset(way.context, c.columns.ToTable(way.chunks, way.slices), c.task.spec(),
                  BinningOf(parameters), nullptr,
                  before(c.validates ? DataRole::kTrainingWithEvalSets : DataRole::kTraining)));
  if (!c.validates) return Train(way.context, parameters, train, {}, options);
  RAMET_ASSIGN(
      const Dataset validation,
      MakeDataset(way.context, c.validation_columns.ToTable(way.chunks, way.slices), c.task.spec(),
                  BinningOf(parameters), &train, before(DataRole::kEvalSet)));
  const EvalSet sets[] = {{"validation", &validation}};
  return Train(way.context, parameters, train, sets, options);
}

void ExpectSameScores(const Buffer<double>& scores, const Buffer<double>& expected) {
  ASSERT_EQ(scores.size(), expected.size());
  ASSERT_EQ(std::memcmp(scores.data(), expected.data(), scores.size() * sizeof(double)), 0);
}

void ExpectSameCurves(const std::vector<Curve>& curves, const std::vector<Curve>& expected) {
  ASSERT_EQ(curves.size(), expected.size());
  for (size_t c = 0; c < curves.size(); ++c) {
    ASSERT_EQ(curves[c].set, expected[c].set);
    ASSERT_EQ(curves[c].metric, expected[c].metric);
    ASSERT_EQ(curves[c].values.size(), expected[c].values.size());
    ASSERT_EQ(std::memcmp(curves[c].values.data(), expected[c].values.data(),
                          curves[c].values.size() * sizeof(double)),
              0);
  }
}

// However it is trained, it is one model with one history.
void ExpectOneModel(const Case& c, const std::vector<Way>& ways, const TrainResult& expected) {
  for (const Way& way : ways) {
    SCOPED_TRACE(way.Text());
    const Result<TrainResult> result = Fit(c, way, c.task.parameters().max_iter);
    ASSERT_TRUE(result.ok()) << result.error().message;
    ASSERT_EQ(Digest(result->model), Digest(expected.model));
    ASSERT_EQ(result->model, expected.model);
    ASSERT_EQ(result->best_round, expected.best_round);
    ASSERT_EQ(result->stopped_early, expected.stopped_early);
    ExpectSameCurves(result->curves, expected.curves);
  }
}

// However they are computed, they are the same scores; they are what training saw.
void ExpectOnePrediction(const Case& c, const std::vector<Way>& ways, const TrainResult& trained) {
  const Predictor predictor(trained.model);
  const Result<Buffer<double>> expected = predictor.RawScores(ways[0].context, c.columns.ToTable());
  ASSERT_TRUE(expected.ok()) << expected.error().message;
  for (const Way& way : ways) {
    SCOPED_TRACE(way.Text());
    const Result<Buffer<double>> scores =
        predictor.RawScores(way.context, c.columns.ToTable(way.chunks, way.slices));
    ASSERT_TRUE(scores.ok()) << scores.error().message;
    ExpectSameScores(*scores, *expected);
  }
}

// The metric of training's own scores on the validation set is that of the model's predictions, bit
// by bit (G3).
void ExpectReplay(const Case& c, const Way& way, const TrainResult& trained) {
  if (!c.validates) return;
  const Result<Dataset> train =
      MakeDataset(way.context, c.columns.ToTable(), c.task.spec(), BinningOf(c.task.parameters()));
  const Result<Dataset> validation =
      MakeDataset(way.context, c.validation_columns.ToTable(), c.task.spec(),
                  BinningOf(c.task.parameters()), &*train);
  const Result<Buffer<double>> scores =
      Predictor(trained.model).RawScores(way.context, c.validation_columns.ToTable());
  ASSERT_TRUE(scores.ok()) << scores.error().message;
  const Evaluation evaluation =
      *EvaluationOf(trained.model, scores->span(), validation->labels, validation->weights);
  const double metric = (*FindMetric(trained.curves[0].metric))->compute(way.context, evaluation);
  ASSERT_EQ(std::bit_cast<uint64_t>(metric),
            std::bit_cast<uint64_t>(trained.curves[0].values[trained.model.num_rounds()]));
}

// Stopped after some rounds and taken up from the file, it is the model that was not stopped (G2).
void ExpectResumes(const Case& c, const std::vector<Way>& ways, RandomDraws& draws,
                   const TrainResult& expected) {
  const int64_t rounds = c.task.parameters().max_iter;
  const Way& first = ways[draws.Below(ways.size())];
  const Way& second = ways[draws.Below(ways.size())];
  const int64_t stop = 1 + static_cast<int64_t>(draws.Below(static_cast<size_t>(rounds)));
  SCOPED_TRACE("stopped at " + std::to_string(stop) + " by: " + first.Text() +
               "; resumed by: " + second.Text());
  const Result<TrainResult> part = Fit(c, first, stop);
  ASSERT_TRUE(part.ok()) << part.error().message;
  const Result<Model> loaded = Deserialize(Serialize(part->model));
  ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  TrainOptions options;
  options.initial_model = &*loaded;
  const Result<TrainResult> whole = Fit(c, second, rounds, options);
  ASSERT_TRUE(whole.ok()) << whole.error().message;
  ASSERT_EQ(Digest(whole->model), Digest(expected.model));
  ASSERT_EQ(whole->model, expected.model);
  ExpectSameCurves(whole->curves, expected.curves);
}

// Cancelled, it leaves the trees so far in the checkpoint, from which the model that was not
// stopped is reached.
void ExpectResumesFromCheckpoint(const Case& c, Way way, RandomDraws& draws,
                                 const TrainResult& expected) {
  const std::string path =
      testing::TempDir() + "promise_test." + std::to_string(draws.Next()) + ".ramet";
  const size_t rounds = static_cast<size_t>(c.task.parameters().max_iter);
  const size_t stop = 1 + draws.Below(rounds);
  SCOPED_TRACE("cancelled after round " + std::to_string(stop) + ": " + way.Text());
  std::atomic<bool> cancelled = false;
  way.context.cancelled = &cancelled;
  TrainOptions options;
  options.checkpoint_path = path;
  options.checkpoint_every = 1 + draws.Below(4);
  options.on_round = [&](const RoundReport& report) -> Result<bool> {
    cancelled = report.round == stop;
    return false;
  };
  const Result<TrainResult> part = Fit(c, way, static_cast<int64_t>(rounds), options);
  cancelled = false;
  if (part.ok()) {  // it was over before it was cancelled
    ASSERT_EQ(Digest(part->model), Digest(expected.model));
    std::filesystem::remove(path);
    return;
  }
  ASSERT_EQ(part.error().code, ErrorCode::kCancelled) << part.error().message;
  const Result<Model> checkpoint = LoadModel(path);
  std::filesystem::remove(path);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().message;
  ASSERT_EQ(checkpoint->num_rounds(), stop);
  TrainOptions resumed;
  resumed.initial_model = &*checkpoint;
  const Result<TrainResult> whole = Fit(c, way, static_cast<int64_t>(rounds), resumed);
  ASSERT_TRUE(whole.ok()) << whole.error().message;
  ASSERT_EQ(Digest(whole->model), Digest(expected.model));
}

// Rows of weight zero count nowhere: behind the others, they change nothing.
void ExpectZeroWeightRowsCountNowhere(const Case& c, const Way& way, RandomDraws& draws,
                                      const TrainResult& expected) {
  // A balanced class counts its rows, whatever they weigh (as scikit-learn).
  if (c.task.parameters().class_weight == "balanced") return;
  Case longer = c;
  longer.task.AddWeightColumn();
  longer.columns = longer.task.Columns(1 + draws.Below(200));
  longer.validation_columns = longer.task.Later().Columns(draws.Below(50));
  Way own = way;
  own.chunks.clear();
  const Result<TrainResult> result = Fit(longer, own, c.task.parameters().max_iter);
  ASSERT_TRUE(result.ok()) << result.error().message;
  ASSERT_EQ(Digest(result->model), Digest(expected.model));
}

void CheckPromise(uint64_t seed, const Loss& loss) {
  SCOPED_TRACE("loss " + std::string(loss.name) + "; RAMET_PROPERTY_SEED=" + std::to_string(seed));
  RandomDraws draws(seed ^ 0x9b05688c2b3e6c1full);
  const size_t rows = draws.Chance(10) ? 12'000 + draws.Below(9'000) : 60 + draws.Below(1'500);
  const Case c(seed, loss, rows);
  const std::vector<Way> ways = Ways(draws, rows);
  const Result<TrainResult> expected = Fit(c, ways[0], c.task.parameters().max_iter);
  ASSERT_TRUE(expected.ok()) << expected.error().message;
  const Status valid = Validate(expected->model);
  ASSERT_TRUE(valid.ok()) << valid.error().message;
  ASSERT_NO_FATAL_FAILURE(ExpectOneModel(c, ways, *expected));
  ASSERT_NO_FATAL_FAILURE(ExpectOnePrediction(c, ways, *expected));
  ASSERT_NO_FATAL_FAILURE(ExpectReplay(c, ways.back(), *expected));
  ASSERT_NO_FATAL_FAILURE(ExpectResumes(c, ways, draws, *expected));
  ASSERT_NO_FATAL_FAILURE(
      ExpectResumesFromCheckpoint(c, ways[draws.Below(ways.size())], draws, *expected));
  ASSERT_NO_FATAL_FAILURE(ExpectZeroWeightRowsCountNowhere(c, ways.back(), draws, *expected));
}

class Promise : public testing::TestWithParam<const Loss*> {};

TEST_P(Promise, NothingButDataAndParametersShowsInTheModel) {
  for (const uint64_t seed : PropertySeeds(kDefaultCases))
    ASSERT_NO_FATAL_FAILURE(CheckPromise(seed, *GetParam()));
}

// More rows than the smallest table with packed cells: one word for count, hessian and gradient.
TEST_P(Promise, HoldsForPackedCellsToo) {
  constexpr size_t kRows = CellFormat::kSmallestPackedTable + 7'001;
  const Case c(12, *GetParam(), kRows);
  std::vector<Way> ways(1);
  ways[0].context.isa = Isa::kScalar;
  const std::vector<Isa> isas = SupportedIsas();
  for (size_t i = 0; i < isas.size(); ++i) {
    Way way;
    way.context.isa = isas[i];
    way.context.threads = i % 2 == 0 ? 2 : 1;
    way.chunks = {1, 40'000, 20'000};
    ways.push_back(way);
  }
  const Result<TrainResult> expected = Fit(c, ways[0], c.task.parameters().max_iter);
  ASSERT_TRUE(expected.ok()) << expected.error().message;
  ASSERT_NO_FATAL_FAILURE(ExpectOneModel(c, ways, *expected));
  ASSERT_NO_FATAL_FAILURE(ExpectOnePrediction(c, ways, *expected));
}

INSTANTIATE_TEST_SUITE_P(AllLosses, Promise,
                         testing::ValuesIn(AllLosses().begin(), AllLosses().end()),
                         [](const auto& info) { return std::string(info.param->name); });

}  // namespace
}  // namespace ramet
