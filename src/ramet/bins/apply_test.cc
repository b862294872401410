// B1–B5: bins of random tables, however cut and on however many threads, equal naive oracles.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <random>
#include <string>

#include "ramet/bins/bins.h"
#include "ramet/bins/encode.h"
#include "ramet/bins/testing.h"
#include "ramet/table/testing.h"

namespace ramet {
namespace {

using Random = std::mt19937_64;
constexpr double kInf = std::numeric_limits<double>::infinity();

Context OnThreads(int threads) {
  Context context;
  context.threads = threads;
  return context;
}

std::vector<size_t> AllColumns(const Table& table) {
  std::vector<size_t> columns(table.schema().fields.size());
  std::iota(columns.begin(), columns.end(), size_t{0});
  return columns;
}

// Numbers of many shapes in one table.
TestTable NumericTable(size_t num_rows, size_t num_columns, Random& random) {
  TestTable table;
  for (size_t c = 0; c < num_columns; ++c) {
    std::vector<std::optional<double>> values(num_rows);
    const uint64_t kind = random() % 5;
    for (auto& value : values) {
      const uint64_t draw = random() % 16;
      if (kind == 0 || draw == 0) continue;  // missing: a whole column of kind 0
      if (draw == 1 && kind > 2)
        value = random() % 2 == 0 ? kInf : -kInf;
      else if (draw == 2)
        value = kMissing;
      else if (kind == 1)
        value = 7;
      else if (kind == 2)
        value = static_cast<double>(random() % 20) - 10;
      else
        value = std::ldexp(static_cast<double>(static_cast<int64_t>(random())),
                           static_cast<int>(random() % 100) - 90);
    }
    table.Add("n" + std::to_string(c), values);
  }
  return table;
}

TEST(NumericEncoder, CountsThresholdsBelow) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    // All sizes around powers of two.
    const size_t count = seed < 40 ? seed : (size_t{1} << (random() % 9)) + random() % 3 - 1;
    std::vector<double> thresholds(count);
    for (double& t : thresholds) t = static_cast<double>(random() % 100000) - 50000;
    std::sort(thresholds.begin(), thresholds.end());
    thresholds.erase(std::unique(thresholds.begin(), thresholds.end()), thresholds.end());
    std::vector<double> values = {kInf, -kInf, kMissing, 0};
    for (double t : thresholds)
      values.insert(values.end(), {t, std::nextafter(t, kInf), std::nextafter(t, -kInf)});
    std::shuffle(values.begin(), values.end(), random);
    values.resize(values.size() - random() % 4);
    const NumericEncoder encoder(thresholds);
    std::vector<uint32_t> bins(values.size());
    std::vector<uint16_t> bins16(values.size());
    std::vector<uint8_t> bins8(values.size());
    const std::vector<Isa> isas = SupportedIsas();
    const Isa isa = isas[seed % isas.size()];
    SCOPED_TRACE(IsaName(isa));
    encoder.Encode(isa, values.data(), values.size(), bins.data());
    encoder.Encode(isa, values.data(), values.size(), bins16.data());
    if (thresholds.size() < 255) encoder.Encode(isa, values.data(), values.size(), bins8.data());
    for (size_t i = 0; i < values.size(); ++i) {
      const size_t below =
          std::lower_bound(thresholds.begin(), thresholds.end(), values[i]) - thresholds.begin();
      const size_t expected = std::isnan(values[i]) ? 0 : below + 1;
      ASSERT_EQ(bins[i], expected) << values[i];
      ASSERT_EQ(bins16[i], expected) << values[i];
      ASSERT_EQ(bins8[i], thresholds.size() < 255 ? expected : 0) << values[i];
    }
  }
}

