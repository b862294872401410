// Binning a million rows of 28 features on two threads: Arrow columns, and matrices of either
// order.
#include <benchmark/benchmark.h>

#include <numeric>
#include <random>

#include "ramet/bins/bins.h"
#include "ramet/bins/testing.h"
#include "ramet/table/testing.h"

namespace ramet {
namespace {

constexpr size_t kRows = 1'000'000, kFeatures = 28;

Table ArrowTable() {
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

template <class T>
Table MatrixTable(ValueType type, bool row_major, size_t features = kFeatures,
                  size_t rows = kRows) {
  std::mt19937_64 random(1);
  std::normal_distribution<float> normal;
  auto values = std::make_shared<std::vector<T>>(rows * features);
  for (T& value : *values) value = normal(random);
  const ptrdiff_t size = sizeof(T);
  const ptrdiff_t row = row_major ? features : 1, column = row_major ? 1 : rows;
  const MatrixView matrix{type, values->data(), rows, features, row * size, column * size};
  std::vector<StridedColumn> columns;
  for (size_t f = 0; f < features; ++f)
    columns.push_back({"x" + std::to_string(f), matrix.column(f)});
  return *Table::FromColumns(std::move(columns), values);
}

void FindAndApply(benchmark::State& state, bool find, Table (*make)()) {
  Table table = make();
  Context context;
  context.threads = 2;
  context.isa = SupportedIsas().back();
  const size_t features = table.schema().fields.size();
  std::vector<size_t> columns(features);
  std::iota(columns.begin(), columns.end(), size_t{0});
  const std::vector<FeatureKind> kinds(features, FeatureKind::kNumeric);
  const BinMapper mapper = *FindBins(context, table, columns, kinds, {}, {});
  for (auto _ : state) {
    if (find)
      benchmark::DoNotOptimize(FindBins(context, table, columns, kinds, {}, {}));
    else
      benchmark::DoNotOptimize(ApplyBins(context, mapper, table, columns, false));
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * table.num_rows() * features));
}

Table FloatC() { return MatrixTable<float>(ValueType::kFloat32, true); }
Table FloatF() { return MatrixTable<float>(ValueType::kFloat32, false); }
Table DoubleC() { return MatrixTable<double>(ValueType::kFloat64, true); }
Table DoubleF() { return MatrixTable<double>(ValueType::kFloat64, false); }
// Rows of a page: every line of a column falls on the same sets of the caches.
Table WideC() { return MatrixTable<float>(ValueType::kFloat32, true, 1024, 30'000); }
Table WideF() { return MatrixTable<float>(ValueType::kFloat32, false, 1024, 30'000); }

#define RAMET_BINS_BENCHMARK(name, make)                     \
  BENCHMARK_CAPTURE(FindAndApply, find_##name, true, make)   \
      ->Unit(benchmark::kMillisecond)                        \
      ->UseRealTime()                                        \
      ->MeasureProcessCPUTime();                             \
  BENCHMARK_CAPTURE(FindAndApply, apply_##name, false, make) \
      ->Unit(benchmark::kMillisecond)                        \
      ->UseRealTime()                                        \
      ->MeasureProcessCPUTime()
RAMET_BINS_BENCHMARK(arrow, ArrowTable);
RAMET_BINS_BENCHMARK(float_c, FloatC);
RAMET_BINS_BENCHMARK(float_f, FloatF);
RAMET_BINS_BENCHMARK(double_c, DoubleC);
RAMET_BINS_BENCHMARK(double_f, DoubleF);
RAMET_BINS_BENCHMARK(wide_c, WideC);
RAMET_BINS_BENCHMARK(wide_f, WideF);
#undef RAMET_BINS_BENCHMARK

}  // namespace
}  // namespace ramet
