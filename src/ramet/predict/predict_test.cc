#include "ramet/predict/predict.h"

#include <gtest/gtest.h>

#include <atomic>
#include <bit>
#include <cstdlib>
#include <limits>
#include <set>
#include <string>

#include "ramet/base/isa.h"
#include "ramet/model/testing.h"
#include "ramet/predict/testing.h"
#include "ramet/table/testing.h"

namespace ramet {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr uint64_t kSeeds = 300;

// Random rows for a model, as a table (columns in reverse, with one that is not the model's) and as
// cells.
struct Rows {
  TestTable table;
  std::vector<NaiveRow> cells;
};

template <class Key>
void AddKeys(const Rows& rows, size_t feature, const std::string& name, TestTable& table) {
  std::vector<std::optional<Key>> column;
  for (const NaiveRow& row : rows.cells)
    column.push_back(row[feature].key ? std::optional(std::get<Key>(*row[feature].key))
                                      : std::nullopt);
  if constexpr (std::is_same_v<Key, std::string>) {
    if (feature % 2 == 0) {
      table.AddCategory(name, column);
      return;
    }
  }
  table.Add(name, column);
}

Rows RandomRows(const Model& model, RandomDraws& draws, size_t count) {
  Rows rows;
  rows.cells.assign(count, NaiveRow(model.features.size()));
  rows.table.Add("not of the model", std::vector<int32_t>(count, 7));
  for (size_t f = model.features.size(); f-- > 0;) {
    const ModelFeature& feature = model.features[f];
    const std::string& name = model.feature_names[f];
    if (feature.kind == FeatureKind::kNumeric) {
      const std::vector<double> points = TippingPoints(model, f);
      const bool narrow = draws.Chance(20);
      std::vector<double> column;
      for (NaiveRow& row : rows.cells) {
        const double value = draws.Chance(70) ? points[draws.Below(points.size())] : draws.Value();
        row[f].number = narrow ? static_cast<double>(static_cast<float>(value)) : value;
        column.push_back(row[f].number);
      }
      if (narrow)
        rows.table.Add(name, std::vector<float>(column.begin(), column.end()));
      else
        rows.table.Add(name, column);
      continue;
    }
    // A column holds integers or strings: keys of the other kind stay unseen.
    const bool integers = draws.Chance(50);
    std::vector<CategoryKey> keys;
    for (const CategoryKey& key : feature.categories)
      if (std::holds_alternative<int64_t>(key) == integers) keys.push_back(key);
    for (int i = 0; i < 3; ++i)
      keys.push_back(integers ? CategoryKey(static_cast<int64_t>(draws.Next()))
                              : CategoryKey("unseen " + std::to_string(i)));
    for (NaiveRow& row : rows.cells)
      if (!draws.Chance(15)) row[f].key = keys[draws.Below(keys.size())];
    if (integers)
      AddKeys<int64_t>(rows, f, name, rows.table);
    else
      AddKeys<std::string>(rows, f, name, rows.table);
  }
  return rows;
}

void ExpectBits(double value, double expected) {
  ASSERT_EQ(std::bit_cast<uint64_t>(value), std::bit_cast<uint64_t>(expected))
      << value << " for " << expected;
}

// Every way of predicting against the walk that testing.h spells out.
void ExpectNaive(const Context& context, const Model& model, const Rows& rows, const Table& table) {
  const Predictor predictor(model);
  const size_t outputs = model.num_outputs(), rounds = model.num_rounds(),
               count = rows.cells.size();
  for (const size_t limit : {size_t{0}, size_t{1}, rounds + 3}) {
    const Result<Buffer<double>> scores = predictor.RawScores(context, table, limit);
    ASSERT_TRUE(scores.ok()) << scores.error().message;
    ASSERT_EQ(scores->size(), count * outputs);
    for (size_t i = 0; i < count; ++i) {
      const std::vector<double> expected =
          NaiveScores(model, rows.cells[i], limit == 0 ? rounds : std::min(limit, rounds));
      for (size_t k = 0; k < outputs; ++k)
        ASSERT_NO_FATAL_FAILURE(ExpectBits((*scores)[i * outputs + k], expected[k]));
    }
  }
  const Result<Buffer<int32_t>> leaves = predictor.Leaves(context, table);
  ASSERT_TRUE(leaves.ok());
  ASSERT_EQ(leaves->size(), count * model.trees.size());
  for (size_t i = 0; i < count; ++i)
    for (size_t t = 0; t < model.trees.size(); ++t)
      ASSERT_EQ((*leaves)[i * model.trees.size() + t],
                NaiveLeaf(model, model.trees[t], rows.cells[i]));
  size_t stages = 0;
  const Status staged =
      predictor.StagedRawScores(context, table, [&](size_t round, const Buffer<double>& scores) {
        EXPECT_EQ(round, ++stages);
        for (size_t i = 0; i < count; ++i) {
          const std::vector<double> expected = NaiveScores(model, rows.cells[i], round);
          for (size_t k = 0; k < outputs; ++k) ExpectBits(scores[i * outputs + k], expected[k]);
        }
      });
  ASSERT_TRUE(staged.ok());
  ASSERT_EQ(stages, rounds);
}

TEST(Predictor, EqualsTheNaiveWalkOnRandomModelsAndTippingPoints) {
  const std::vector<Isa> isas = SupportedIsas();
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Model model = RandomModel(seed);
    RandomDraws draws(seed ^ 0x510e527f);
    const Rows rows = RandomRows(model, draws, draws.Chance(10) ? 1100 : draws.Below(70));
    Context context;
    context.threads = 1 + static_cast<int>(draws.Below(3));
    context.isa = isas[draws.Below(isas.size())];
    const auto next = [&] { return draws.Next(); };
    const std::vector<size_t> chunks = RandomChunkSizes(rows.cells.size(), next);
    const Slices slices{draws.Below(3), draws.Below(3)};
    ASSERT_NO_FATAL_FAILURE(ExpectNaive(context, model, rows, rows.table.ToTable(chunks, slices)));
  }
}

