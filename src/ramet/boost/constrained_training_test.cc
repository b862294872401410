// Constraints as laws of trained models: of every loss, with missing values, categories, weights
// and samples.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "ramet/base/isa.h"
#include "ramet/boost/boost.h"
#include "ramet/loss/loss.h"
#include "ramet/model/testing.h"
#include "ramet/predict/predict.h"
#include "ramet/table/testing.h"

namespace ramet {
namespace {

constexpr size_t kNumbers = 4;  // columns x0 to x3; then the category c, the weight w, the label y

// A table whose labels rise and fall with every number, so that constraints have something to
// refuse.
struct Problem {
  std::vector<std::vector<std::optional<double>>> numbers{kNumbers};
  std::vector<std::optional<std::string>> categories;
  std::vector<double> weights, labels;
  std::vector<int32_t> classes;

  TestTable Table() const {
    TestTable table;
    for (size_t c = 0; c < kNumbers; ++c) table.Add("x" + std::to_string(c), numbers[c]);
    table.AddCategory("c", categories);
    return table;
  }
};

Problem MakeProblem(size_t rows, size_t num_classes, RandomDraws& draws) {
  Problem p;
  const bool missing = draws.Chance(60), few = draws.Chance(30);
  double frequency[kNumbers];
  for (double& f : frequency) f = 1 + 4 * draws.Unit();
  for (size_t row = 0; row < rows; ++row) {
    double signal = draws.Unit();
    for (size_t c = 0; c < kNumbers; ++c) {
      double x = draws.Unit();
      if (few) x = std::floor(6 * x) / 6;
      const bool gone = missing && draws.Chance(15);
      p.numbers[c].push_back(gone ? std::nullopt : std::optional(x));
      signal += gone ? 0.7 : std::fabs(std::fmod(frequency[c] * x, 2.0) - 1);
    }
    const size_t letter = draws.Below(9);
    p.categories.push_back(letter == 0 ? std::nullopt
                                       : std::optional("letter " + std::to_string(letter)));
    signal += static_cast<double>(letter % 3) / 2;
    p.weights.push_back(draws.Chance(10) ? 0 : 0.25 + 3 * draws.Unit());
    p.labels.push_back(signal * signal + 0.01);  // positive, with a long tail
    const size_t label_class = static_cast<size_t>(signal * 1.7);
    p.classes.push_back(static_cast<int32_t>(
        row < num_classes ? row : label_class % std::max<size_t>(1, num_classes)));
  }
  return p;
}

Model TrainOn(const Problem& p, const Loss& loss, const TrainParameters& parameters,
              bool weighted) {
  Context context;
  context.threads = 2;
  context.isa = SupportedIsas().back();
  TestTable table = p.Table();
  DataSpec spec;
  spec.label = "y";
  spec.classification = loss.classification;
  if (weighted) {
    table.Add("w", p.weights);
    spec.weight = "w";
  }
  if (loss.classification)
    table.Add("y", p.classes);
  else
    table.Add("y", p.labels);
  const Result<Dataset> data = MakeDataset(context, table.ToTable(), spec, BinningOf(parameters));
  EXPECT_TRUE(data.ok()) << (data.ok() ? "" : data.error().message);
  const Result<TrainResult> trained = Train(context, parameters, *data);
  EXPECT_TRUE(trained.ok()) << (trained.ok() ? "" : trained.error().message);
  return trained->model;
}

TrainParameters RandomParameters(const Loss& loss, RandomDraws& draws) {
  TrainParameters parameters;
  parameters.loss = loss.name;
  parameters.quantile = draws.Chance(50) ? 0.5 : draws.Unit();
  parameters.max_iter = 25;
  parameters.learning_rate = draws.Chance(50) ? 0.1 : 0.7;
  parameters.max_leaf_nodes = draws.Chance(30) ? 0 : 31;
  parameters.min_samples_leaf = draws.Chance(50) ? 1 : 10;
  parameters.l2_regularization = draws.Chance(50) ? 0 : 5 * draws.Unit();
  parameters.subsample = draws.Chance(70) ? 1 : 0.6;
  parameters.max_features = draws.Chance(70) ? 1 : 0.5;
  parameters.max_bins = draws.Chance(50) ? 255 : 16;
  parameters.early_stopping = "false";
  parameters.random_state = static_cast<int64_t>(draws.Below(1000));
  return parameters;
}

// Raw scores along one number, from -infinity up, other columns as in rows of the table.
std::vector<double> Along(const Model& model, const Problem& p, size_t column, size_t row) {
  std::vector<std::optional<double>> grid = {-std::numeric_limits<double>::infinity()};
  for (int i = -5; i <= 105; ++i) grid.push_back(i / 100.0);
  for (size_t other = 0; other < 40; ++other)
    if (p.numbers[column][other]) grid.push_back(p.numbers[column][other]);
  std::sort(grid.begin(), grid.end());
  Problem moved = p;
  for (auto& values : moved.numbers) values.assign(grid.size(), std::nullopt);
  for (size_t c = 0; c < kNumbers; ++c) moved.numbers[c].assign(grid.size(), p.numbers[c][row]);
  moved.numbers[column] = grid;
  moved.categories.assign(grid.size(), p.categories[row]);
  const Result<Buffer<double>> scores =
      Predictor(model).RawScores(Context(), moved.Table().ToTable());
  return {scores->data(), scores->data() + grid.size()};
}

TEST(TrainConstrained, PredictionsNeverGoTheWrongWay) {
  size_t curves = 0, free_falls = 0, free_rises = 0;
  for (const Loss* loss : AllLosses()) {
    if (loss->num_outputs(2) != 1 && loss->classification) continue;  // one output only
    for (uint64_t seed = 0; seed < 8; ++seed) {
      SCOPED_TRACE(testing::Message() << loss->name << ", seed " << seed);
      RandomDraws draws(seed * 100 + 7);
      const Problem p = MakeProblem(300 + draws.Below(700), loss->classification ? 2 : 0, draws);
      TrainParameters parameters = RandomParameters(*loss, draws);
      parameters.monotonic_cst = "x0:1,x1:-1";
      if (draws.Chance(50)) parameters.monotonic_cst += ",x2:1";
      if (draws.Chance(30)) parameters.interaction_cst = "pairwise";
      const Model model = TrainOn(p, *loss, parameters, draws.Chance(50));
      ASSERT_GT(model.trees.size(), 0u);
      for (size_t row = 0; row < 12; ++row) {
        for (const size_t column : {0, 1, 3}) {
          std::vector<double> scores = Along(model, p, column, row);
          if (column == 1) std::reverse(scores.begin(), scores.end());
          if (column == 3) {
            for (size_t i = 1; i < scores.size(); ++i) {
              free_falls += scores[i] < scores[i - 1];
              free_rises += scores[i] > scores[i - 1];
            }
            continue;
          }
          ++curves;
          ASSERT_TRUE(std::is_sorted(scores.begin(), scores.end())) << "x" << column;
        }
      }
    }
  }
  EXPECT_GT(curves, 1000u);
  // The free feature goes both ways, on the same labels.
  EXPECT_GT(free_falls, 1000u);
  EXPECT_GT(free_rises, 1000u);
}

TEST(TrainConstrained, NoPathMixesFeaturesThatNoGroupHolds) {
  const std::vector<std::pair<std::string, std::vector<std::set<int32_t>>>> cases = {
      {"no_interactions", {{0}, {1}, {2}, {3}, {4}}},
      {"[[\"x0\",\"c\"],[\"x1\",\"x0\"]]", {{0, 4}, {0, 1}, {2, 3}}},
      {"[[3,2,1]]", {{1, 2, 3}, {0, 4}}},
  };
  size_t together = 0;
  for (const Loss* loss : AllLosses()) {
    RandomDraws draws(11);
    const size_t num_classes = !loss->classification ? 0 : loss->num_outputs(2) == 1 ? 2 : 3;
    const Problem p = MakeProblem(800, num_classes, draws);
    for (const auto& [text, groups] : cases) {
      SCOPED_TRACE(testing::Message() << loss->name << " " << text);
      TrainParameters parameters = RandomParameters(*loss, draws);
      parameters.interaction_cst = text;
      for (const Tree& tree : TrainOn(p, *loss, parameters, false).trees) {
        std::vector<std::set<int32_t>> above(tree.nodes.size());
        for (size_t i = 0; i < tree.nodes.size(); ++i) {
          if (tree.nodes[i].is_leaf()) {
            together += above[i].size() > 1;
            ASSERT_TRUE(std::any_of(groups.begin(), groups.end(), [&](const auto& group) {
              return std::includes(group.begin(), group.end(), above[i].begin(), above[i].end());
            }));
            continue;
          }
          const size_t left = static_cast<size_t>(tree.nodes[i].left);
          above[left] = above[i];
          above[left].insert(tree.nodes[i].feature);
          above[left + 1] = above[left];
        }
      }
    }
  }
  EXPECT_GT(together, 1000u);
}

TEST(TrainConstrained, TheBodyKeepsOneTextForOneMeaning) {
  RandomDraws draws(3);
  const Problem p = MakeProblem(300, 0, draws);
  const Loss& loss = **FindLoss("squared_error");
  const auto digest = [&](const std::string& monotonic, const std::string& interactions) {
    TrainParameters parameters;
    parameters.max_iter = 3;
    parameters.monotonic_cst = monotonic;
    parameters.interaction_cst = interactions;
    return Digest(TrainOn(p, loss, parameters, false));
  };
  const std::string free = digest("", "");
  EXPECT_EQ(digest("x0:0", "[[0,1,2,3,4]]"), free);
  const std::string rising = digest("x0:1", "");
  EXPECT_NE(rising, free);
  EXPECT_EQ(digest("{\"x0\": 1}", ""), rising);
  EXPECT_EQ(digest("0:1,3:0", ""), rising);
  const std::string grouped = digest("", "[[\"x1\",\"x0\"]]");
  EXPECT_NE(grouped, free);
  EXPECT_EQ(digest("", "[[2,3,4],[0,1]]"), grouped);
}

TEST(TrainConstrained, RefusesWhatCannotBe) {
  RandomDraws draws(3);
  const Problem p = MakeProblem(300, 3, draws);
  DataSpec spec;
  spec.label = "y";
  spec.classification = true;
  TestTable table = p.Table();
  table.Add("y", p.classes);
  const Dataset data = *MakeDataset(Context(), table.ToTable(), spec, BinningOf({}));
  const auto error = [&](const std::string& monotonic, const std::string& interactions) {
    TrainParameters parameters;
    parameters.monotonic_cst = monotonic;
    parameters.interaction_cst = interactions;
    const Result<TrainResult> result = Train(Context(), parameters, data);
    if (result.ok()) return std::string("no error");
    EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
    return result.error().message;
  };
  EXPECT_NE(error("x0:1", "").find("multiclass"), std::string::npos);
  EXPECT_NE(error("c:1", "").find("categorical"), std::string::npos);
  EXPECT_NE(error("x9:1", "").find("\"x9\""), std::string::npos);
  EXPECT_NE(error("", "[[0],[]]").find("group 2 is empty"), std::string::npos);
}

TEST(TrainConstrained, ATreeWithoutALimitOfLeavesGrowsOn) {
  RandomDraws draws(5);
  const Problem p = MakeProblem(2000, 0, draws);
  TrainParameters parameters;
  parameters.max_iter = 1;
  parameters.max_leaf_nodes = 0;
  parameters.min_samples_leaf = 1;
  const Model model = TrainOn(p, **FindLoss("squared_error"), parameters, false);
  EXPECT_GT(model.trees[0].nodes.size(), 1000u);
}

}  // namespace
}  // namespace ramet
