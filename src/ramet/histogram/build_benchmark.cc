// Histograms of 28 features on two threads: a million rows in order, and every eighth of them.
#include <benchmark/benchmark.h>

#include <random>

#include "ramet/histogram/histogram.h"
#include "ramet/parallel/parallel.h"

namespace ramet {
namespace {

constexpr size_t kRows = 1'000'000, kFeatures = 28;

void Build(benchmark::State& state, bool packed, size_t every) {
  std::mt19937_64 random(1);
  BinMapper mapper;
  FeatureBins feature;
  feature.has_values = true;
  feature.thresholds.resize(254);
  mapper.features.assign(kFeatures, feature);
  BinnedMatrix bins(kRows, kFeatures);
  for (size_t row = 0; row < kRows; ++row)
    for (size_t f = 0; f < kFeatures; ++f)
      bins.mutable_row(row)[f] = static_cast<uint8_t>(random());
  QuantisedGradients gradients;
  gradients.format.packed = packed;
  gradients.words = Buffer<uint64_t>::Zeroed(kRows * gradients.format.words_per_row());
  std::vector<uint32_t> rows;
  for (uint32_t row = 0; row < kRows; ++row)
    if (random() % every == 0) rows.push_back(row);
  Context context;
  context.threads = 2;
  context.isa = SupportedIsas().back();
  HistogramBuilder builder(context, bins, HistogramLayout(mapper));
  RunOnThreads(context, [&] {
    for (auto _ : state)
      builder.Recycle(builder.Build(gradients, {every == 1 ? nullptr : rows.data(), rows.size()}));
  });
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * rows.size() * kFeatures));
}
BENCHMARK_CAPTURE(Build, packed_all, true, 1)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(Build, packed_eighth, true, 8)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(Build, wide_all, false, 1)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(Build, wide_eighth, false, 8)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace ramet