// Bins of one, two and four bytes, and the numbers of thresholds at which they change.
TEST(Predictor, EveryWidthOfBins) {
  for (const size_t thresholds :
       {252u, 253u, 254u, 255u, 256u, 65532u, 65533u, 65534u, 65535u, 65536u, 70000u}) {
    SCOPED_TRACE(std::to_string(thresholds) + " thresholds");
    const Model model = ModelOfManyThresholds(thresholds);
    ASSERT_TRUE(Validate(model).ok()) << Validate(model).error().message;
    Rows rows;
    std::vector<double> x = {kMissing, kInfinity, -kInfinity, -1, 0, 0.5};
    for (size_t i = 0; i < 6; ++i) {
      const double near_last = static_cast<double>(thresholds - i);
      x.insert(x.end(), {near_last, near_last + 0.5, std::nextafter(near_last, 0)});
    }
    for (const double value : x) rows.cells.push_back({{value, {}}, {0, {}}});
    rows.table.Add("x", x).Add("z", x);
    Context context;
    for (const Isa isa : SupportedIsas()) {
      context.isa = isa;
      ASSERT_NO_FATAL_FAILURE(ExpectNaive(context, model, rows, rows.table.ToTable()));
    }
  }
}

TEST(Predictor, AnInfiniteThresholdPartsPresentFromMissing) {
  Model model = ModelOfManyThresholds(1);
  model.trees[0].nodes[0].threshold = kInfinity;
  model.trees[0].nodes[0].missing_left = false;
  ASSERT_TRUE(Validate(model).ok()) << Validate(model).error().message;
  Rows rows;
  const std::vector<double> x = {kMissing, kInfinity, -kInfinity, 0,
                                 std::numeric_limits<double>::max()};
  for (const double value : x) rows.cells.push_back({{value, {}}, {0, {}}});
  rows.table.Add("x", x).Add("z", x);
  ASSERT_NO_FATAL_FAILURE(ExpectNaive(Context(), model, rows, rows.table.ToTable()));
}

