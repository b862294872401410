// Metrics of a million rows on two threads.
#include <benchmark/benchmark.h>

#include <random>

#include "ramet/metric/metric.h"

namespace ramet {
namespace {

void Compute(benchmark::State& state, const char* name, size_t num_rows, bool weighted) {
  std::mt19937_64 random(1);
  std::normal_distribution<double> normal;
  std::vector<double> scores, labels;
  std::vector<float> weights;
  for (size_t i = 0; i < num_rows; ++i) {
    labels.push_back(static_cast<double>(random() % 2));
    scores.push_back(normal(random) + labels.back());
    if (weighted) weights.push_back(static_cast<float>(random() % 1000) / 100);
  }
  Context context;
  context.threads = 2;
  context.isa = SupportedIsas().back();
  const Metric& metric = **FindMetric(name);
  for (auto _ : state)
    benchmark::DoNotOptimize(metric.compute(context, {scores, 1, labels, weights}));
}

constexpr size_t kMillion = 1000000;
BENCHMARK_CAPTURE(Compute, logloss, "logloss", kMillion, false)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(Compute, logloss_weighted, "logloss", kMillion, true)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(Compute, rmse, "rmse", kMillion, false)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(Compute, auc_sort, "auc", kMillion, false)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(Compute, auc_sort_weighted, "auc", kMillion, true)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(Compute, auc_cells, "auc", 5 * kMillion, false)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(Compute, average_precision, "average_precision", kMillion, false)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(Compute, mean_poisson_deviance, "mean_poisson_deviance", kMillion, false)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace
}  // namespace ramet
