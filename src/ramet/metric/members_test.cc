// Members with some of the rows each get the bits of one member with all rows.
#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <random>
#include <string>

#include "ramet/metric/auc.h"
#include "ramet/metric/average_precision.h"
#include "ramet/metric/integer_weights.h"
#include "ramet/metric/metric.h"
#include "ramet/metric/testing.h"

namespace ramet {
namespace {

using Random = std::mt19937_64;

struct Sample {
  std::vector<double> scores;
  size_t num_outputs = 1;
  std::vector<double> labels;
  std::vector<float> weights;
  const Loss* loss = nullptr;

  size_t num_rows() const { return labels.size(); }
  Evaluation view() const { return {scores, num_outputs, labels, weights, loss, {0.3}}; }
  Sample Of(const std::vector<uint32_t>& rows) const {
    return {Pick(scores, rows, num_outputs), num_outputs, Pick(labels, rows), Pick(weights, rows),
            loss};
  }
};

// Ties, magnitudes far apart, weights of zero (all of them, now and then), and sometimes a score
// that is NaN.
Sample RandomSample(Random& random, size_t num_rows, bool numbers) {
  Sample sample;
  std::normal_distribution<double> normal(0, 3);
  if (numbers)
    sample.loss = std::array<const Loss*, 3>{nullptr, *FindLoss("quantile"),
                                             *FindLoss("gamma")}[random() % 3];
  else if (random() % 2)
    sample.num_outputs = 3;
  const bool coarse = random() % 2, weighted = random() % 2, no_weight = random() % 8 == 0;
  for (size_t i = 0; i < num_rows; ++i) {
    sample.labels.push_back(numbers ? std::exp(normal(random))
                                    : static_cast<double>(random() % (sample.num_outputs + 1)));
    if (!numbers && sample.num_outputs == 3 && sample.labels[i] > 2) sample.labels[i] = 1;
    for (size_t k = 0; k < sample.num_outputs; ++k) {
      const double score = coarse ? std::round(normal(random)) : normal(random);
      sample.scores.push_back(numbers && sample.loss != nullptr ? score : std::fabs(score));
    }
    if (weighted)
      sample.weights.push_back(
          no_weight || random() % 4 == 0 ? 0 : std::exp(static_cast<float>(normal(random))));
  }
  if (num_rows > 0 && random() % 6 == 0) sample.scores[random() % sample.scores.size()] = NAN;
  return sample;
}

bool SameBits(double a, double b) {
  return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b) ||
         (std::isnan(a) && std::isnan(b));
}

size_t RandomCount(Random& random) {
  return random() % std::array<size_t, 4>{4, 40, 2000, 40'000}[random() % 4];
}

TEST(MetricMembers, EveryMetricIsThatOfOneMember) {
  size_t defined = 0;
  for (uint64_t seed = 0; seed < 80; ++seed) {
    Random random(seed);
    const bool numbers = seed % 2;
    const Sample sample = RandomSample(random, RandomCount(random), numbers);
    Context like;
    like.threads = 1 + static_cast<int>(random() % 2);
    for (const Metric& metric : AllMetrics()) {
      if (metric.classification == numbers) continue;
      SCOPED_TRACE(std::string(metric.name) + ", seed " + std::to_string(seed));
      const double expected = metric.compute(like, sample.view());
      defined += std::isfinite(expected);
      ExpectOfMembers(
          expected, sample.num_rows(), 1 + random() % 5, like, random,
          [&](const Context& context, const std::vector<uint32_t>& rows) {
            const Sample own = sample.Of(rows);
            return metric.compute(context, own.view());
          },
          SameBits);
    }
  }
  EXPECT_GT(defined, 200u);
}

using RankingMeasure = double (*)(const Context& context, const OneAgainstRest& rows,
                                  size_t max_rows_to_sort);

void ExpectRankingOfMembers(const Sample& sample, size_t max_rows_to_sort, size_t members,
                            Random& random) {
  for (const RankingMeasure measure : {OneAgainstRestAuc, OneAgainstRestAveragePrecision}) {
    const auto of = [&](const Context& context, const Sample& rows) {
      return measure(context, {rows.scores, rows.labels, 1, rows.weights}, max_rows_to_sort);
    };
    const double expected = of({}, sample);
    EXPECT_TRUE(std::isfinite(expected));
    ExpectOfMembers(
        expected, sample.num_rows(), members, {}, random,
        [&](const Context& context, const std::vector<uint32_t>& rows) {
          return of(context, sample.Of(rows));
        },
        SameBits);
  }
}

TEST(MetricMembers, CellsAreCountedTogether) {
  for (uint64_t seed = 0; seed < 4; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    Sample sample;
    for (size_t i = 0; i < 5000; ++i) {
      sample.labels.push_back(static_cast<double>(random() % 2));
      sample.scores.push_back(std::normal_distribution<double>(sample.labels[i], 2)(random));
      if (seed % 2) sample.weights.push_back(static_cast<float>(random() % 3) / 8);
    }
    ExpectRankingOfMembers(sample, 100, 1 + random() % 4, random);
  }
}

// More rows than one owner sorts. Where rows are in order of the score, members hold what others
// own; where half of the scores are equal, one owner has them.
TEST(MetricMembers, SeveralOwnersRankAsOne) {
  for (uint64_t seed = 0; seed < 3; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    Sample sample;
    const size_t num_rows = 1'400'000;
    for (size_t i = 0; i < num_rows; ++i) {
      sample.labels.push_back(static_cast<double>(random() % 2));
      double score = static_cast<double>(random() % (4 * num_rows));
      if (seed == 1) score = static_cast<double>(i) / num_rows;
      if (seed == 2 && random() % 2) score = 1e6;
      sample.scores.push_back(score);
      if (seed == 2) sample.weights.push_back(static_cast<float>(random() % 3) / 8);
    }
    ExpectRankingOfMembers(sample, kMaxRowsToSort, 5, random);
  }
}

TEST(MetricMembers, IntegerWeightsAreTheSameWhoeverHoldsTheRow) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    std::vector<float> weights;
    const size_t num_rows = RandomCount(random);
    for (size_t i = 0; i < num_rows; ++i)
      weights.push_back(std::exp2f(static_cast<float>(random() % 60) - 30) * (random() % 3));
    const IntegerWeights alone({}, weights);
    ExpectOfMembers(
        true, num_rows, 1 + random() % 5, {}, random,
        [&](const Context& context, const std::vector<uint32_t>& rows) {
          const std::vector<float> own = Pick(weights, rows);
          const IntegerWeights together(context, own);
          bool same = together.all_one() == alone.all_one();
          for (size_t i = 0; i < rows.size(); ++i) same &= together[i] == alone[rows[i]];
          return same;
        },
        std::equal_to<bool>());
  }
}

TEST(MetricMembers, AFailureEndsNoOneBadly) {
  Random random(3);
  for (const bool numbers : {false, true}) {
    const Sample sample = RandomSample(random, 3000, numbers);
    for (const Metric& metric : AllMetrics()) {
      if (metric.classification == numbers) continue;
      SCOPED_TRACE(metric.name);
      const std::vector<std::vector<uint32_t>> dealt = DealRows(sample.num_rows(), 3, random);
      ExpectToSurviveFailures([&](const Context& context, size_t rank) {
        const Sample own = sample.Of(dealt[rank]);
        metric.compute(context, own.view());
      });
    }
  }
}

}  // namespace
}  // namespace ramet