TEST(Predictor, NamesAColumnThatIsMissingOrUnfit) {
  const Model model = ModelOfManyThresholds(3);
  const auto message = [&](const TestTable& table) {
    const Result<Buffer<double>> scores = Predictor(model).RawScores(Context(), table.ToTable());
    return scores.ok() ? std::string("no error") : scores.error().message;
  };
  const std::vector<double> numbers = {1, 2};
  const std::vector<std::string> texts = {"a", "b"};
  EXPECT_NE(message(TestTable().Add("x", numbers)).find("\"z\""), std::string::npos);
  EXPECT_NE(message(TestTable().Add("x", texts).Add("z", numbers)).find("\"x\""),
            std::string::npos);
}

TEST(Predictor, AFractionIsAnUnknownCategory) {
  Model model = ModelOfManyThresholds(3);
  model.features[1].kind = FeatureKind::kCategorical;
  model.features[1].categories = {CategoryKey(int64_t{1})};
  Tree tree;
  tree.nodes.resize(3);
  tree.nodes[0] = {.feature = 1, .left = 1, .gain = 1, .category_set = 0};
  tree.nodes[1].value = 1;
  tree.nodes[2].value = 2;
  tree.category_sets = {{.bits = {1}}};
  model.trees.push_back(tree);
  const double infinity = std::numeric_limits<double>::infinity();
  const TestTable table = TestTable()
                              .Add("x", std::vector<double>(5, 0))
                              .Add("z", std::vector<double>{9, 0.5, infinity, 1e300, 1});
  const Buffer<double> scores = *Predictor(model).RawScores(Context(), table.ToTable());
  for (size_t row = 1; row < 4; ++row) EXPECT_EQ(scores[row], scores[0]) << row;
  EXPECT_EQ(scores[4], scores[0] - 1);
}

// A file whose section was damaged and whose checksums were made right again is refused, or
// predicts what its trees say. RAMET_FUZZ_ITERATIONS=n makes it as long as one likes.
TEST(Predictor, FuzzOfDamagedModelsPredictsSafely) {
  const char* wish = std::getenv("RAMET_FUZZ_ITERATIONS");
  const uint64_t iterations = wish != nullptr ? std::strtoull(wish, nullptr, 10) : 4'000;
  Context context;
  context.isa = SupportedIsas().back();
  uint64_t predicted = 0;
  Model model;
  for (uint64_t seed = 0; seed < iterations; ++seed) {
    if (seed % 16 == 0) model = RandomModel(seed / 16);
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    const Result<Model> loaded = Deserialize(DamagedFile(model, seed));
    if (!loaded.ok()) continue;
    RandomDraws draws(seed);
    const Rows rows = RandomRows(*loaded, draws, 20);
    const Table table = rows.table.ToTable();
    const Result<Buffer<double>> scores = Predictor(*loaded).RawScores(context, table);
    if (!scores.ok()) continue;  // it names a loss or columns that do not fit
    ++predicted;
    const std::set<std::string> names(loaded->feature_names.begin(), loaded->feature_names.end());
    if (names.size() < loaded->feature_names.size()) continue;  // cells and columns part ways
    for (size_t i = 0; i < rows.cells.size(); ++i) {
      const std::vector<double> expected =
          NaiveScores(*loaded, rows.cells[i], loaded->num_rounds());
      for (size_t k = 0; k < expected.size(); ++k)
        ExpectBits((*scores)[i * expected.size() + k], expected[k]);
    }
    Response(context, *loaded, *scores);
  }
  EXPECT_GT(predicted, iterations / 100);
}

TEST(Predictor, NoRowsAndNoTrees) {
  Model model = ModelOfManyThresholds(2);
  const std::vector<double> none;
  EXPECT_EQ(Predictor(model)
                .RawScores(Context(), TestTable().Add("x", none).Add("z", none).ToTable())
                ->size(),
            0u);
  model.trees.clear();
  const std::vector<double> x = {1, 2};
  const Result<Buffer<double>> scores =
      Predictor(model).RawScores(Context(), TestTable().Add("x", x).Add("z", x).ToTable());
  ASSERT_EQ(scores->size(), 2u);
  EXPECT_EQ((*scores)[1], 0.125);
}

