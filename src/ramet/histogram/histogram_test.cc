// H1–H3: histograms equal naive 128-bit sums, for every way to build them.
#include "ramet/histogram/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "ramet/base/exact_sum.h"
#include "ramet/parallel/parallel.h"

namespace ramet {
namespace {

using Random = std::mt19937_64;

// Bins, integers and their words.
struct Problem {
  size_t num_rows, num_features;
  BinMapper mapper;
  BinnedMatrix bins;
  std::vector<int64_t> gradients, hessians;
  QuantisedGradients quantised;
};

enum class Values { kRandom, kAllLowest, kAllHighest };

Problem MakeProblem(size_t num_rows, size_t num_features, bool packed, Values values,
                    Random& random) {
  Problem p{num_rows, num_features, {}, BinnedMatrix(num_rows, num_features), {}, {}, {}};
  for (size_t f = 0; f < num_features; ++f) {
    FeatureBins feature;
    feature.has_values = true;
    const size_t kind = random() % 4;
    feature.thresholds.resize(kind == 0 ? 254 : kind == 1 ? 0 : random() % 255);
    if (random() % 16 == 0) feature = FeatureBins();  // no values: the missing bin only
    p.mapper.features.push_back(feature);
    const size_t bins = static_cast<size_t>(feature.num_bins());
    const bool skewed = random() % 2 == 0;
    for (size_t row = 0; row < num_rows; ++row) {
      const uint8_t bin =
          static_cast<uint8_t>(skewed && random() % 8 > 0 ? bins - 1 : random() % bins);
      p.bins.mutable_column(f)[row] = bin;
      p.bins.mutable_row(row)[f] = bin;
    }
  }
  const int64_t g_most = int64_t{1}
                         << (packed ? CellFormat::kPackedGradientBits : CellFormat::kWideBits);
  const int64_t h_most = int64_t{1}
                         << (packed ? CellFormat::kPackedHessianBits : CellFormat::kWideBits);
  p.quantised.format.packed = packed;
  p.quantised.words = Buffer<uint64_t>(num_rows * p.quantised.format.words_per_row());
  for (size_t row = 0; row < num_rows; ++row) {
    int64_t g = values == Values::kAllLowest ? -g_most : g_most, h = h_most;
    if (values == Values::kRandom) {
      g = static_cast<int64_t>(random() % static_cast<uint64_t>(2 * g_most + 1)) - g_most;
      h = static_cast<int64_t>(random() % static_cast<uint64_t>(h_most + 1));
    }
    p.gradients.push_back(g);
    p.hessians.push_back(h);
    const uint64_t gu = static_cast<uint64_t>(g), hu = static_cast<uint64_t>(h);
    if (packed) {
      p.quantised.words[row] = (uint64_t{1} << 52) + (hu << 28) + gu;
    } else {
      p.quantised.words[2 * row] = gu;
      p.quantised.words[2 * row + 1] = (uint64_t{1} << 48) + hu;
    }
  }
  return p;
}

struct WideCell {
  int128_t gradient = 0, hessian = 0;
  uint64_t count = 0;
};

std::vector<WideCell> NaiveHistogram(const Problem& p, const HistogramLayout& layout,
                                     const std::vector<uint32_t>& rows) {
  std::vector<WideCell> cells(layout.num_cells());
  for (const uint32_t row : rows) {
    for (size_t f = 0; f < p.num_features; ++f) {
      WideCell& cell = cells[layout.begin(f) + p.bins.row(row)[f]];
      cell.gradient += p.gradients[row];
      cell.hessian += p.hessians[row];
      ++cell.count;
    }
  }
  return cells;
}

void ExpectEqual(const Histogram& histogram, const std::vector<WideCell>& expected) {
  ASSERT_EQ(histogram.num_cells(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_TRUE(histogram.gradients()[i] == expected[i].gradient) << "gradient of cell " << i;
    ASSERT_TRUE(histogram.hessians()[i] == expected[i].hessian) << "hessian of cell " << i;
    ASSERT_EQ(histogram.counts()[i], expected[i].count) << "count of cell " << i;
  }
}

std::vector<uint32_t> AllRows(size_t num_rows) {
  std::vector<uint32_t> rows(num_rows);
  std::iota(rows.begin(), rows.end(), 0u);
  return rows;
}

std::vector<uint32_t> SomeRows(size_t num_rows, Random& random) {
  std::vector<uint32_t> rows;
  const uint64_t keep = 1 + random() % 8;
  for (uint32_t row = 0; row < num_rows; ++row)
    if (random() % 8 < keep) rows.push_back(row);
  return rows;
}

// All rows, and a list of rows, against the naive sums.
void Check(const Problem& p, const Context& context, Random& random) {
  RunOnThreads(context, [&] {
    HistogramBuilder builder(context, p.bins, HistogramLayout(p.mapper));
    const std::vector<uint32_t> all = AllRows(p.num_rows), some = SomeRows(p.num_rows, random);
    const Histogram whole = builder.Build(p.quantised, {nullptr, p.num_rows});
    ExpectEqual(whole, NaiveHistogram(p, builder.layout(), all));
    const Histogram part = builder.Build(p.quantised, {some.data(), some.size()});
    ExpectEqual(part, NaiveHistogram(p, builder.layout(), some));
    EXPECT_EQ(builder.Total(part).count, some.size());
  });
}

TEST(Histogram, EqualsNaiveSumsForAnyShape) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    Random random(seed);
    const size_t num_rows = random() % 2000, num_features = 1 + random() % 80;
    const bool packed = seed % 2 == 0;
    const Problem p = MakeProblem(num_rows, num_features, packed, Values::kRandom, random);
    for (const Isa isa : SupportedIsas()) {
      SCOPED_TRACE(testing::Message() << "seed " << seed << " " << IsaName(isa));
      Context context;
      context.isa = isa;
      context.threads = 1 + static_cast<int>(seed % 3);
      Check(p, context, random);
    }
  }
}

TEST(Histogram, NoFieldOverflowsAtTheBordersOfBlocks) {
  for (const bool packed : {true, false}) {
    const size_t block = packed ? CellFormat::kMaxRowsPacked : CellFormat::kMaxRowsWide;
    for (const Values values : {Values::kAllLowest, Values::kAllHighest, Values::kRandom}) {
      for (const size_t num_rows : {block - 1, block, block + 1, 2 * block, 2 * block + 1}) {
        SCOPED_TRACE(testing::Message() << "packed " << packed << " rows " << num_rows);
        Random random(num_rows);
        const Problem p = MakeProblem(num_rows, 3, packed, values, random);
        Context context;
        context.isa = SupportedIsas().back();
        context.threads = 2;
        Check(p, context, random);
      }
    }
  }
}

TEST(Histogram, DoesNotDependOnThreads) {
  for (const bool packed : {true, false}) {
    Random random(11);
    const Problem p = MakeProblem(packed ? 40000 : 150000, 40, packed, Values::kRandom, random);
    for (const int threads : {1, 2, 3, 8}) {
      SCOPED_TRACE(testing::Message() << "packed " << packed << " threads " << threads);
      Context context;
      context.isa = SupportedIsas().back();
      context.threads = threads;
      Check(p, context, random);
    }
  }
}

TEST(Histogram, OfTheParentIsThatOfItsChildrenTogether) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    Random random(seed);
    const Problem p = MakeProblem(1000, 1 + random() % 40, seed % 2 == 0, Values::kRandom, random);
    const std::vector<uint32_t> left = SomeRows(1000, random);
    std::vector<uint32_t> right;
    const std::vector<uint32_t> all = AllRows(1000);
    std::set_difference(all.begin(), all.end(), left.begin(), left.end(),
                        std::back_inserter(right));
    for (const Isa isa : SupportedIsas()) {
      SCOPED_TRACE(testing::Message() << "seed " << seed << " " << IsaName(isa));
      Context context;
      context.isa = isa;
      HistogramBuilder builder(context, p.bins, HistogramLayout(p.mapper));
      Histogram parent = builder.Build(p.quantised, {nullptr, 1000});
      const NodeSums total = builder.Total(parent);
      const Histogram child = builder.Build(p.quantised, {left.data(), left.size()});
      Subtract(context, parent, child);
      ExpectEqual(parent, NaiveHistogram(p, builder.layout(), right));
      EXPECT_EQ(builder.Total(parent) + builder.Total(child), total);
    }
  }
}

