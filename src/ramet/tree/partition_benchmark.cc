// Dividing a million rows in two, by the bins of a threshold and by those of a set of categories.
#include <benchmark/benchmark.h>

#include <random>

#include "ramet/parallel/parallel.h"
#include "ramet/tree/partition.h"

namespace ramet {
namespace {

void Divide(benchmark::State& state, bool threshold) {
  constexpr size_t kRows = 1'000'000;
  std::mt19937_64 random(1);
  std::vector<uint8_t> column(kRows + 3);
  for (uint8_t& bin : column) bin = static_cast<uint8_t>(random());
  BinSet left;
  for (size_t bin = 1; bin < 256; bin += threshold ? 1 : 2)
    if (!threshold || bin < 128) left.Insert(bin);
  Context context;
  context.threads = 2;
  context.isa = SupportedIsas().back();
  RowPartition partition(context.isa, kRows);
  RunOnThreads(context, [&] {
    for (auto _ : state) {
      partition.ResetToAll(kRows);
      benchmark::DoNotOptimize(partition.Split(0, kRows, column.data(), left));
    }
  });
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * kRows));
}
BENCHMARK_CAPTURE(Divide, threshold, true)->Unit(benchmark::kMicrosecond)->UseRealTime();
BENCHMARK_CAPTURE(Divide, categories, false)->Unit(benchmark::kMicrosecond)->UseRealTime();

}  // namespace
}  // namespace ramet
