// Matrices by position, rows alone, and many threads at once: the same predictions as of tables.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <string>
#include <thread>

#include "ramet/base/isa.h"
#include "ramet/model/testing.h"
#include "ramet/predict/predict.h"
#include "ramet/predict/testing.h"
#include "ramet/table/strided_testing.h"
#include "ramet/table/testing.h"

namespace ramet {
namespace {

constexpr uint64_t kSeeds = 300;

void ExpectBits(double value, double expected) {
  ASSERT_EQ(std::bit_cast<uint64_t>(value), std::bit_cast<uint64_t>(expected))
      << value << " for " << expected;
}

// Numbers for every feature: whole ones where they are keys.
template <class T>
std::vector<std::vector<T>> RandomNumbers(const Model& model, RandomDraws& draws, size_t count) {
  std::vector<std::vector<T>> columns(model.features.size(), std::vector<T>(count));
  for (size_t f = 0; f < columns.size(); ++f) {
    const std::vector<double> points = TippingPoints(model, f);
    for (T& value : columns[f]) {
      if (model.features[f].kind == FeatureKind::kCategorical || std::is_integral_v<T>)
        value = static_cast<T>(draws.Below(100));
      else
        value = static_cast<T>(points[draws.Below(points.size())]);
    }
  }
  return columns;
}

// A matrix of any strides, by position, predicts as its columns do by name through Arrow.
template <class T>
void ExpectMatrixAsTable(ValueType type, uint64_t seed) {
  const Model model = RandomModel(seed);
  if (model.features.empty()) return;
  RandomDraws draws(seed ^ 0x9b05688c);
  const auto next = [&] { return draws.Next(); };
  const size_t count = 1 + (draws.Chance(20) ? draws.Below(1100) : draws.Below(20));
  const std::vector<std::vector<T>> columns = RandomNumbers<T>(model, draws, count);
  const StridedMatrix matrix(type, columns, next);
  TestTable table;
  for (size_t f = columns.size(); f-- > 0;) table.Add(model.feature_names[f], columns[f]);
  Context context;
  context.threads = 1 + static_cast<int>(draws.Below(2));
  context.isa = SupportedIsas()[draws.Below(SupportedIsas().size())];
  const Predictor predictor(model);
  const Table arrow = table.ToTable(RandomChunkSizes(count, next));
  const size_t rounds = draws.Below(4);
  const auto scores = predictor.RawScores(context, matrix.view(), rounds);
  const auto expected = predictor.RawScores(context, arrow, rounds);
  ASSERT_TRUE(scores.ok() && expected.ok());
  ASSERT_EQ(scores->size(), expected->size());
  for (size_t i = 0; i < scores->size(); ++i)
    ASSERT_NO_FATAL_FAILURE(ExpectBits((*scores)[i], (*expected)[i]));
  const auto leaves = predictor.Leaves(context, matrix.view());
  const auto expected_leaves = predictor.Leaves(context, arrow);
  ASSERT_TRUE(leaves.ok() && expected_leaves.ok());
  ASSERT_TRUE(
      std::equal(leaves->begin(), leaves->end(), expected_leaves->begin(), expected_leaves->end()));
  Result<StagedScores> staged = predictor.Stage(context, matrix.view());
  ASSERT_TRUE(staged.ok());
  for (size_t round = 1; round <= model.num_rounds(); ++round) {
    ASSERT_TRUE(*staged->Next(context));
    ASSERT_EQ(staged->round(), round);
    const auto limited = predictor.RawScores(context, arrow, round);
    for (size_t i = 0; i < limited->size(); ++i)
      ASSERT_NO_FATAL_FAILURE(ExpectBits(staged->scores()[i], (*limited)[i]));
  }
  ASSERT_FALSE(*staged->Next(context));
}

TEST(Predictor, AMatrixPredictsAsItsColumns) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    ASSERT_NO_FATAL_FAILURE(ExpectMatrixAsTable<double>(ValueType::kFloat64, seed));
    ASSERT_NO_FATAL_FAILURE(ExpectMatrixAsTable<float>(ValueType::kFloat32, seed));
    ASSERT_NO_FATAL_FAILURE(ExpectMatrixAsTable<int8_t>(ValueType::kInt8, seed));
  }
}

