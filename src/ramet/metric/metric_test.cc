// Laws of the metrics: equal to naive oracles, and the same bits for any threads, instruction set
// and order of rows.
#include "ramet/metric/metric.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <string>

#include "ramet/metric/auc.h"
#include "ramet/metric/average_precision.h"
#include "ramet/metric/integer_weights.h"
#include "ramet/metric/radix_sort.h"
#include "ramet/parallel/parallel.h"

namespace ramet {
namespace {

struct Sample {
  std::vector<double> scores;
  size_t num_outputs = 1;
  std::vector<double> labels;
  std::vector<float> weights;
  const Loss* loss = nullptr;
  double quantile = 0.5;
  Evaluation view() const { return {scores, num_outputs, labels, weights, loss, {quantile}}; }
};

using Measure = double (*)(const Context& context, const OneAgainstRest& rows,
                           size_t max_rows_to_sort);

double ByCells(Measure measure, const Sample& sample) {
  return measure({}, {sample.scores, sample.labels, 1, sample.weights}, 0);
}
double BySort(Measure measure, const Sample& sample) {
  return measure({}, {sample.scores, sample.labels, 1, sample.weights}, SIZE_MAX);
}

// Classification with one output (binary) or more; scores reach far, with ties; some weights are
// zero.
Sample RandomClassification(std::mt19937_64& random, size_t rows, size_t outputs, bool weighted) {
  Sample sample;
  sample.num_outputs = outputs;
  std::normal_distribution<double> normal(0, 3);
  const bool coarse = random() % 2 == 0;
  for (size_t i = 0; i < rows; ++i) {
    sample.labels.push_back(static_cast<double>(random() % std::max<size_t>(2, outputs)));
    for (size_t k = 0; k < outputs; ++k) {
      double score = normal(random) * (random() % 50 == 0 ? 100 : 1);
      if (coarse) score = std::round(score * 4) / 4;
      sample.scores.push_back(score);
    }
    if (weighted)
      sample.weights.push_back(
          random() % 5 == 0 ? 0.0f : std::exp(static_cast<float>(normal(random) / 2)));
  }
  return sample;
}

Sample Permuted(const Sample& sample, std::mt19937_64& random) {
  std::vector<size_t> order(sample.labels.size());
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), random);
  Sample result;
  result.num_outputs = sample.num_outputs;
  result.loss = sample.loss;
  result.quantile = sample.quantile;
  for (size_t row : order) {
    result.labels.push_back(sample.labels[row]);
    if (!sample.weights.empty()) result.weights.push_back(sample.weights[row]);
    for (size_t k = 0; k < sample.num_outputs; ++k)
      result.scores.push_back(sample.scores[row * sample.num_outputs + k]);
  }
  return result;
}

long double Weight(const Sample& sample, size_t row) {
  return sample.weights.empty() ? 1.0L : static_cast<long double>(sample.weights[row]);
}

template <class Value>
long double MeanOf(const Sample& sample, Value value) {
  long double sum = 0, weights = 0;
  for (size_t row = 0; row < sample.labels.size(); ++row) {
    if (Weight(sample, row) == 0) continue;
    sum += Weight(sample, row) * value(row);
    weights += Weight(sample, row);
  }
  return sum / weights;
}

// How far the exact mean may be from the oracle: half a step of the fixed point per row (W1), and a
// few ulps for the values themselves.
template <class Value>
double Tolerance(const Sample& sample, Value value) {
  long double largest = 0, weights = 0;
  for (size_t row = 0; row < sample.labels.size(); ++row) {
    if (Weight(sample, row) == 0) continue;
    largest = std::max(largest, Weight(sample, row) * std::fabs(value(row)));
    weights += Weight(sample, row);
  }
  const long double steps =
      std::ldexp(largest, -50) * static_cast<long double>(sample.labels.size()) / weights;
  return static_cast<double>(steps + std::fabs(MeanOf(sample, value)) * 1e-15L);
}