TEST(Predictor, StopsWhenCancelled) {
  const Model model = ModelOfManyThresholds(2);
  const std::atomic<bool> cancelled = true;
  Context context;
  context.cancelled = &cancelled;
  const Predictor predictor(model);
  for (const size_t rows : {size_t{1}, size_t{100}, size_t{2000}}) {
    const std::vector<double> values(2 * rows, 1);
    const MatrixView matrix{ValueType::kFloat64, values.data(), rows, 2, 16, 8};
    const auto code = [](const auto& result) {
      return result.ok() ? ErrorCode::kIo : result.error().code;
    };
    EXPECT_EQ(code(predictor.RawScores(context, matrix)), ErrorCode::kCancelled);
    EXPECT_EQ(code(predictor.Leaves(context, matrix)), ErrorCode::kCancelled);
    EXPECT_EQ(code(predictor.Stage(context, matrix)), ErrorCode::kCancelled);
    Result<StagedScores> staged = predictor.Stage(Context(), matrix);
    ASSERT_TRUE(staged.ok());
    EXPECT_EQ(code(staged->Next(context)), ErrorCode::kCancelled);
  }
}

Model ModelOf(const std::string& loss, size_t classes, size_t outputs) {
  Model model;
  model.loss = loss;
  for (size_t k = 0; k < classes; ++k) model.classes.emplace_back(static_cast<int64_t>(k));
  model.base_scores.assign(outputs, 0);
  return model;
}

Buffer<double> ScoresOf(std::initializer_list<double> values) {
  Buffer<double> scores(values.size());
  std::copy(values.begin(), values.end(), scores.begin());
  return scores;
}

TEST(Response, ProbabilitiesSumToOneForAllScores) {
  RandomDraws draws(5);
  for (const size_t outputs : {size_t{1}, size_t{4}}) {
    const Model model = outputs == 1 ? ModelOf("logistic", 2, 1) : ModelOf("softmax", 4, 4);
    Buffer<double> scores(4000);
    for (double& score : scores.span())
      score = draws.Value() * (draws.Chance(10) ? 1e4 : draws.Chance(50) ? 10 : 1);
    const Buffer<double> response = Response(Context(), model, scores);
    const size_t width = model.classes.size(), rows = scores.size() / outputs;
    ASSERT_EQ(response.size(), rows * width);
    const std::vector<uint32_t> classes = PredictedClasses(model, scores);
    for (size_t i = 0; i < rows; ++i) {
      double total = 0;
      for (size_t k = 0; k < width; ++k) {
        const double p = response[i * width + k];
        ASSERT_GE(p, 0) << "row " << i;
        ASSERT_LE(p, 1) << "row " << i;
        ASSERT_LE(p, response[i * width + classes[i]]) << "row " << i;
        total += p;
      }
      ASSERT_NEAR(total, 1, 1e-15 * 8) << "row " << i;
    }
  }
}

TEST(Response, OfRegressionIsTheScore) {
  const Buffer<double> response =
      Response(Context(), ModelOf("squared_error", 0, 1), ScoresOf({1.5, -2}));
  ASSERT_EQ(response.size(), 2u);
  EXPECT_EQ(response[0], 1.5);
  EXPECT_EQ(response[1], -2);
}

TEST(PredictedClasses, TiesGoToTheLowerClass) {
  EXPECT_EQ(PredictedClasses(ModelOf("logistic", 2, 1), ScoresOf({0, -0.0, 1e-300, -1e-300})),
            (std::vector<uint32_t>{0, 0, 1, 0}));
  EXPECT_EQ(PredictedClasses(ModelOf("softmax", 3, 3), ScoresOf({1, 1, 1, 0, 2, 2, 5, 1, 5})),
            (std::vector<uint32_t>{0, 1, 0}));
}

}  // namespace
}  // namespace ramet
