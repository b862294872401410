// Leaf values of a tree of a million rows on two threads.
#include <benchmark/benchmark.h>

#include <random>

#include "ramet/boost/residuals.h"
#include "ramet/parallel/parallel.h"

namespace ramet {
namespace {

constexpr size_t kRows = 1'000'000;

void OfLeaves(benchmark::State& state, size_t num_leaves, double quantile, bool weighted) {
  std::mt19937_64 random(1);
  std::normal_distribution<double> normal;
  std::vector<double> labels(kRows), scores(kRows);
  std::vector<float> weights;
  std::vector<LeafIndex> leaf_of_row;
  for (size_t row = 0; row < kRows; ++row) {
    labels[row] = normal(random);
    scores[row] = normal(random) / 4;
    if (weighted) weights.push_back(static_cast<float>(random() % 1000) / 100);
    leaf_of_row.push_back(static_cast<LeafIndex>(random() % num_leaves));
  }
  Context context;
  context.threads = 2;
  RunOnThreads(context, [&] {
    ResidualQuantiles quantiles(context, quantile, labels, weights);
    for (auto _ : state)
      benchmark::DoNotOptimize(quantiles.OfLeaves(num_leaves, leaf_of_row, scores));
  });
}

#define RAMET_OF_LEAVES(name, ...) \
  BENCHMARK_CAPTURE(OfLeaves, name, __VA_ARGS__)->Unit(benchmark::kMillisecond)->UseRealTime()
RAMET_OF_LEAVES(one_leaf_median, 1, 0.5, false);
RAMET_OF_LEAVES(leaves_255_median, 255, 0.5, false);
RAMET_OF_LEAVES(leaves_255_quantile, 255, 0.9, false);
RAMET_OF_LEAVES(leaves_255_weighted, 255, 0.9, true);
RAMET_OF_LEAVES(leaves_30000, 30'000, 0.5, false);

}  // namespace
}  // namespace ramet