// log sum_j exp(score_j) of a row, minus score k.
long double MinusLogProbability(const Sample& sample, size_t row, size_t k) {
  const double* scores = sample.scores.data() + row * sample.num_outputs;
  if (sample.num_outputs == 1) {
    const long double margin = k == 1 ? scores[0] : -scores[0];
    return margin > 0 ? std::log1p(std::exp(-margin)) : std::log1p(std::exp(margin)) - margin;
  }
  long double others =
      0;  // sum of exp(score_j - score_k), j != k: keeps the digits of a loss near 0
  for (size_t j = 0; j < sample.num_outputs; ++j)
    if (j != k) others += std::exp(static_cast<long double>(scores[j]) - scores[k]);
  return std::log1p(others);
}

// All pairs, one by one.
template <class Score>
long double PairwiseAuc(const Sample& sample, double positive, Score score) {
  long double good = 0, all = 0;
  for (size_t i = 0; i < sample.labels.size(); ++i) {
    if (sample.labels[i] != positive) continue;
    for (size_t j = 0; j < sample.labels.size(); ++j) {
      if (sample.labels[j] == positive) continue;
      const long double pair = Weight(sample, i) * Weight(sample, j);
      if (pair == 0) continue;
      all += pair;
      good += pair * (score(i) > score(j) ? 1.0L : score(i) == score(j) ? 0.5L : 0.0L);
    }
  }
  return good / all;
}

double Compute(std::string_view name, const Sample& sample, int threads = 2,
               Isa isa = SupportedIsas().back()) {
  Context context;
  context.threads = threads;
  context.isa = isa;
  return (*FindMetric(name))->compute(context, sample.view());
}

void ExpectSameBits(double a, double b) {
  EXPECT_EQ(std::bit_cast<uint64_t>(a), std::bit_cast<uint64_t>(b)) << a << " " << b;
}

TEST(LogLoss, EqualsTheOracle) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const size_t outputs = std::array<size_t, 4>{1, 2, 3, 7}[seed % 4];
    Sample sample = RandomClassification(random, 1 + random() % 2000, outputs, seed % 3 != 0);
    if (!sample.weights.empty()) sample.weights[0] = 1;
    const auto loss = [&](size_t row) {
      return MinusLogProbability(sample, row, static_cast<size_t>(sample.labels[row]));
    };
    // Softmax's losses near 0 are differences of numbers near 1.
    EXPECT_NEAR(Compute("logloss", sample), static_cast<double>(MeanOf(sample, loss)),
                Tolerance(sample, loss) + (outputs > 1 ? 1e-15 : 0));
  }
}

TEST(LogLoss, KeepsTheDigitsOfASureAndRightModel) {
  for (double score : {1.0, 20.0, 36.0, 40.0, 300.0, 700.0}) {
    const double expected =
        static_cast<double>(std::log1p(std::exp(-static_cast<long double>(score))));
    EXPECT_NEAR(Compute("logloss", {{score}, 1, {1}, {}}) / expected, 1, 1e-14) << score;
    EXPECT_NEAR(Compute("logloss", {{-score}, 1, {0}, {}}) / expected, 1, 1e-14) << score;
    EXPECT_NEAR(Compute("logloss", {{-score}, 1, {1}, {}}), score + expected, 1e-13) << score;
  }
}

// Targets and predictions above 0, far apart and close; with a log link the scores are logarithms.
Sample RandomRegression(std::mt19937_64& random, size_t rows, bool weighted, const Loss* loss) {
  std::lognormal_distribution<double> heavy(0, 4);
  Sample sample;
  sample.loss = loss;
  sample.quantile = static_cast<double>(random() % 101) / 100;
  for (size_t i = 0; i < rows; ++i) {
    sample.labels.push_back(heavy(random));
    const double prediction =
        random() % 4 == 0 ? sample.labels[i] * (1 + 1e-3 * heavy(random)) : heavy(random);
    sample.scores.push_back(loss != nullptr && loss->log_link ? std::log(prediction) : prediction);
    if (weighted) sample.weights.push_back(i < 2 ? 1.0f : static_cast<float>(random() % 4));
  }
  return sample;
}