TEST(NumericEncoder, PlacesFloat32AsFloat64) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    // Thresholds that are float32, between two of them, and beyond them all.
    std::vector<double> thresholds = {-1e300, -0x1p-149 / 2, 0, 0x1p-150, 1e300};
    std::vector<float> values = {0.0f, -0.0f, 0x1p-149f, -0x1p-149f};
    for (float extreme : {std::numeric_limits<float>::max(), static_cast<float>(kInf)})
      values.insert(values.end(), {extreme, -extreme});
    values.push_back(static_cast<float>(kMissing));
    for (size_t i = 0; i < 1 + seed * 4; ++i) {
      const float t = std::ldexp(static_cast<float>(random() % 2000) - 1000, random() % 20);
      thresholds.push_back(
          random() % 2 == 0 ? t : std::nextafter(double{t}, random() % 2 ? kInf : -kInf));
      values.insert(values.end(), {t, std::nextafter(t, static_cast<float>(kInf)),
                                   std::nextafter(t, -static_cast<float>(kInf))});
    }
    std::sort(thresholds.begin(), thresholds.end());
    thresholds.erase(std::unique(thresholds.begin(), thresholds.end()), thresholds.end());
    ASSERT_LT(thresholds.size(), 255u);
    const NumericEncoder encoder(thresholds);
    const Table table = TestTable()
                            .Add("narrow", values)
                            .Add("wide", std::vector<double>(values.begin(), values.end()))
                            .ToTable();
    ASSERT_NE(table.chunk(0).column(0).Float32Values(0, 1, nullptr), nullptr);
    for (const Isa isa : SupportedIsas()) {
      std::vector<uint8_t> narrow(values.size()), wide(values.size());
      ASSERT_TRUE(
          encoder.EncodeColumn(isa, table.chunk(0).column(0), 0, values.size(), narrow.data())
              .ok());
      ASSERT_TRUE(
          encoder.EncodeColumn(isa, table.chunk(0).column(1), 0, values.size(), wide.data()).ok());
      ASSERT_EQ(narrow, wide) << IsaName(isa);
    }
  }
}

TEST(Bins, OfNumbersDoNotDependOnChunksAndThreads) {
  for (uint64_t seed = 0; seed < 25; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const size_t num_rows = 1 + random() % 6000, num_columns = 1 + random() % 40;
    const TestTable test = NumericTable(num_rows, num_columns, random);
    const std::vector<FeatureKind> kinds(num_columns, FeatureKind::kNumeric);
    std::vector<float> weights;
    if (random() % 2 == 0)
      for (size_t i = 0; i < num_rows; ++i) weights.push_back(static_cast<float>(random() % 3));
    BinningParameters parameters;
    parameters.max_bins = 2 + static_cast<int>(random() % 254);
    parameters.sample_rows = 1 + random() % 8000;
    parameters.seed = seed;

    Table whole = test.ToTable();
    const std::vector<size_t> columns = AllColumns(whole);
    const BinMapper mapper = *FindBins(OnThreads(1), whole, columns, kinds, weights, parameters);
    Table cut = test.ToTable(RandomChunkSizes(num_rows, random), {random() % 5, random() % 5});
    const int threads = 1 + static_cast<int>(random() % 8);
    const BinMapper other = *FindBins(OnThreads(threads), cut, columns, kinds, weights, parameters);
    const BinnedMatrix bins =
        *ApplyBins(OnThreads(threads), mapper, cut, columns, /*release=*/false);
    ASSERT_EQ(bins.num_rows(), num_rows);
    ASSERT_EQ(bins.num_features(), num_columns);
    std::vector<double> values(num_rows);
    for (size_t f = 0; f < num_columns; ++f) {
      const FeatureBins& feature = mapper.features[f];
      ASSERT_EQ(feature.thresholds, other.features[f].thresholds);
      ASSERT_EQ(feature.has_values, other.features[f].has_values);
      whole.chunk(0).column(f).ReadNumbers(0, num_rows, values.data());
      for (size_t row = 0; row < num_rows; ++row) {
        size_t expected = 0;
        if (!std::isnan(values[row]) && feature.has_values)
          expected = 1 + (std::lower_bound(feature.thresholds.begin(), feature.thresholds.end(),
                                           values[row]) -
                          feature.thresholds.begin());
        ASSERT_EQ(bins.column(f)[row], expected) << "row " << row << " feature " << f;
        ASSERT_EQ(bins.row(row)[f], expected) << "row " << row << " feature " << f;
        ASSERT_LT(expected, static_cast<size_t>(feature.num_bins()));
      }
    }
    for (size_t f = num_columns; f < bins.row_stride(); ++f)
      ASSERT_EQ(bins.row(num_rows - 1)[f], 0);
  }
}

TEST(Bins, OfConstantAndMissingColumns) {
  const std::vector<std::optional<double>> missing(5), constant(5, 3.0);
  Table table = TestTable().Add("missing", missing).Add("constant", constant).ToTable();
  const std::vector<FeatureKind> kinds(2, FeatureKind::kNumeric);
  const BinMapper mapper = *FindBins(OnThreads(1), table, AllColumns(table), kinds, {}, {});
  EXPECT_EQ(mapper.features[0].num_bins(), 1);
  EXPECT_EQ(mapper.features[1].num_bins(), 2);
  Table unseen = TestTable()
                     .Add("missing", std::vector<double>{1, kInf, kMissing})
                     .Add("constant", std::vector<double>{-5, 100, kMissing})
                     .ToTable();
  const BinnedMatrix bins = *ApplyBins(OnThreads(1), mapper, unseen, AllColumns(unseen), false);
  for (size_t row = 0; row < 3; ++row) {
    EXPECT_EQ(bins.column(0)[row], 0);
    EXPECT_EQ(bins.column(1)[row], row < 2 ? 1 : 0);
  }
}

