// X1, X2: what members put together is what one would have had alone, in every width.
#include "ramet/histogram/exchange.h"

#include <gtest/gtest.h>

#include <random>

#include "ramet/collective/members_testing.h"
#include "ramet/parallel/parallel.h"

namespace ramet {
namespace {

using Random = std::mt19937_64;

struct Rows {
  BinMapper mapper;
  BinnedMatrix bins;
  QuantisedGradients quantised;
};

// Extreme values are as likely as any other, so that every field is filled.
Rows RandomRows(size_t num_rows, size_t num_features, bool packed, Random& random) {
  Rows rows{{}, BinnedMatrix(num_rows, num_features), {}};
  for (size_t f = 0; f < num_features; ++f) {
    FeatureBins feature;
    feature.has_values = random() % 8 > 0;
    const size_t thresholds = random() % 2 == 0 ? random() % 4 : random() % 254;
    for (size_t i = 0; feature.has_values && i < thresholds; ++i)
      feature.thresholds.push_back(static_cast<double>(i));
    const size_t bins = static_cast<size_t>(feature.num_bins());
    for (size_t row = 0; row < num_rows; ++row)
      rows.bins.mutable_column(f)[row] = rows.bins.mutable_row(row)[f] =
          static_cast<uint8_t>(random() % (1 + random() % bins));
    rows.mapper.features.push_back(feature);
  }
  rows.quantised.format = {packed, 3, 5};
  rows.quantised.words = Buffer<uint64_t>(num_rows * rows.quantised.format.words_per_row());
  const int64_t most_gradient = int64_t{1} << (packed ? 15 : 30);
  const uint64_t most_hessian = uint64_t{1} << (packed ? 12 : 30);
  const int64_t sign = random() % 2 == 0 ? 1 : -1;
  const bool extreme = random() % 2 == 0;
  for (size_t row = 0; row < num_rows; ++row) {
    const int64_t g =
        sign * (extreme ? most_gradient
                        : static_cast<int64_t>(random() % (2 * most_gradient + 1)) - most_gradient);
    const uint64_t h = extreme ? most_hessian : random() % (most_hessian + 1);
    if (packed) {
      rows.quantised.words[row] = (uint64_t{1} << 52) + (h << 28) + static_cast<uint64_t>(g);
    } else {
      rows.quantised.words[2 * row] = static_cast<uint64_t>(g);
      rows.quantised.words[2 * row + 1] = (uint64_t{1} << 48) + h;
    }
  }
  return rows;
}

// The rows of one member as a matrix of its own.
Rows Part(const Rows& all, const std::vector<uint32_t>& own) {
  const size_t features = all.mapper.features.size();
  const size_t words = all.quantised.format.words_per_row();
  Rows part{all.mapper, BinnedMatrix(own.size(), features), {}};
  part.quantised.format = all.quantised.format;
  part.quantised.words = Buffer<uint64_t>(own.size() * words);
  for (size_t i = 0; i < own.size(); ++i) {
    for (size_t f = 0; f < features; ++f)
      part.bins.mutable_column(f)[i] = part.bins.mutable_row(i)[f] = all.bins.column(f)[own[i]];
    for (size_t w = 0; w < words; ++w)
      part.quantised.words[i * words + w] = all.quantised.words[own[i] * words + w];
  }
  return part;
}

// Nodes of rows: membership[row] says which.
void ExpectEqualToAlone(const Rows& all, size_t num_rows, size_t members, size_t nodes,
                        Random& random) {
  std::vector<size_t> node_of(num_rows);
  std::vector<std::vector<uint32_t>> rows_of(nodes);
  for (uint32_t row = 0; row < num_rows; ++row) {
    node_of[row] = random() % nodes;
    rows_of[node_of[row]].push_back(row);
  }
  std::vector<uint64_t> counts;
  for (const auto& rows : rows_of) counts.push_back(rows.size());
  const Context alone;
  HistogramBuilder builder(alone, all.bins, HistogramLayout(all.mapper));
  std::vector<Histogram> expected;
  for (const auto& rows : rows_of)
    expected.push_back(builder.Build(all.quantised, {rows.data(), rows.size()}));

  const std::vector<std::vector<uint32_t>> dealt = DealRows(num_rows, members, random);
  RunMembers(members, alone, [&](const Context& context, size_t rank) {
    const Rows own = Part(all, dealt[rank]);
    std::vector<std::vector<uint32_t>> own_rows(nodes);
    for (uint32_t i = 0; i < dealt[rank].size(); ++i)
      own_rows[node_of[dealt[rank][i]]].push_back(i);
    HistogramExchange exchange(context, own.mapper, own.bins);
    for (int repetition = 0; repetition < 2; ++repetition) {  // the second time in recycled memory
      exchange.Begin(own.quantised.format, counts);
      for (size_t node = 0; node < nodes; ++node)
        exchange.Build(node, own.quantised, {own_rows[node].data(), own_rows[node].size()});
      exchange.Exchange();
      ASSERT_TRUE(context.collective->status().ok());
      for (size_t node = 0; node < nodes; ++node) {
        Histogram got = exchange.Take(node);
        ASSERT_FALSE(got.empty());
        for (size_t f = exchange.layout().first_feature(); f < exchange.layout().end_feature(); ++f)
          for (size_t bin = 0; bin < exchange.layout().num_bins(f); ++bin)
            ASSERT_EQ(got.cell(exchange.layout().begin(f) + bin),
                      expected[node].cell(builder.layout().begin(f) + bin))
                << "feature " << f << " bin " << bin << " node " << node;
        exchange.Recycle(std::move(got));
      }
      ASSERT_EQ(exchange.bytes_in_use(), 0u);
    }
  });
}

TEST(HistogramExchange, GivesTheSumsOfAllRows) {
  for (uint64_t seed = 0; seed < 24; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const bool packed = seed % 2 == 0;
    const size_t num_rows = seed % 4 == 0 ? 9000 + random() % 9000 : 1 + random() % 2000;
    const Rows all = RandomRows(num_rows, 1 + random() % 9, packed, random);
    ExpectEqualToAlone(all, num_rows, 1 + random() % 5, 1 + random() % 4, random);
  }
}

TEST(HistogramExchange, HoldsMoreRowsThanTheMiddleWidth) {
  Random random(7);
  const size_t num_rows = (size_t{1} << 20) + 100;
  const Rows all = RandomRows(num_rows, 2, /*packed=*/true, random);
  ExpectEqualToAlone(all, num_rows, 3, 1, random);
  ExpectEqualToAlone(all, num_rows, 2, 2, random);  // about half of them: just below its limit
}

TEST(DealFeatures, GivesEverybodyAFairShareOfCells) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Random random(seed);
    const Rows rows = RandomRows(1, 1 + random() % 60, true, random);
    const HistogramLayout layout(rows.mapper);
    const size_t members = 1 + random() % 12;
    const std::vector<size_t> begins = DealFeatures(layout, members);
    ASSERT_EQ(begins.size(), members + 1);
    EXPECT_EQ(begins.front(), 0u);
    EXPECT_EQ(begins.back(), layout.num_features());
    for (size_t member = 0; member < members; ++member) {
      ASSERT_LE(begins[member], begins[member + 1]);
      const size_t cells = layout.begin(begins[member + 1]) - layout.begin(begins[member]);
      EXPECT_LE(cells, layout.num_cells() / members + 256 + 1) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace ramet