long double Prediction(const Sample& sample, size_t row) {
  const long double score = sample.scores[row];
  return sample.loss != nullptr && sample.loss->log_link ? std::exp(score) : score;
}

TEST(Metric, RegressionEqualsTheOracle) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const Loss* loss =
        std::array<const Loss*, 3>{nullptr, *FindLoss("quantile"), *FindLoss("gamma")}[seed % 3];
    const Sample sample = RandomRegression(random, 2 + random() % 40000, seed % 2, loss);
    const auto label = [&](size_t row) -> long double { return sample.labels[row]; };
    const auto error = [&](size_t row) { return Prediction(sample, row) - label(row); };
    const auto squared = [&](size_t row) { return error(row) * error(row); };
    const auto absolute = [&](size_t row) { return std::fabs(error(row)); };
    const auto pinball = [&](size_t row) {
      return error(row) > 0 ? (1 - sample.quantile) * error(row) : -sample.quantile * error(row);
    };
    const auto expect_mean = [&](std::string_view metric, double value, auto oracle) {
      SCOPED_TRACE(metric);
      EXPECT_NEAR(value, static_cast<double>(MeanOf(sample, oracle)),
                  Tolerance(sample, oracle) * 2);
    };
    const double rmse = Compute("rmse", sample);
    expect_mean("rmse", rmse * rmse, squared);
    expect_mean("mae", Compute("mae", sample), absolute);
    expect_mean("mean_pinball_loss", Compute("mean_pinball_loss", sample), pinball);

    const long double mean = MeanOf(sample, label);
    const long double variance =
        MeanOf(sample, [&](size_t row) { return (label(row) - mean) * (label(row) - mean); });
    const double r2 = static_cast<double>(1 - MeanOf(sample, squared) / variance);
    EXPECT_NEAR(Compute("r2", sample), r2, std::fabs(1 - r2) * 1e-10);
  }
}

TEST(Metric, DeviancesEqualTheOracle) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const Loss* loss =
        std::array<const Loss*, 3>{nullptr, *FindLoss("poisson"), *FindLoss("gamma")}[seed % 3];
    Sample sample = RandomRegression(random, 2 + random() % 20000, seed % 2, loss);
    const auto y = [&](size_t row) -> long double { return sample.labels[row]; };
    const auto mu = [&](size_t row) { return Prediction(sample, row); };
    const auto expect_mean = [&](std::string_view metric, auto oracle, auto terms) {
      SCOPED_TRACE(metric);
      // A deviance is a small difference of its terms, each rounded a few times.
      EXPECT_NEAR(Compute(metric, sample), static_cast<double>(MeanOf(sample, oracle)),
                  Tolerance(sample, terms) + static_cast<double>(MeanOf(sample, terms)) * 2e-15);
    };
    expect_mean(
        "mean_gamma_deviance",
        [&](size_t row) { return 2 * (std::log(mu(row) / y(row)) + y(row) / mu(row) - 1); },
        [&](size_t row) {
          return std::fabs(std::log(mu(row))) + std::fabs(std::log(y(row))) + y(row) / mu(row) + 1;
        });
    for (double& label : sample.labels) label = random() % 3 == 0 ? 0 : label;
    const auto log_ratio = [&](size_t row) {
      return y(row) == 0 ? 0 : y(row) * std::log(y(row) / mu(row));
    };
    expect_mean(
        "mean_poisson_deviance",
        [&](size_t row) { return 2 * (log_ratio(row) - y(row) + mu(row)); },
        [&](size_t row) {
          const long double logs =
              y(row) == 0 ? 0 : std::fabs(std::log(y(row))) + std::fabs(std::log(mu(row)));
          return y(row) * logs + y(row) + mu(row);
        });
  }
}

TEST(Metric, OfEqualTargetsR2IsOneOrZero) {
  for (const double target : {0.0, 0.1, -1e17 / 3}) {
    EXPECT_EQ(Compute("r2", {{target, target}, 1, {target, target}, {}}), 1);
    EXPECT_EQ(Compute("r2", {{target, target + 1e10}, 1, {target, target}, {}}), 0);
    EXPECT_TRUE(std::isnan(Compute("r2", {{target}, 1, {target}, {}})));
  }
}