TEST(Bins, RowsOfWeightZeroCountNowhere) {
  const std::vector<double> values = {1, 2, 3, 4, 1000};
  const std::vector<std::string> words = {"a", "b", "a", "c", "z"};
  const std::vector<float> weights = {1, 1, 1, 1, 0};
  const std::vector<FeatureKind> kinds = {FeatureKind::kNumeric, FeatureKind::kCategorical};
  const Table table = TestTable().Add("x", values).Add("w", words).ToTable();
  const BinMapper mapper = *FindBins(OnThreads(1), table, AllColumns(table), kinds, weights, {});
  EXPECT_EQ(mapper.features[0].thresholds, (std::vector<double>{1.5, 2.5, 3.5}));
  EXPECT_EQ(mapper.features[1].categories, (std::vector<CategoryKey>{"a", "b", "c"}));
}

using Words = std::vector<std::optional<std::string>>;

// What the categories must be: kept ones by (count, key), sorted by key.
std::vector<CategoryKey> NaiveCategories(const Words& words, const std::vector<float>& weights) {
  std::map<std::string, size_t> counts;
  for (size_t i = 0; i < words.size(); ++i)
    if (words[i] && (weights.empty() || weights[i] != 0)) ++counts[*words[i]];
  std::vector<std::pair<size_t, std::string>> order;
  for (const auto& [word, count] : counts) order.emplace_back(count, word);
  std::sort(order.begin(), order.end());
  const size_t kept = std::min<size_t>(order.size(), kMaxCategoryBins);
  std::vector<CategoryKey> categories;
  for (size_t i = order.size() - kept; i < order.size(); ++i)
    categories.emplace_back(order[i].second);
  std::sort(categories.begin(), categories.end());
  return categories;
}

TEST(Bins, OfCategoriesFoldTheRarest) {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const size_t num_rows = 1 + random() % 5000;
    const size_t distinct = seed % 3 == 0 ? 252 + random() % 5 : 1 + random() % 600;
    Words words(num_rows);
    for (auto& word : words)
      if (random() % 10 > 0)
        word = "w" + std::to_string(std::min(random() % distinct, random() % distinct));
    std::vector<float> weights;
    if (seed % 2 == 0)
      for (size_t i = 0; i < num_rows; ++i) weights.push_back(static_cast<float>(random() % 4));
    TestTable test;
    if (random() % 2 == 0)
      test.Add("c", words);
    else
      test.AddCategory("c", words);
    Table table = test.ToTable(RandomChunkSizes(num_rows, random), {random() % 3, random() % 3});
    const std::vector<FeatureKind> kinds = {FeatureKind::kCategorical};
    const std::vector<size_t> columns = {0};
    const BinMapper mapper = *FindBins(OnThreads(2), table, columns, kinds, weights, {});
    const std::vector<CategoryKey> expected = NaiveCategories(words, weights);
    const FeatureBins& feature = mapper.features[0];
    ASSERT_EQ(feature.categories, expected);
    const BinnedMatrix bins = *ApplyBins(OnThreads(3), mapper, table, columns, /*release=*/true);
    for (size_t row = 0; row < num_rows; ++row) {
      size_t bin = 0;
      if (words[row]) {
        const auto found = std::find(expected.begin(), expected.end(), CategoryKey(*words[row]));
        bin = found != expected.end() ? 1 + (found - expected.begin())
              : feature.folded        ? expected.size() + 1
                                      : 0;
      }
      ASSERT_EQ(bins.column(0)[row], bin) << row;
      ASSERT_LT(bin, static_cast<size_t>(feature.num_bins()));
    }
  }
}

TEST(Bins, SendUnseenCategoriesToTheFoldedBinOrToMissing) {
  for (const size_t distinct : {3, 300}) {
    std::vector<int64_t> numbers;
    for (size_t i = 0; i < 1000; ++i) numbers.push_back(static_cast<int64_t>(i % distinct));
    const std::vector<size_t> columns = {0};
    const std::vector<FeatureKind> kinds = {FeatureKind::kCategorical};
    const Table table = TestTable().Add("c", numbers).ToTable();
    const BinMapper mapper = *FindBins(OnThreads(1), table, columns, kinds, {}, {});
    EXPECT_EQ(mapper.features[0].folded, distinct > 254);
    Table unseen =
        TestTable().Add("c", std::vector<std::optional<int64_t>>{-7, std::nullopt}).ToTable();
    const BinnedMatrix bins = *ApplyBins(OnThreads(1), mapper, unseen, columns, false);
    EXPECT_EQ(bins.column(0)[0], distinct > 254 ? 255 : 0);
    EXPECT_EQ(bins.column(0)[1], 0);
  }
}