// Few rows take another way than many: a row's scores and leaves do not depend on its company.
TEST(Predictor, RowsAlonePredictAsAmongOthers) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Model model = RandomModel(seed);
    if (model.features.empty()) continue;
    RandomDraws draws(seed ^ 0x1f83d9ab);
    const auto next = [&] { return draws.Next(); };
    const size_t count = 40, outputs = model.num_outputs(), trees = model.trees.size();
    const StridedMatrix matrix(ValueType::kFloat64, RandomNumbers<double>(model, draws, count),
                               next);
    const Predictor predictor(model);
    Context context;
    context.isa = SupportedIsas()[draws.Below(SupportedIsas().size())];
    const size_t rounds = draws.Below(3);
    const Buffer<double> scores = *predictor.RawScores(context, matrix.view(), rounds);
    const Buffer<int32_t> leaves = *predictor.Leaves(context, matrix.view());
    for (size_t begin = 0; begin < count;) {
      MatrixView part = matrix.view();
      part.rows = std::min(count - begin, 1 + draws.Below(6));
      part.data = static_cast<const char*>(part.data) +
                  static_cast<ptrdiff_t>(begin) * part.row_stride_bytes;
      const Buffer<double> some = *predictor.RawScores(context, part, rounds);
      const Buffer<int32_t> some_leaves = *predictor.Leaves(context, part);
      for (size_t i = 0; i < part.rows * outputs; ++i)
        ASSERT_NO_FATAL_FAILURE(ExpectBits(some[i], scores[begin * outputs + i]));
      for (size_t i = 0; i < part.rows * trees; ++i)
        ASSERT_EQ(some_leaves[i], leaves[begin * trees + i]);
      begin += part.rows;
    }
  }
}

// Wide bins, and trees with categorical splits among others.
TEST(Predictor, RowsAloneWithManyThresholds) {
  for (const size_t thresholds : {200u, 300u, 70000u}) {
    const Predictor predictor(ModelOfManyThresholds(thresholds));
    std::vector<double> values;
    for (size_t i = 0; i < 20; ++i)
      values.insert(values.end(), {static_cast<double>(i * thresholds / 19), 0});
    MatrixView matrix{ValueType::kFloat64, values.data(), 20, 2,
                      2 * sizeof(double),  sizeof(double)};
    const Buffer<double> scores = *predictor.RawScores(Context(), matrix);
    matrix.rows = 1;
    for (size_t i = 0; i < 20; ++i) {
      matrix.data = values.data() + 2 * i;
      ASSERT_EQ((*predictor.RawScores(Context(), matrix))[0], scores[i]);
    }
  }
}

TEST(Predictor, ServesManyThreadsAtOnce) {
  const Model model = RandomModel(11);
  ASSERT_FALSE(model.features.empty());
  RandomDraws draws(1);
  const auto next = [&] { return draws.Next(); };
  constexpr size_t kRows = 3000;
  const StridedMatrix matrix(ValueType::kFloat64, RandomNumbers<double>(model, draws, kRows), next);
  const Predictor predictor(model);
  const Buffer<double> expected = *predictor.RawScores(Context(), matrix.view());
  std::atomic<size_t> wrong = 0;
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      Context context;
      context.threads = 1 + static_cast<int>(t % 3);
      context.isa = SupportedIsas()[t % SupportedIsas().size()];
      for (size_t rows : {size_t{1}, size_t{3}, size_t{100}, kRows}) {
        MatrixView part = matrix.view();
        part.rows = rows;
        const Result<Buffer<double>> scores = predictor.RawScores(context, part);
        if (!scores.ok() || !std::equal(scores->begin(), scores->end(), expected.begin())) ++wrong;
        Response(context, model, *scores);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0u);
}

TEST(Predictor, RefusesAMatrixOfAnotherWidth) {
  const Model model = RandomModel(1);
  const double value = 0;
  const MatrixView matrix{ValueType::kFloat64, &value, 1, model.features.size() + 1, 0, 0};
  const Result<Buffer<double>> scores = Predictor(model).RawScores(Context(), matrix);
  ASSERT_FALSE(scores.ok());
  EXPECT_EQ(scores.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(scores.error().message,
            "the matrix has " + std::to_string(matrix.columns) + " columns, but the model has " +
                std::to_string(model.features.size()) +
                " features. Give it the columns it was trained on, in that order.");
}

}  // namespace
}  // namespace ramet