TEST(Accuracy, EqualsTheOracle) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const size_t outputs = std::array<size_t, 3>{1, 2, 4}[seed % 3];
    Sample sample = RandomClassification(random, 1 + random() % 3000, outputs, seed % 2 == 0);
    if (!sample.weights.empty()) sample.weights[0] = 1;
    const long double expected = MeanOf(sample, [&](size_t row) -> long double {
      const size_t label = static_cast<size_t>(sample.labels[row]);
      if (outputs == 1) return (sample.scores[row] > 0) == (label == 1);
      for (size_t k = 0; k < outputs; ++k) {
        const double rival = sample.scores[row * outputs + k],
                     own = sample.scores[row * outputs + label];
        if (rival > own || (rival == own && k < label)) return 0;
      }
      return 1;
    });
    EXPECT_NEAR(Compute("accuracy", sample), static_cast<double>(expected), 1e-14);
  }
}

TEST(Auc, EqualsAllPairs) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    Sample sample = RandomClassification(random, 2 + random() % 600, 1, seed % 2 == 0);
    sample.labels[0] = 0;
    sample.labels[1] = 1;
    if (!sample.weights.empty()) sample.weights[0] = sample.weights[1] = 1;
    if (seed % 5 == 0) sample.scores[0] = INFINITY, sample.scores[1] = -INFINITY;
    const long double expected =
        PairwiseAuc(sample, 1, [&](size_t row) { return sample.scores[row]; });
    EXPECT_NEAR(Compute("auc", sample), static_cast<double>(expected), 1e-14);
  }
}

TEST(Auc, SimpleIntegerWeightsAreCopiesOfRows) {
  std::mt19937_64 random(3);
  Sample weighted, copied;
  for (size_t i = 0; i < 500; ++i) {
    const double score = std::normal_distribution<double>()(random),
                 label = static_cast<double>(random() % 2);
    const int copies = static_cast<int>(random() % 4);
    weighted.scores.push_back(score);
    weighted.labels.push_back(label);
    weighted.weights.push_back(static_cast<float>(copies));
    copied.scores.insert(copied.scores.end(), copies, score);
    copied.labels.insert(copied.labels.end(), copies, label);
  }
  ExpectSameBits(Compute("auc", weighted), Compute("auc", copied));
}

// The precision among the rows with at least the positive row's score, for each positive row.
TEST(AveragePrecision, EqualsAllThresholds) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    Sample sample = RandomClassification(random, 2 + random() % 600, 1, seed % 2 == 0);
    sample.labels[0] = 1;
    if (!sample.weights.empty()) sample.weights[0] = 1;
    if (seed % 5 == 0) sample.scores[0] = INFINITY, sample.scores[1] = -INFINITY;
    long double sum = 0, positives = 0;
    for (size_t i = 0; i < sample.labels.size(); ++i) {
      if (sample.labels[i] != 1 || Weight(sample, i) == 0) continue;
      long double hits = 0, all = 0;
      for (size_t j = 0; j < sample.labels.size(); ++j) {
        if (sample.scores[j] < sample.scores[i]) continue;
        all += Weight(sample, j);
        if (sample.labels[j] == 1) hits += Weight(sample, j);
      }
      sum += Weight(sample, i) * hits / all;
      positives += Weight(sample, i);
    }
    EXPECT_NEAR(Compute("average_precision", sample), static_cast<double>(sum / positives), 1e-14);
  }
}

TEST(AveragePrecision, OfSeveralClassesIsTheMeanOfOneAgainstTheRest) {
  std::mt19937_64 random(4);
  Sample sample = RandomClassification(random, 500, 3, true);
  // No ties, and no probabilities so near 1 that they tie on one side only.
  for (double& score : sample.scores) score = std::normal_distribution<double>()(random);
  double expected = 0;
  for (size_t k = 0; k < 3; ++k) {
    Sample one;
    one.weights = sample.weights;
    for (size_t row = 0; row < sample.labels.size(); ++row) {
      one.scores.push_back(static_cast<double>(-MinusLogProbability(sample, row, k)));
      one.labels.push_back(sample.labels[row] == static_cast<double>(k));
    }
    expected += Compute("average_precision", one) / 3;
  }
  EXPECT_NEAR(Compute("average_precision", sample), expected, 1e-6);
}

