// Bins of matrices in memory, of any type and strides, are those of their columns through Arrow.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <numeric>
#include <random>
#include <string>
#include <thread>

#include "ramet/bins/bins.h"
#include "ramet/bins/dataset.h"
#include "ramet/bins/testing.h"
#include "ramet/table/strided_testing.h"
#include "ramet/table/testing.h"

namespace ramet {
namespace {

using Random = std::mt19937_64;

template <class T>
void ExpectBinsOfColumns(ValueType type, uint64_t seed) {
  SCOPED_TRACE(testing::Message() << ValueTypeName(type) << ", seed " << seed);
  Random random(seed);
  const size_t num_rows = 1 + random() % 3000, num_columns = 1 + random() % 40;
  std::vector<std::vector<T>> values(num_columns, std::vector<T>(num_rows));
  std::vector<FeatureKind> kinds;
  std::vector<std::string> names;
  TestTable test;
  for (size_t j = 0; j < num_columns; ++j) {
    const uint64_t distinct = 1 + random() % 1000;
    for (T& value : values[j]) value = static_cast<T>(random() % distinct);
    const bool missing = std::is_floating_point_v<T> && random() % 2 == 0;
    if (missing)
      for (size_t i = 0; i < num_rows; i += 1 + random() % 9)
        values[j][i] = static_cast<T>(kMissing);
    kinds.push_back(random() % 4 == 0 ? FeatureKind::kCategorical : FeatureKind::kNumeric);
    names.push_back("x" + std::to_string(j));
    test.Add(names.back(), values[j]);
  }
  std::vector<float> weights;
  if (random() % 2 == 0)
    for (size_t i = 0; i < num_rows; ++i) weights.push_back(static_cast<float>(random() % 3));
  BinningParameters parameters;
  parameters.sample_rows = 1 + random() % 4000;
  Context context;
  context.threads = 1 + static_cast<int>(random() % 3);
  context.isa = SupportedIsas()[random() % SupportedIsas().size()];
  std::vector<size_t> columns(num_columns);
  std::iota(columns.begin(), columns.end(), size_t{0});
  std::shuffle(columns.begin(), columns.end(), random);

  const StridedMatrix matrix(type, values, random);
  Table strided = matrix.ToTable(names);
  Table arrow = test.ToTable(RandomChunkSizes(num_rows, random));
  const BinMapper mapper = *FindBins(context, strided, columns, kinds, weights, parameters);
  const BinMapper expected = *FindBins(context, arrow, columns, kinds, weights, parameters);
  const BinnedMatrix bins = *ApplyBins(context, mapper, strided, columns, random() % 2 == 0);
  const BinnedMatrix expected_bins = *ApplyBins(context, expected, arrow, columns, false);
  for (size_t f = 0; f < num_columns; ++f) {
    ASSERT_EQ(mapper.features[f].thresholds, expected.features[f].thresholds);
    ASSERT_EQ(mapper.features[f].categories, expected.features[f].categories);
    ASSERT_EQ(mapper.features[f].has_values, expected.features[f].has_values);
    for (size_t row = 0; row < num_rows; ++row) {
      ASSERT_EQ(bins.column(f)[row], expected_bins.column(f)[row]) << row << ", feature " << f;
      ASSERT_EQ(bins.row(row)[f], expected_bins.row(row)[f]) << row << ", feature " << f;
    }
  }
}

TEST(Bins, OfMatricesAreThoseOfTheirColumns) {
  for (uint64_t seed = 0; seed < 25; ++seed) {
    ASSERT_NO_FATAL_FAILURE(ExpectBinsOfColumns<float>(ValueType::kFloat32, seed));
    ASSERT_NO_FATAL_FAILURE(ExpectBinsOfColumns<double>(ValueType::kFloat64, seed));
    ASSERT_NO_FATAL_FAILURE(ExpectBinsOfColumns<int8_t>(ValueType::kInt8, seed));
    ASSERT_NO_FATAL_FAILURE(ExpectBinsOfColumns<uint16_t>(ValueType::kUInt16, seed));
    ASSERT_NO_FATAL_FAILURE(ExpectBinsOfColumns<int64_t>(ValueType::kInt64, seed));
  }
}

// Work that is stopped at once says so wherever it is.
TEST(MakeDataset, StopsWhenCancelled) {
  const std::atomic<bool> cancelled = true;
  Context context;
  context.cancelled = &cancelled;
  const TestTable table = TestTable()
                              .Add("x", std::vector<double>{1, 2})
                              .Add("c", std::vector<std::string>{"a", "b"})
                              .Add("w", std::vector<double>{1, 2})
                              .Add("y", std::vector<double>{0, 1});
  for (const bool classification : {false, true}) {
    for (const std::string weight : {"", "w"}) {
      for (const std::string feature : {"x", "c"}) {
        DataSpec spec;
        spec.label = "y";
        spec.weight = weight;
        spec.features = {feature};
        spec.classification = classification;
        const auto made = MakeDataset(context, table.ToTable(), spec, {}, nullptr,
                                      [](const Table&, Dataset&) -> Status {
                                        ADD_FAILURE() << "went on";
                                        return {};
                                      });
        ASSERT_FALSE(made.ok());
        EXPECT_EQ(made.error().code, ErrorCode::kCancelled);
      }
    }
  }
}

// The slowest single step, counting the categories of one column, ends soon after the word.
TEST(FindBins, StopsAmidAColumn) {
  std::vector<int64_t> values(3'000'000);
  Random random(1);
  for (int64_t& value : values) value = static_cast<int64_t>(random() % 500'000);
  const std::string name = "c";
  const StridedValues column{ValueType::kInt64, values.data(), 8, values.size()};
  const Table table = *Table::FromColumns({{name, column}}, nullptr);
  const std::vector<size_t> columns = {0};
  const std::vector<FeatureKind> kinds = {FeatureKind::kCategorical};
  using Clock = std::chrono::steady_clock;
  const auto begin = Clock::now();
  ASSERT_TRUE(FindBins(Context(), table, columns, kinds, {}, {}).ok());
  const auto whole = Clock::now() - begin;
  std::atomic<bool> cancelled = false;
  Context context;
  context.cancelled = &cancelled;
  std::thread canceller([&] {
    std::this_thread::sleep_for(whole / 10);
    cancelled = true;
  });
  const auto second = Clock::now();
  const auto found = FindBins(context, table, columns, kinds, {}, {});
  const auto stopped = Clock::now() - second;
  canceller.join();
  ASSERT_FALSE(found.ok()) << "it was over before it was told to stop";
  EXPECT_EQ(found.error().code, ErrorCode::kCancelled);
  EXPECT_LT(stopped, whole);
}

}  // namespace
}  // namespace ramet
