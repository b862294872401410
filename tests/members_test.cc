// The promise over members (design sections 1 and 4): whoever holds which rows, however many
// members there are, whoever is lost on the way and whoever goes on, the model is the one that
// somebody alone would have made. Random tables and parameters, for every loss.
//
// RAMET_PROPERTY_SEED=n runs the one case of that seed; RAMET_PROPERTY_CASES=n runs n cases of each
// loss.

#include <gtest/gtest.h>

#include <cstring>

#include "ramet/boost/boost.h"
#include "ramet/collective/members_testing.h"
#include "ramet/predict/predict.h"
#include "tests/random_task.h"

namespace ramet {
namespace {

constexpr size_t kDefaultCases = 30;  // of each loss

// Some rows of a data set, as the member that holds them would have it.
Dataset Subset(const Dataset& all, const std::vector<uint32_t>& rows) {
  Dataset own;
  own.num_rows = rows.size();
  own.feature_names = all.feature_names;
  own.feature_types = all.feature_types;
  own.mapper = all.mapper;
  own.classes = all.classes;
  own.class_factors = all.class_factors;
  own.label_name = all.label_name;
  own.bins = BinnedMatrix(rows.size(), all.bins.num_features());
  std::vector<RowIds::Run> runs;
  for (size_t i = 0; i < rows.size(); ++i) {
    std::memcpy(own.bins.mutable_row(i), all.bins.row(rows[i]), all.bins.row_stride());
    for (size_t f = 0; f < all.bins.num_features(); ++f)
      own.bins.mutable_column(f)[i] = all.bins.column(f)[rows[i]];
    own.labels.push_back(all.labels[rows[i]]);
    if (!all.weights.empty()) own.weights.push_back(all.weights[rows[i]]);
    if (!runs.empty() && runs.back().first + runs.back().count == rows[i])
      ++runs.back().count;
    else
      runs.push_back({rows[i], 1});
  }
  own.ids = RowIds(runs, all.num_rows);
  for (size_t k = 0; k < all.initial_scores.size(); k += all.num_rows)
    for (const uint32_t row : rows) own.initial_scores.push_back(all.initial_scores[k + row]);
  return own;
}

struct Case {
  Case(uint64_t seed, const Loss& loss, size_t rows) : task(seed, loss, rows) {
    RandomDraws draws(seed ^ 0x1f83d9ab);
    validates = draws.Chance(50);
    measuring.training_rows = draws.Chance(50);
    parameters = task.parameters();
    const Context context;
    Result<Dataset> made =
        MakeDataset(context, task.Columns().ToTable({}), task.spec(), BinningOf(parameters));
    if (!made.ok()) return;
    train = *std::move(made);
    if (!validates) {
      valid = true;
      return;
    }
    made = MakeDataset(context, task.Later().Columns().ToTable({}), task.spec(),
                       BinningOf(parameters), &train);
    valid = made.ok();  // else a class is new there, for example
    if (valid) validation = *std::move(made);
  }
  Result<TrainResult> Fit(const Context& context, const Dataset& rows, const Dataset& eval_rows,
                          TrainOptions options = {}) const {
    options.measuring = measuring;
    const EvalSet sets[] = {{"validation", &eval_rows}};
    return Train(context, parameters, rows,
                 validates ? std::span<const EvalSet>(sets) : std::span<const EvalSet>(), options);
  }

