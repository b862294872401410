// Exact integers lose nothing that matters: what Ramet trains is as good as what float64 sums
// without quantisation train (reference_gbdt.h), on tables with packed cells, with heavy-tailed
// targets and with one huge weight, too.

#include <gtest/gtest.h>

#include "ramet/base/isa.h"
#include "ramet/base/math.h"
#include "ramet/boost/boost.h"
#include "ramet/boost/evaluation.h"
#include "ramet/metric/metric.h"
#include "ramet/model/testing.h"
#include "ramet/predict/predict.h"
#include "ramet/table/testing.h"
#include "tests/reference_gbdt.h"

namespace ramet {
namespace {

constexpr size_t kRows = 100'000;  // beyond CellFormat::kSmallestPackedTable
constexpr size_t kFeatures = 6;

// Nearly normal: the sum of twelve uniform numbers.
double Normal(RandomDraws& draws) {
  double sum = -6;
  for (int i = 0; i < 12; ++i) sum += draws.Unit();
  return sum;
}

struct Problem {
  std::vector<std::vector<std::optional<double>>> features;
  std::vector<double> signal;  // what can be learned, of variance about 1
  std::vector<double> noise;   // normal
};

Problem MakeProblem(uint64_t seed) {
  RandomDraws draws(seed);
  Problem problem{std::vector<std::vector<std::optional<double>>>(kFeatures), {}, {}};
  for (size_t row = 0; row < kRows; ++row) {
    double x[kFeatures];
    for (size_t f = 0; f < kFeatures; ++f) {
      x[f] = Normal(draws);
      const bool missing = f < 2 && draws.Chance(20);
      problem.features[f].push_back(missing ? std::nullopt : std::optional(x[f]));
      if (missing) x[f] = f == 0 ? 1 : -0.5;
    }
    problem.signal.push_back(0.6 * x[0] + 0.5 * x[1] * x[2] + (x[3] > 0.5 ? 0.7 : -0.3) -
                             0.3 * x[4] * x[4]);
    problem.noise.push_back(Normal(draws));
  }
  return problem;
}

TestTable TableOf(const Problem& problem) {
  TestTable table;
  for (size_t f = 0; f < kFeatures; ++f) table.Add("x" + std::to_string(f), problem.features[f]);
  return table;
}

struct Quality {
  double ramet, reference;
};

// The loss's metric on the training rows, of both.
Quality Compare(const TestTable& table, DataSpec spec, std::string_view metric_name,
                const std::string& loss = "auto", double quantile = 0.5) {
  Context context;
  context.threads = 2;
  context.isa = SupportedIsas().back();
  TrainParameters parameters;
  parameters.max_iter = 20;
  parameters.learning_rate = 0.2;
  parameters.max_leaf_nodes = 15;
  parameters.l2_regularization = 1;
  parameters.early_stopping = "false";
  parameters.loss = loss;
  parameters.quantile = quantile;
  const Dataset data = *MakeDataset(context, table.ToTable(), spec, BinningOf(parameters));
  const Result<TrainResult> trained = Train(context, parameters, data);
  const Metric* metric = *FindMetric(metric_name);
  const auto compute = [&](std::span<const double> scores) {
    return metric->compute(context,
                           *EvaluationOf(trained->model, scores, data.labels, data.weights));
  };
  const double ramet =
      compute(Predictor(trained->model).RawScores(context, table.ToTable())->span());
  const double reference = compute(ReferenceGbdt(data, parameters).Fit());
  return {ramet, reference};
}

DataSpec Spec(bool classification, const std::string& weight = "") {
  DataSpec spec;
  spec.label = "y";
  spec.weight = weight;
  spec.classification = classification;
  return spec;
}

void ExpectWithin(const Quality& quality, double relative) {
  testing::Test::RecordProperty("ramet", std::to_string(quality.ramet));
  testing::Test::RecordProperty("reference", std::to_string(quality.reference));
  EXPECT_LT(quality.ramet, quality.reference * (1 + relative))
      << "float64: " << quality.reference << ", relative difference "
      << quality.ramet / quality.reference - 1;
}

TEST(Reference, SquaredErrorIsThatOfFloat64) {
  const Problem problem = MakeProblem(1);
  std::vector<double> y(kRows);
  for (size_t i = 0; i < kRows; ++i) y[i] = 5 + problem.signal[i] + problem.noise[i];
  ExpectWithin(Compare(TableOf(problem).Add("y", y), Spec(false), "rmse"), 0.001);
}

// A split between two candidates of nearly equal gain may fall otherwise by one rounding, and then
// trees differ: better as often as worse. So several tables are looked at together.
TEST(Reference, HeavyTailedTargetsAreLearnedAsByFloat64) {
  constexpr uint64_t kTables = 5;
  Quality mean{0, 0};
  for (uint64_t seed = 20; seed < 20 + kTables; ++seed) {
    const Problem problem = MakeProblem(seed);
    std::vector<double> y(kRows);
    for (size_t i = 0; i < kRows; ++i) y[i] = Exp(problem.signal[i] + 2 * problem.noise[i]);
    const Quality quality = Compare(TableOf(problem).Add("y", y), Spec(false), "rmse");
    EXPECT_NEAR(quality.ramet / quality.reference, 1, 0.01) << "seed " << seed;
    mean.ramet += quality.ramet / quality.reference / kTables;
    mean.reference += 1.0 / kTables;
  }
  ExpectWithin(mean, 0.001);
}

TEST(Reference, OneHugeWeightIsLearnedAsByFloat64) {
  const Problem problem = MakeProblem(3);
  std::vector<double> y(kRows), weight(kRows, 1);
  for (size_t i = 0; i < kRows; ++i) y[i] = problem.signal[i] + problem.noise[i];
  weight[4321] = 1e6;
  TestTable table = TableOf(problem).Add("y", y).Add("w", weight);
  ExpectWithin(Compare(table, Spec(false, "w"), "rmse"), 0.001);
}

TEST(Reference, LogisticIsThatOfFloat64) {
  const Problem problem = MakeProblem(4);
  std::vector<bool> y(kRows);
  for (size_t i = 0; i < kRows; ++i) y[i] = problem.signal[i] + 0.5 * problem.noise[i] > 0.8;
  ExpectWithin(Compare(TableOf(problem).Add("y", y), Spec(true), "logloss"), 0.002);
}

TEST(Reference, SoftmaxIsThatOfFloat64) {
  const Problem problem = MakeProblem(5);
  std::vector<int32_t> y(kRows);
  for (size_t i = 0; i < kRows; ++i) {
    const double z = problem.signal[i] + 0.5 * problem.noise[i];
    y[i] = z < -0.5 ? 0 : z < 0.5 ? 1 : z < 1 ? 2 : 3;
  }
  ExpectWithin(Compare(TableOf(problem).Add("y", y), Spec(true), "logloss"), 0.002);
}

// How often an event of this mean happens, by counting uniform numbers until their product is
// small.
double Count(double mean, RandomDraws& draws) {
  double count = 0, product = draws.Unit();
  for (const double least = Exp(-mean); product > least; product *= draws.Unit()) ++count;
  return count;
}

TEST(Reference, PoissonIsThatOfFloat64) {
  const Problem problem = MakeProblem(7);
  RandomDraws draws(70);
  std::vector<double> y(kRows), weight(kRows);
  for (size_t i = 0; i < kRows; ++i) {
    y[i] = Count(Exp(0.5 * problem.signal[i] - 1), draws);
    weight[i] = static_cast<double>(draws.Below(4));
  }
  TestTable table = TableOf(problem).Add("y", y).Add("w", weight);
  ExpectWithin(Compare(table, Spec(false, "w"), "mean_poisson_deviance", "poisson"), 0.002);
}

TEST(Reference, RareLargeCountsAreLearnedAsByFloat64) {
  const Problem problem = MakeProblem(8);
  RandomDraws draws(80);
  std::vector<double> y(kRows);
  for (size_t i = 0; i < kRows; ++i)
    y[i] = Count(Exp(0.5 * problem.signal[i] - 2), draws) * (draws.Chance(5) ? 20 : 1);
  ExpectWithin(
      Compare(TableOf(problem).Add("y", y), Spec(false), "mean_poisson_deviance", "poisson"),
      0.005);
}

TEST(Reference, GammaIsThatOfFloat64) {
  const Problem problem = MakeProblem(9);
  RandomDraws draws(90);
  std::vector<double> y(kRows);
  // Of shape 1: an exponential.
  for (size_t i = 0; i < kRows; ++i)
    y[i] = -Exp(3 + 0.5 * problem.signal[i]) * Log(1 - draws.Unit()) + 1e-6;
  ExpectWithin(Compare(TableOf(problem).Add("y", y), Spec(false), "mean_gamma_deviance", "gamma"),
               0.002);
}

TEST(Reference, AbsoluteErrorIsThatOfFloat64) {
  const Problem problem = MakeProblem(10);
  std::vector<double> y(kRows);
  for (size_t i = 0; i < kRows; ++i)
    y[i] = 5 + problem.signal[i] + problem.noise[i] * problem.noise[i] * problem.noise[i];
  ExpectWithin(Compare(TableOf(problem).Add("y", y), Spec(false), "mae", "absolute_error"), 0.002);
}

TEST(Reference, QuantilesAreThoseOfFloat64) {
  const Problem problem = MakeProblem(11);
  RandomDraws draws(110);
  std::vector<double> y(kRows), weight(kRows);
  for (size_t i = 0; i < kRows; ++i) {
    y[i] = problem.signal[i] + Exp(0.5 * problem.signal[i]) * problem.noise[i];
    weight[i] = static_cast<double>(draws.Below(4));
  }
  const TestTable table = TableOf(problem).Add("y", y).Add("w", weight);
  for (const double quantile : {0.1, 0.9})
    ExpectWithin(Compare(table, Spec(false, "w"), "mean_pinball_loss", "quantile", quantile),
                 0.002);
}

TEST(Reference, HugeWeightInLogisticIsLearnedAsByFloat64) {
  const Problem problem = MakeProblem(6);
  std::vector<bool> y(kRows);
  std::vector<double> weight(kRows);
  for (size_t i = 0; i < kRows; ++i) {
    y[i] = problem.signal[i] + 0.5 * problem.noise[i] > 0;
    weight[i] = 0.5 + problem.noise[i] * problem.noise[i];
  }
  weight[77] = 1e6;
  ExpectWithin(Compare(TableOf(problem).Add("y", y).Add("w", weight), Spec(true, "w"), "logloss"),
               0.002);
}

}  // namespace
}  // namespace ramet
