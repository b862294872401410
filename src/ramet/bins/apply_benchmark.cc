// Binning a million rows of 28 features on two threads.
#include <benchmark/benchmark.h>

#include <numeric>
#include <random>

#include "ramet/bins/bins.h"
#include "ramet/table/testing.h"

namespace ramet {
namespace {

constexpr size_t kRows = 1'000'000, kFeatures = 28;

Table RandomTable() {
  std::mt19937_64 random(1);
  std::normal_distribution<float> normal;
  TestTable table;
  for (size_t f = 0; f < kFeatures; ++f) {
    std::vector<float> values(kRows);
    for (float& value : values) value = normal(random);
    table.Add("x" + std::to_string(f), values);
  }
  return table.ToTable();
}

void FindAndApply(benchmark::State& state, bool find) {
  Table table = RandomTable();
  Context context;
  context.threads = 2;
  std::vector<size_t> columns(kFeatures);
  std::iota(columns.begin(), columns.end(), size_t{0});
  const std::vector<FeatureKind> kinds(kFeatures, FeatureKind::kNumeric);
  const BinMapper mapper = *FindBins(context, table, columns, kinds, {}, {});
  for (auto _ : state) {
    if (find)
      benchmark::DoNotOptimize(FindBins(context, table, columns, kinds, {}, {}));
    else
      benchmark::DoNotOptimize(ApplyBins(context, mapper, table, columns, false));
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * kRows * kFeatures));
}
BENCHMARK_CAPTURE(FindAndApply, find, true)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(FindAndApply, apply, false)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace ramet