TEST(Histogram, RecycledMemoryIsClean) {
  Random random(3);
  const Problem p = MakeProblem(500, 5, true, Values::kRandom, random);
  const Context context;
  HistogramBuilder builder(context, p.bins, HistogramLayout(p.mapper));
  EXPECT_EQ(builder.num_in_use(), 0u);
  for (int i = 0; i < 5; ++i) {
    const std::vector<uint32_t> rows = SomeRows(500, random);
    Histogram a = builder.Build(p.quantised, {rows.data(), rows.size()});
    Histogram b = builder.Build(p.quantised, {nullptr, 500});
    EXPECT_EQ(builder.num_in_use(), 2u);
    ExpectEqual(a, NaiveHistogram(p, builder.layout(), rows));
    ExpectEqual(b, NaiveHistogram(p, builder.layout(), AllRows(500)));
    builder.Recycle(std::move(a));
    builder.Recycle(std::move(b));
    builder.Recycle(Histogram());
    EXPECT_EQ(builder.num_in_use(), 0u);
  }
}

TEST(Histogram, SeveralAreBuiltAtOnce) {
  Random random(4);
  const Problem p = MakeProblem(20000, 35, true, Values::kRandom, random);
  Context context;
  context.threads = 8;
  HistogramBuilder builder(context, p.bins, HistogramLayout(p.mapper));
  std::vector<std::vector<uint32_t>> rows(12);
  for (auto& list : rows) list = SomeRows(20000, random);
  std::vector<Histogram> built(rows.size());
  RunOnThreads(context, [&] {
    ParallelFor(0, rows.size(), 1, [&](size_t i, size_t) {
      built[i] = builder.Build(p.quantised, {rows[i].data(), rows[i].size()});
    });
  });
  for (size_t i = 0; i < rows.size(); ++i)
    ExpectEqual(built[i], NaiveHistogram(p, builder.layout(), rows[i]));
}

}  // namespace
}  // namespace ramet