  RandomTask task;
  TrainParameters parameters;
  Measuring measuring;
  bool validates = false, valid = false;
  Dataset train, validation;
};

void ExpectSame(const TrainResult& got, const TrainResult& expected) {
  ASSERT_EQ(got.model, expected.model);
  ASSERT_EQ(got.curves.size(), expected.curves.size());
  for (size_t c = 0; c < got.curves.size(); ++c) {
    ASSERT_EQ(got.curves[c].values.size(), expected.curves[c].values.size());
    ASSERT_EQ(std::memcmp(got.curves[c].values.data(), expected.curves[c].values.data(),
                          got.curves[c].values.size() * sizeof(double)),
              0)
        << got.curves[c].set << " " << got.curves[c].metric;
  }
  ASSERT_EQ(got.best_round, expected.best_round);
  ASSERT_EQ(got.stopped_early, expected.stopped_early);
}

class Members : public testing::TestWithParam<const Loss*> {};

TEST_P(Members, MakeTheModelOfOneWhoHoldsAllRows) {
  for (const uint64_t seed : PropertySeeds(kDefaultCases)) {
    SCOPED_TRACE(testing::Message() << GetParam()->name << " seed " << seed);
    std::mt19937_64 random(seed);
    const Case c(seed, *GetParam(), 40 + random() % 1500);
    if (!c.valid) continue;
    const Result<TrainResult> expected = c.Fit(Context(), c.train, c.validation);
    for (const size_t members : {1 + random() % 8, 1 + random() % 3}) {
      const auto dealt = DealRows(c.train.num_rows, members, random);
      const auto dealt_validation = DealRows(c.validation.num_rows, members, random);
      Context like;
      like.threads = 1 + static_cast<int>(random() % 2);
      like.speculate = random() % 4 > 0;
      RunMembers(members, like, [&](const Context& context, size_t rank) {
        const Dataset own = Subset(c.train, dealt[rank]);
        const Dataset own_validation =
            c.validates ? Subset(c.validation, dealt_validation[rank]) : Dataset();
        const Result<TrainResult> got = c.Fit(context, own, own_validation);
        ASSERT_EQ(got.ok(), expected.ok()) << (got.ok() ? "" : got.error().message);
        if (expected.ok())
          ExpectSame(*got, *expected);
        else
          ASSERT_EQ(got.error().message, expected.error().message);
      });
    }
  }
}

// Going on from a model of the same rows: its scores come with the rows, its curves from their
// bins.
TEST_P(Members, GoOnFromAModelAsOneDoes) {
  for (const uint64_t seed : PropertySeeds(kDefaultCases)) {
    SCOPED_TRACE(testing::Message() << GetParam()->name << " seed " << seed);
    std::mt19937_64 random(seed ^ 0x2545f491);
    Case c(seed, *GetParam(), 40 + random() % 800);
    if (!c.valid) continue;
    const Result<TrainResult> all = c.Fit(Context(), c.train, c.validation);
    if (!all.ok() || all->model.num_rounds() == 0) continue;
    Model initial = all->model;
    initial.trees.resize(initial.num_outputs() * (1 + random() % initial.num_rounds()));
    TrainOptions options;
    options.initial_model = &initial;
    const auto with_scores = [&](Dataset& data, const TestTable& table) {
      const Buffer<double> scores = *Predictor(initial).RawScores(Context(), table.ToTable({}));
      const size_t outputs = initial.num_outputs();
      data.initial_scores.resize(scores.size());
      for (size_t i = 0; i < scores.size(); ++i)
        data.initial_scores[i % outputs * data.num_rows + i / outputs] = scores[i];
    };
    with_scores(c.train, c.task.Columns());
    if (c.validates) with_scores(c.validation, c.task.Later().Columns());
    const Result<TrainResult> expected = c.Fit(Context(), c.train, c.validation, options);
    ASSERT_TRUE(expected.ok()) << expected.error().message;
    if (!c.parameters.keep_best && !all->stopped_early) ExpectSame(*expected, *all);
    const size_t members = 2 + random() % 3;
    const auto dealt = DealRows(c.train.num_rows, members, random);
    const auto dealt_validation = DealRows(c.validation.num_rows, members, random);
    RunMembers(members, Context(), [&](const Context& context, size_t rank) {
      const Dataset own = Subset(c.train, dealt[rank]);
      const Dataset own_validation =
          c.validates ? Subset(c.validation, dealt_validation[rank]) : Dataset();
      const Result<TrainResult> got = c.Fit(context, own, own_validation, options);
      ASSERT_TRUE(got.ok()) << got.error().message;
      ExpectSame(*got, *expected);
    });
  }
}

// The rows of a lost member go to others, who go on from any survivor's rounds.
TEST_P(Members, SurviveTheLossOfOthers) {
  for (const uint64_t seed : PropertySeeds(kDefaultCases)) {
    SCOPED_TRACE(testing::Message() << GetParam()->name << " seed " << seed);
    std::mt19937_64 random(seed ^ 0x5bd1e995);
    const Case c(seed, *GetParam(), 40 + random() % 1000);
    if (!c.valid) continue;
    const Result<TrainResult> expected = c.Fit(Context(), c.train, c.validation);
    if (!expected.ok()) continue;
    std::optional<TrainResult> so_far, finished;
    for (int epoch = 0; epoch < 5 && !finished; ++epoch) {
      const size_t members = 2 + random() % 3, victim = random() % members;
      const size_t life = epoch == 4 ? SIZE_MAX : random() % (60 << epoch);
      const auto dealt = DealRows(c.train.num_rows, members, random);
      const auto dealt_validation = DealRows(c.validation.num_rows, members, random);
      LocalGroup group(members);
      std::vector<std::atomic<bool>> stops(members);
      std::vector<std::optional<TrainResult>> left(members);
      std::vector<std::thread> threads;
      std::atomic<size_t> done = 0;
      for (size_t rank = 0; rank < members; ++rank)
        threads.emplace_back([&, rank] {
          std::unique_ptr<Collective> collective = group.Join(rank, stops[rank]);
          if (rank == victim)
            collective = std::make_unique<Mortal>(std::move(collective), stops[rank], life);
          Context context;
          context.collective = collective.get();
          context.cancelled = &stops[rank];
          const Dataset own = Subset(c.train, dealt[rank]);
          const Dataset own_validation =
              c.validates ? Subset(c.validation, dealt_validation[rank]) : Dataset();
          TrainResult rounds;
          TrainOptions options;
          options.rounds_so_far = &rounds;
          options.resume = so_far ? &*so_far : nullptr;
          Result<TrainResult> got = c.Fit(context, own, own_validation, options);
          if (got.ok()) {
            ++done;
            left[rank] = *std::move(got);
          } else {
            ASSERT_EQ(got.error().code, ErrorCode::kIo) << got.error().message;
            if (rounds.model.num_rounds() > 0) left[rank] = std::move(rounds);
          }
        });
      for (std::thread& thread : threads) thread.join();
      // Anybody's rounds will do: those of a survivor, not the furthest of all.
      const size_t survivor = (victim + 1 + random() % (members - 1)) % members;
      if (done == members) finished = left[survivor];
      if (left[survivor]) so_far = left[survivor];
    }
    ASSERT_TRUE(finished.has_value());
    ExpectSame(*finished, *expected);
  }
}

INSTANTIATE_TEST_SUITE_P(AllLosses, Members,
                         testing::ValuesIn(AllLosses().begin(), AllLosses().end()),
                         [](const auto& info) { return std::string(info.param->name); });

}  // namespace
}  // namespace ramet
