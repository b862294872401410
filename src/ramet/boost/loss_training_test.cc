// What is trained with the losses of numbers: leaf values and base scores by a naive oracle over
// the rows that were used, metrics of responses, labels refused.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>

#include "ramet/base/isa.h"
#include "ramet/boost/boost.h"
#include "ramet/boost/rows.h"
#include "ramet/model/testing.h"
#include "ramet/predict/predict.h"
#include "ramet/table/testing.h"

namespace ramet {
namespace {

struct Task {
  TestTable table;
  std::vector<double> labels, weights;  // whole weights, some of them 0
  TrainParameters parameters;
  DataSpec spec;
};

Context TwoThreads() {
  Context context;
  context.threads = 2;
  context.isa = SupportedIsas().back();
  return context;
}

Task RandomTask(uint64_t seed, const std::string& loss) {
  RandomDraws draws(seed);
  Task task;
  const size_t rows = 200 + draws.Below(1500);
  const bool ties = draws.Chance(40);
  std::vector<double> a, b;
  for (size_t row = 0; row < rows; ++row) {
    a.push_back(draws.Unit());
    b.push_back(draws.Unit());
    const double label = 1 + 3 * a[row] + b[row] * draws.Unit() * 4;
    task.labels.push_back(ties ? std::floor(label) : label);
    task.weights.push_back(static_cast<double>(draws.Below(4)));
  }
  task.table.Add("a", a).Add("b", b).Add("y", task.labels).Add("w", task.weights);
  task.spec.label = "y";
  task.spec.weight = "w";
  TrainParameters& p = task.parameters;
  p.loss = loss;
  p.quantile = static_cast<double>(draws.Below(101)) / 100;
  p.max_iter = 6;
  p.learning_rate = draws.Chance(50) ? 0.1 : 0.75;
  p.max_leaf_nodes = static_cast<int64_t>(2 + draws.Below(20));
  p.min_samples_leaf = draws.Chance(50) ? 1 : 20;
  p.l2_regularization = draws.Chance(50) ? 0 : 10;
  p.subsample = draws.Chance(50) ? 1 : 0.5;
  p.early_stopping = draws.Chance(50) ? "true" : "false";
  p.validation_fraction = 0.3;
  p.random_state = static_cast<int64_t>(draws.Below(100));
  return task;
}

std::vector<uint32_t> ListOf(const RowSelection& selection, size_t num_rows) {
  std::vector<uint32_t> rows;
  for (size_t i = 0; i < selection.count(num_rows); ++i)
    rows.push_back(static_cast<uint32_t>(selection[i]));
  return rows;
}

// By copies of rows, whose number percent / 100 divides.
double NaiveQuantile(const Task& task, const std::vector<uint32_t>& rows,
                     const std::vector<double>& scores) {
  std::vector<double> copies;
  for (const uint32_t row : rows)
    copies.insert(copies.end(), static_cast<size_t>(task.weights[row]),
                  task.labels[row] - scores[row]);
  std::sort(copies.begin(), copies.end());
  const size_t percent = task.parameters.loss == "absolute_error"
                             ? 50
                             : static_cast<size_t>(std::lround(task.parameters.quantile * 100));
  size_t low = 0;
  while ((low + 1) * 100 < percent * copies.size()) ++low;
  size_t high = low;
  while (high + 1 < copies.size() && (high + 1) * 100 <= percent * copies.size()) ++high;
  return copies[low] == copies[high] ? copies[low] : 0.5 * copies[low] + 0.5 * copies[high];
}

TEST(LossTraining, LeavesAreQuantilesOfTheRowsThatGrewTheTree) {
  for (const char* loss : {"absolute_error", "quantile"}) {
    for (uint64_t seed = 0; seed < 40; ++seed) {
      SCOPED_TRACE(testing::Message() << loss << " seed " << seed);
      const Task task = RandomTask(seed, loss);
      const TrainParameters& p = task.parameters;
      const Dataset data =
          *MakeDataset(TwoThreads(), task.table.ToTable(), task.spec, BinningOf(p));
      const Result<TrainResult> trained = Train(TwoThreads(), p, data);
      ASSERT_TRUE(trained.ok()) << trained.error().message;
      const Model& model = trained->model;
      const HoldOut hold_out(p, p.early_stopping == "true");
      const RowSelection rows = TrainingRows(data.ids, data.weights, hold_out);
      std::vector<double> scores(data.num_rows, 0);
      EXPECT_EQ(model.base_scores[0], NaiveQuantile(task, ListOf(rows, data.num_rows), scores));
      std::fill(scores.begin(), scores.end(), model.base_scores[0]);

      const Buffer<int32_t> leaves = *Predictor(model).Leaves(TwoThreads(), task.table.ToTable());
      for (size_t round = 0; round < model.trees.size(); ++round) {
        const auto leaf_of = [&](uint32_t row) { return leaves[row * model.trees.size() + round]; };
        const std::vector<uint32_t> used =
            ListOf(p.subsample < 1 ? SampleRound(data.ids, rows, p.subsample,
                                                 static_cast<uint64_t>(p.random_state), round)
                                   : rows,
                   data.num_rows);
        std::set<int32_t> nodes;
        for (const uint32_t row : used) nodes.insert(leaf_of(row));
        const auto value_of = [&](int32_t node) {
          return model.trees[round].nodes[static_cast<size_t>(node)].value;
        };
        for (const int32_t node : nodes) {
          std::vector<uint32_t> own;
          std::copy_if(used.begin(), used.end(), std::back_inserter(own),
                       [&](uint32_t row) { return leaf_of(row) == node; });
          ASSERT_EQ(value_of(node), NaiveQuantile(task, own, scores) * p.learning_rate)
              << "round " << round << " node " << node;
        }
        for (uint32_t row = 0; row < data.num_rows; ++row) scores[row] += value_of(leaf_of(row));
      }
    }
  }
}

TEST(LossTraining, BaseScoresOfLogLinksAreLogsOfTheMean) {
  for (const char* loss : {"poisson", "gamma"}) {
    Task task = RandomTask(3, loss);
    task.parameters.early_stopping = "false";
    const Dataset data =
        *MakeDataset(TwoThreads(), task.table.ToTable(), task.spec, BinningOf(task.parameters));
    long double sum = 0, total = 0;
    for (size_t row = 0; row < data.num_rows; ++row) {
      sum += static_cast<long double>(task.weights[row]) * task.labels[row];
      total += task.weights[row];
    }
    const Model model = Train(TwoThreads(), task.parameters, data)->model;
    EXPECT_NEAR(model.base_scores[0], static_cast<double>(std::log(sum / total)), 1e-14);
  }
}

// The curve is of predictions, not of their logarithms; it falls below that of the base score.
TEST(LossTraining, IsWatchedOnTheScaleOfTheResponse) {
  for (const char* loss : {"poisson", "gamma"}) {
    for (const char* metric : {"auto", "rmse", "mae"}) {
      SCOPED_TRACE(testing::Message() << loss << " " << metric);
      Task task = RandomTask(4, loss);
      task.parameters.metric = metric;
      task.parameters.learning_rate = 0.1;
      task.parameters.min_samples_leaf = 20;
      task.parameters.early_stopping = "false";
      const Dataset data =
          *MakeDataset(TwoThreads(), task.table.ToTable(), task.spec, BinningOf(task.parameters));
      TrainOptions options;
      options.measuring.training_rows = true;
      const Result<TrainResult> trained = Train(TwoThreads(), task.parameters, data, {}, options);
      ASSERT_TRUE(trained.ok()) << trained.error().message;
      ASSERT_EQ(trained->curves.size(), 1u);
      const std::vector<double>& values = trained->curves[0].values;
      long double error = 0, total = 0;
      const double mean = std::exp(trained->model.base_scores[0]);
      for (size_t row = 0; row < data.num_rows; ++row) {
        error += task.weights[row] * std::fabs(mean - task.labels[row]);
        total += task.weights[row];
      }
      if (std::string(metric) == "mae") {
        EXPECT_NEAR(values[0], static_cast<double>(error / total), 1e-12);
      }
      for (size_t round = 1; round < values.size(); ++round)
        EXPECT_LT(values[round], values[round - 1]) << round;
    }
  }
}

TEST(LossTraining, RefusesLabelsOutsideTheDomain) {
  for (const char* loss : {"poisson", "gamma"}) {
    TestTable table;
    table.Add("x", std::vector<double>{1, 2, 3, 4}).Add("y", std::vector<double>{1, 2, -3, 1});
    TestTable fine;
    fine.Add("x", std::vector<double>{1, 2, 3, 4}).Add("y", std::vector<double>{1, 2, 3, 1});
    DataSpec spec;
    spec.label = "y";
    TrainParameters parameters;
    parameters.loss = loss;
    const Dataset bad = *MakeDataset(TwoThreads(), table.ToTable(), spec, BinningOf(parameters));
    const Dataset good = *MakeDataset(TwoThreads(), fine.ToTable(), spec, BinningOf(parameters));
    const auto refused = Train(TwoThreads(), parameters, bad);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, ErrorCode::kData);
    EXPECT_TRUE(refused.error().message.starts_with("row 3: the label is -3"))
        << refused.error().message;
    const std::vector<EvalSet> sets = {{"later", &bad}};
    const auto refused_set = Train(TwoThreads(), parameters, good, sets);
    ASSERT_FALSE(refused_set.ok());
    EXPECT_TRUE(refused_set.error().message.starts_with("evaluation set \"later\": row 3"))
        << refused_set.error().message;
  }
}

}  // namespace
}  // namespace ramet