TEST(Bins, MoreThanAMillionCategoriesAreAnError) {
  std::vector<int64_t> numbers(kMaxCategoriesPerColumn + 1);
  std::iota(numbers.begin(), numbers.end(), 0);
  const Table table = TestTable().Add("id", numbers).ToTable();
  const std::vector<size_t> columns = {0};
  const std::vector<FeatureKind> kinds = {FeatureKind::kCategorical};
  const Result<BinMapper> bins = FindBins(OnThreads(1), table, columns, kinds, {}, {});
  ASSERT_FALSE(bins.ok());
  EXPECT_EQ(bins.error().message,
            "column \"id\" has more than 1000000 distinct categories. Drop it, or group its values "
            "before training.");
}

TEST(Bins, RefuseWhatCannotBeRead) {
  const Table table = TestTable()
                          .Add("s", std::vector<std::string>{"a"})
                          .Add("x", std::vector<double>{0.5})
                          .ToTable();
  const auto message = [&](size_t column, FeatureKind kind, int max_bins) {
    BinningParameters parameters;
    parameters.max_bins = max_bins;
    const std::vector<size_t> columns = {column};
    const std::vector<FeatureKind> kinds = {kind};
    const Result<BinMapper> bins = FindBins(OnThreads(1), table, columns, kinds, {}, parameters);
    return bins.ok() ? std::string("no error") : bins.error().message;
  };
  EXPECT_NE(message(0, FeatureKind::kNumeric, 255).find("column \"s\" holds strings"),
            std::string::npos);
  EXPECT_NE(message(1, FeatureKind::kCategorical, 255).find("column \"x\": "), std::string::npos);
  EXPECT_NE(message(1, FeatureKind::kNumeric, 1).find("max_bins is 1. Use 2 to 255."),
            std::string::npos);
  EXPECT_NE(message(1, FeatureKind::kNumeric, 256).find("max_bins is 256."), std::string::npos);
  EXPECT_EQ(message(1, FeatureKind::kNumeric, 2), "no error");
}

TEST(Bins, CancelledWorkSaysSo) {
  Table table = TestTable().Add("x", std::vector<double>{1, 2}).ToTable();
  const std::atomic<bool> cancelled = true;
  Context context;
  const std::vector<size_t> columns = {0};
  const std::vector<FeatureKind> kinds = {FeatureKind::kNumeric};
  const BinMapper mapper = *FindBins(context, table, columns, kinds, {}, {});
  context.cancelled = &cancelled;
  EXPECT_EQ(FindBins(context, table, columns, kinds, {}, {}).error().code, ErrorCode::kCancelled);
  EXPECT_EQ(ApplyBins(context, mapper, table, columns, true).error().code, ErrorCode::kCancelled);
}

// A chunk whose release is counted.
struct CountedRelease {
  ArrowArray inner;
  size_t* released;
};

TEST(Bins, ReleasedChunksAreFreed) {
  for (const bool release : {false, true}) {
    size_t released = 0;
    const TestTable test = TestTable().Add("x", std::vector<double>{1, 2, 3, 4, 5});
    TableStream stream = test.ToStream();
    std::vector<Chunk> chunks;
    for (size_t begin = 0; begin < 5; begin += 2) {
      auto* counted =
          new CountedRelease{test.ToArrowArray(begin, std::min<size_t>(5, begin + 2)), &released};
      ArrowArray array = counted->inner;
      array.private_data = counted;
      array.release = [](ArrowArray* self) {
        auto* owner = static_cast<CountedRelease*>(self->private_data);
        ++*owner->released;
        owner->inner.release(&owner->inner);
        delete owner;
        self->release = nullptr;
      };
      chunks.push_back(*Chunk::Import(stream.shared_schema(), &array));
    }
    Table table(stream.shared_schema(), std::move(chunks));
    const std::vector<size_t> columns = {0};
    const std::vector<FeatureKind> kinds = {FeatureKind::kNumeric};
    const BinMapper mapper = *FindBins(OnThreads(1), table, columns, kinds, {}, {});
    const BinnedMatrix bins = *ApplyBins(OnThreads(2), mapper, table, columns, release);
    EXPECT_EQ(released, release ? 3u : 0u);
    for (size_t row = 0; row < 5; ++row) EXPECT_EQ(bins.column(0)[row], row + 1);
  }
}

}  // namespace
}  // namespace ramet
