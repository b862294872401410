// The best split of a node: 28 features of 256 bins.
#include <benchmark/benchmark.h>

#include <random>

#include "ramet/split/testing.h"

namespace ramet {
namespace {

void Search(benchmark::State& state, FeatureKind kind) {
  std::mt19937_64 random(1);
  TestNode node;
  FeatureBins bins;
  bins.kind = kind;
  bins.has_values = true;
  bins.thresholds.resize(254);
  for (int64_t i = 0; i < kMaxCategoryBins; ++i) bins.categories.emplace_back(i);
  node.mapper.features.assign(28, bins);
  const HistogramLayout layout = node.layout();
  node.histogram = Histogram(layout.num_cells());
  for (size_t cell = 0; cell < layout.num_cells(); ++cell) {
    node.histogram.gradients()[cell] = static_cast<int64_t>(random() % 2001) - 1000;
    node.histogram.hessians()[cell] = 500;
    node.histogram.counts()[cell] = 1;
  }
  for (size_t cell = 0; cell < layout.num_bins(0); ++cell)
    node.sums = node.sums + node.histogram.cell(cell);
  Context context;
  context.isa = SupportedIsas().back();
  for (auto _ : state)
    benchmark::DoNotOptimize(FindBestSplit(context, layout, node.format, node.histogram, node.sums,
                                           node.parameters, {}));
}
BENCHMARK_CAPTURE(Search, numeric, FeatureKind::kNumeric)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(Search, categorical, FeatureKind::kCategorical)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace ramet