TEST(IntegerWeights, KeepWholeRatiosAndEveryRowOfSomeWeight) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    std::vector<float> weights;
    const int exponent = static_cast<int>(random() % 200) - 100;
    for (size_t i = 0; i < 1 + random() % 10000; ++i)
      weights.push_back(std::ldexp(static_cast<float>(random() % 4), exponent));
    weights.push_back(std::ldexp(1.0f, exponent));
    const IntegerWeights integers({}, weights);
    const int64_t one = integers[weights.size() - 1];
    EXPECT_GT(one, int64_t{1} << 20);
    for (size_t i = 0; i < weights.size(); ++i)
      ASSERT_EQ(integers[i], one * static_cast<int64_t>(std::ldexp(weights[i], -exponent)));
  }
  const std::vector<float> apart = {1e-38f, 0, 1e38f};
  const IntegerWeights integers({}, apart);
  EXPECT_EQ(integers[0], 1);
  EXPECT_EQ(integers[1], 0);
  EXPECT_EQ(IntegerWeights({}, {})[7], 1);
}

TEST(Auc, OfSeveralClassesIsTheMeanOfOneAgainstTheRest) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    Sample sample = RandomClassification(random, 50 + random() % 300, 4, seed % 2 == 0);
    for (double& label : sample.labels)
      label = std::min(label, 2.0);  // class 3 has no row: it does not count
    long double expected = 0;
    for (size_t k = 0; k < 3; ++k)
      expected += PairwiseAuc(sample, static_cast<double>(k),
                              [&](size_t row) {
                                return static_cast<double>(-MinusLogProbability(sample, row, k));
                              }) /
                  3;
    // Probabilities that differ by less than a rounding may tie on one side only.
    EXPECT_NEAR(Compute("auc", sample), static_cast<double>(expected), 2e-4);
  }
}

TEST(Auc, CellsDifferFromTheSortByTheirInnerPairsAtMost) {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const Sample sample = RandomClassification(random, 5000 + random() % 50000, 1, seed % 2 == 0);
    const double sorted = BySort(OneAgainstRestAuc, sample);
    const double by_cells = ByCells(OneAgainstRestAuc, sample);
    std::vector<double> positives(kNumScoreCells), negatives(kNumScoreCells);
    for (size_t row = 0; row < sample.labels.size(); ++row)
      (sample.labels[row] == 1 ? positives : negatives)[ScoreCell(sample.scores[row])] +=
          static_cast<double>(Weight(sample, row));
    const double inside =
        std::inner_product(positives.begin(), positives.end(), negatives.begin(), 0.0);
    const double all = std::accumulate(positives.begin(), positives.end(), 0.0) *
                       std::accumulate(negatives.begin(), negatives.end(), 0.0);
    EXPECT_LE(std::fabs(sorted - by_cells), inside / all / 2 + 1e-13);
    EXPECT_NEAR(sorted, by_cells, 1e-4);
    Sample ties = sample;  // scores in the middle of distant cells: nothing is lost
    for (double& score : ties.scores) score = std::round(score);
    ExpectSameBits(BySort(OneAgainstRestAuc, ties), ByCells(OneAgainstRestAuc, ties));
    ExpectSameBits(BySort(OneAgainstRestAveragePrecision, ties),
                   ByCells(OneAgainstRestAveragePrecision, ties));
    EXPECT_NEAR(BySort(OneAgainstRestAveragePrecision, sample),
                ByCells(OneAgainstRestAveragePrecision, sample), 2e-4);
  }
}

