// Prediction with 100 trees of 31 leaves on 28 features: few rows, where fixed costs show, and
// many.
#include <benchmark/benchmark.h>

#include <cmath>
#include <numeric>
#include <random>

#include "ramet/parallel/parallel.h"
#include "ramet/predict/predict.h"
#include "ramet/predict/replay.h"
#include "ramet/table/testing.h"

namespace ramet {
namespace {

constexpr size_t kFeatures = 28, kTrees = 100, kLeaves = 31;
using Random = std::mt19937_64;

Tree RandomTree(Random& random) {
  std::normal_distribution<double> normal;
  Tree tree;
  tree.nodes.resize(1);
  std::vector<size_t> leaves = {0};
  while (leaves.size() < kLeaves) {
    const size_t at = random() % leaves.size(), leaf = leaves[at];
    const int32_t left = static_cast<int32_t>(tree.nodes.size());
    // Of at most 250 thresholds a feature, so that bins are bytes.
    tree.nodes[leaf] = {.feature = static_cast<int32_t>(random() % kFeatures),
                        .left = left,
                        .threshold = std::round(normal(random) * 40) / 40,
                        .gain = 1};
    leaves[at] = tree.nodes.size();
    leaves.push_back(tree.nodes.size() + 1);
    for (int child = 0; child < 2; ++child) tree.nodes.push_back({.value = normal(random)});
  }
  return tree;
}

Model LogisticModel() {
  Random random(1);
  Model model;
  model.loss = "logistic";
  model.classes = {CategoryKey(int64_t{0}), CategoryKey(int64_t{1})};
  model.base_scores = {0.5};
  model.features.resize(kFeatures);
  for (size_t f = 0; f < kFeatures; ++f) {
    model.feature_names.push_back("column_" + std::to_string(f));
    model.feature_types.push_back("f");
  }
  for (size_t t = 0; t < kTrees; ++t) model.trees.push_back(RandomTree(random));
  return model;
}

struct Setting {
  explicit Setting(size_t rows) : predictor(model), values(rows * kFeatures) {
    Random random(2);
    std::normal_distribution<float> normal;
    for (float& value : values) value = normal(random);
    context.threads = 2;
    context.isa = SupportedIsas().back();
    matrix = {ValueType::kFloat32,       values.data(), rows, kFeatures,
              kFeatures * sizeof(float), sizeof(float)};
  }
  Model model = LogisticModel();
  Predictor predictor;
  std::vector<float> values;
  Context context;
  MatrixView matrix;
};

void RawScoresOfMatrix(benchmark::State& state) {
  const Setting setting(static_cast<size_t>(state.range(0)));
  for (auto _ : state)
    benchmark::DoNotOptimize(setting.predictor.RawScores(setting.context, setting.matrix));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
void RawScoresOfTable(benchmark::State& state) {
  const Setting setting(static_cast<size_t>(state.range(0)));
  TestTable columns;
  for (size_t f = 0; f < kFeatures; ++f) {
    std::vector<float> column;
    for (size_t i = 0; i < setting.matrix.rows; ++i)
      column.push_back(setting.values[i * kFeatures + f]);
    columns.Add(setting.model.feature_names[f], column);
  }
  const Table table = columns.ToTable();
  for (auto _ : state)
    benchmark::DoNotOptimize(setting.predictor.RawScores(setting.context, table));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
void ResponseAndClasses(benchmark::State& state) {
  const Setting setting(static_cast<size_t>(state.range(0)));
  const Buffer<double> scores = *setting.predictor.RawScores(setting.context, setting.matrix);
  for (auto _ : state) {
    benchmark::DoNotOptimize(Response(setting.context, setting.model, scores));
    benchmark::DoNotOptimize(PredictedClasses(setting.model, scores));
  }
}
// Items are pairs of a row and a tree.
void ReplayOnBins(benchmark::State& state) {
  const size_t rows = 1'000'000;
  const Setting setting(rows);
  std::vector<StridedColumn> columns;
  for (size_t f = 0; f < kFeatures; ++f)
    columns.push_back({setting.model.feature_names[f], setting.matrix.column(f)});
  columns.push_back({"y", setting.matrix.column(0)});
  DataSpec spec;
  spec.label = "y";
  const Dataset data =
      *MakeDataset(setting.context, *Table::FromColumns(columns, nullptr), spec, {});
  // Trees at the edges of these bins: a full one has 2^depth leaves.
  Random random(3);
  Model model = setting.model;
  model.trees.clear();
  for (size_t t = 0; t < 20; ++t) {
    Tree tree;
    const size_t splits = (size_t{1} << state.range(0)) - 1;
    tree.nodes.resize(1);
    for (size_t i = 0; i < splits; ++i) {
      const size_t f = random() % kFeatures;
      const std::vector<double>& edges = data.mapper.features[f].thresholds;
      tree.nodes[i] = {.feature = static_cast<int32_t>(f),
                       .left = static_cast<int32_t>(2 * i + 1),
                       .threshold = edges[random() % edges.size()],
                       .gain = 1};
      for (int child = 0; child < 2; ++child) tree.nodes.push_back({.value = 0.125});
    }
    model.trees.push_back(std::move(tree));
  }
  std::vector<double> scores(rows, 0);
  for (auto _ : state)
    RunOnThreads(setting.context, [&] {
      benchmark::DoNotOptimize(ReplayTrees(setting.context, model, 0, data, scores));
    });
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(rows * model.trees.size()));
}
BENCHMARK(ReplayOnBins)->Arg(5)->Arg(8)->UseRealTime()->MeasureProcessCPUTime();
BENCHMARK(RawScoresOfMatrix)
    ->Arg(1)
    ->Arg(4)
    ->Arg(10)
    ->Arg(32)
    ->Arg(100)
    ->Arg(1000)
    ->Arg(500'000)
    ->UseRealTime();
BENCHMARK(RawScoresOfTable)->Arg(1)->Arg(10)->Arg(100)->Arg(1000)->Arg(500'000)->UseRealTime();
BENCHMARK(ResponseAndClasses)->Arg(1)->Arg(500'000)->UseRealTime();

}  // namespace
}  // namespace ramet