TEST(Auc, ScoreCellsKeepTheOrder) {
  std::mt19937_64 random(11);
  std::vector<double> scores = {
      -INFINITY, -std::numeric_limits<double>::max(), -1e300,  -5e-324, 0, 5e-324,
      1e300,     std::numeric_limits<double>::max(),  INFINITY};
  std::normal_distribution<double> normal(0, 5);
  for (int i = 0; i < 100000; ++i) {
    const double score = normal(random) * (random() % 8 == 0 ? 1e-12 : 1);
    scores.insert(scores.end(), {score, std::nextafter(score, INFINITY)});
  }
  std::sort(scores.begin(), scores.end());
  for (size_t i = 1; i < scores.size(); ++i)
    ASSERT_LE(ScoreCell(scores[i - 1]), ScoreCell(scores[i])) << scores[i];
  EXPECT_EQ(ScoreCell(-INFINITY), 0u);
  EXPECT_EQ(ScoreCell(INFINITY), kNumScoreCells - 1);
  EXPECT_EQ(ScoreCell(-0.0), ScoreCell(0.0));
}

TEST(RadixSort, IsAStableSort) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const size_t rows = seed < 3 ? seed : random() % 200000;
    const uint64_t mask = seed % 4 == 0   ? 0xff000000000000f0
                          : seed % 4 == 1 ? ~uint64_t{0}
                                          : uint64_t{0x7ff} << (seed * 2);
    Buffer<SortRecord> records(rows);
    for (size_t i = 0; i < rows; ++i) records[i] = {random() & mask, static_cast<int64_t>(i)};
    std::vector<SortRecord> expected(records.begin(), records.end());
    std::stable_sort(expected.begin(), expected.end(),
                     [](const auto& a, const auto& b) { return a.key < b.key; });
    const Buffer<SortRecord> sorted = RadixSort(std::move(records));
    for (size_t i = 0; i < rows; ++i)
      ASSERT_TRUE(sorted[i].key == expected[i].key && sorted[i].value == expected[i].value);
  }
}

TEST(Metric, OneValueForAnyThreadsIsaAndOrderOfRows) {
  for (uint64_t seed = 0; seed < 8; ++seed) {
    std::mt19937_64 random(seed);
    const size_t rows = 40000 + random() % 30000;
    const bool numbers = seed % 3 == 0;
    const Sample sample =
        numbers
            ? RandomRegression(random, rows, seed % 4 < 2, *FindLoss(seed ? "poisson" : "gamma"))
            : RandomClassification(random, rows, seed % 2 ? 1 : 3, seed % 4 < 2);
    const Sample permuted = Permuted(sample, random);
    for (const Metric& metric : AllMetrics()) {
      if (metric.classification == numbers) continue;
      SCOPED_TRACE(std::string(metric.name) + ", seed " + std::to_string(seed));
      const double expected = Compute(metric.name, sample, 1, Isa::kScalar);
      EXPECT_TRUE(std::isfinite(expected));
      for (int threads : {1, 2, 3, 8})
        for (Isa isa : SupportedIsas()) {
          ExpectSameBits(Compute(metric.name, sample, threads, isa), expected);
          ExpectSameBits(Compute(metric.name, permuted, threads, isa), expected);
        }
      Context context;
      context.threads = 3;
      RunOnThreads(context,
                   [&] { ExpectSameBits(metric.compute(context, sample.view()), expected); });
    }
    if (numbers || sample.num_outputs > 1) continue;
    for (const Measure measure : {OneAgainstRestAuc, OneAgainstRestAveragePrecision})
      ExpectSameBits(ByCells(measure, permuted), ByCells(measure, sample));
  }
}

TEST(Metric, RowsOfWeightZeroCountNowhere) {
  for (uint64_t seed = 0; seed < 9; ++seed) {
    std::mt19937_64 random(seed);
    const bool numbers = seed % 3 == 0;
    const Sample sample = numbers ? RandomRegression(random, 3000, true, *FindLoss("gamma"))
                                  : RandomClassification(random, 3000, seed % 2 ? 1 : 3, true);
    Sample kept, spoilt = sample;
    kept.num_outputs = sample.num_outputs;
    kept.loss = sample.loss;
    kept.quantile = sample.quantile;
    for (size_t row = 0; row < sample.labels.size(); ++row) {
      const auto scores = sample.scores.begin() + static_cast<ptrdiff_t>(row * sample.num_outputs);
      if (sample.weights[row] == 0) {
        std::fill_n(spoilt.scores.begin() + (scores - sample.scores.begin()), sample.num_outputs,
                    NAN);
        spoilt.labels[row] = random() % 2 ? -7 : 1e30;
        continue;
      }
      kept.labels.push_back(sample.labels[row]);
      kept.weights.push_back(sample.weights[row]);
      kept.scores.insert(kept.scores.end(), scores,
                         scores + static_cast<ptrdiff_t>(sample.num_outputs));
    }
    for (const Metric& metric : AllMetrics()) {
      if (metric.classification == numbers) continue;
      SCOPED_TRACE(std::string(metric.name) + ", seed " + std::to_string(seed));
      EXPECT_TRUE(std::isfinite(Compute(metric.name, kept)));
      ExpectSameBits(Compute(metric.name, spoilt), Compute(metric.name, kept));
    }
  }
}

TEST(Metric, UndefinedIsNaN) {
  for (const Metric& metric : AllMetrics()) {
    SCOPED_TRACE(metric.name);
    EXPECT_TRUE(std::isnan(Compute(metric.name, {{}, 1, {}, {}})));
    EXPECT_TRUE(std::isnan(Compute(metric.name, {{1, 2}, 1, {0, 1}, {0, 0}})));
  }
  EXPECT_TRUE(std::isnan(Compute("auc", {{1, 2}, 1, {1, 1}, {}})));
  EXPECT_TRUE(std::isnan(Compute("auc", {{1, 2}, 1, {0, 0}, {}})));
  EXPECT_TRUE(std::isnan(Compute("auc", {{1, NAN}, 1, {0, 1}, {}})));
  EXPECT_TRUE(std::isnan(Compute("average_precision", {{1, 2}, 1, {0, 0}, {}})));
  EXPECT_TRUE(std::isnan(Compute("mean_poisson_deviance", {{1, 2}, 1, {1, -1}, {}})));
  EXPECT_TRUE(std::isnan(Compute("mean_poisson_deviance", {{1, -2}, 1, {1, 1}, {}})));
  EXPECT_TRUE(std::isnan(Compute("mean_gamma_deviance", {{1, 2}, 1, {1, 0}, {}})));
  EXPECT_TRUE(std::isnan(Compute("mean_gamma_deviance", {{1, 0}, 1, {1, 1}, {}})));
  EXPECT_TRUE(std::isnan(Compute("logloss", {{1, NAN}, 1, {0, 1}, {}})));
  EXPECT_TRUE(std::isnan(Compute("logloss", {{1, 2, 3}, 3, {3}, {}})));  // no such class
  EXPECT_EQ(Compute("logloss", {{1, INFINITY}, 1, {0, 0}, {}}), INFINITY);
  EXPECT_EQ(Compute("logloss", {{INFINITY, -INFINITY}, 1, {1, 0}, {}}), 0);
}

TEST(Metric, TheRegistryKnowsAllNames) {
  for (const Metric& metric : AllMetrics()) {
    ASSERT_TRUE(FindMetric(metric.name).ok());
    EXPECT_EQ(*FindMetric(metric.name), &metric);
  }
  const auto unknown = FindMetric("loglos");
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(unknown.error().message,
            "metric \"loglos\" is not known. Use one of: logloss, auc, accuracy, "
            "average_precision, rmse, mae, r2, mean_pinball_loss, mean_poisson_deviance, "
            "mean_gamma_deviance.");
}

TEST(Metric, EveryLossHasADefaultOfItsKind) {
  for (const Loss* loss : AllLosses()) {
    const auto metric = FindMetric(loss->default_metric);
    ASSERT_TRUE(metric.ok()) << loss->name;
    EXPECT_EQ((*metric)->classification, loss->classification) << loss->name;
    EXPECT_FALSE((*metric)->higher_is_better) << loss->name;
  }
}

}  // namespace
}  // namespace ramet
