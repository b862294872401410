// Digests that are locked: tests/golden/README.md says what they are for and how to record them
// anew.

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>

#include "ramet/base/isa.h"
#include "ramet/boost/boost.h"
#include "ramet/table/testing.h"

namespace ramet {
namespace {

// Every cell is integer arithmetic on a hash, so that tables are the same with every compiler and
// library.
uint64_t Hash(uint64_t column, uint64_t row) {
  uint64_t x = (column << 40) + row + 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}
int64_t Between(uint64_t column, uint64_t row, int64_t low, int64_t high) {
  return low + static_cast<int64_t>(Hash(column, row) % static_cast<uint64_t>(high - low + 1));
}

struct Golden {
  std::string name;
  std::string loss;
  size_t rows = 3000;
  int64_t classes = 0;
  bool weighted = false;
  bool validates = false;
  TrainParameters parameters = {};
};

// Rows [first, first + rows): two numbers (one with missing values), a narrow integer, a bool, few
// and many categories.
TestTable TableOf(const Golden& golden, size_t first, size_t rows) {
  std::vector<std::optional<double>> a(rows);
  std::vector<double> b(rows), y(rows), weight(rows);
  std::vector<int16_t> c(rows);
  std::vector<bool> d(rows);
  std::vector<std::optional<std::string>> few(rows), many(rows);
  std::vector<int32_t> classes(rows);
  for (size_t i = 0; i < rows; ++i) {
    const uint64_t row = first + i;
    const int64_t a256 = Between(1, row, -100'000, 100'000);
    const int64_t b16 = Between(2, row, -9999, 9999);
    if (Between(3, row, 0, 9) != 0) a[i] = static_cast<double>(a256) / 256;
    b[i] = static_cast<double>(b16) / 16;
    c[i] = static_cast<int16_t>(Between(4, row, -20, 20));
    d[i] = Hash(5, row) % 3 == 0;
    const int64_t few_code = Between(6, row, 0, 5),
                  many_code = Between(7, row, 0, 20) * Between(8, row, 0, 20);
    if (few_code != 3) few[i] = "few " + std::to_string(few_code);
    many[i] = "many " + std::to_string(many_code);
    const int64_t signal = a256 + 10 * b16 * (d[i] ? 1 : -1) + 2000 * c[i] +
                           15'000 * (few_code % 3) + 200 * many_code +
                           Between(9, row, -40'000, 40'000);
    y[i] = static_cast<double>(signal) / 65536;
    if (golden.loss == "gamma") y[i] = 1 + std::abs(y[i]);
    if (golden.loss == "poisson") y[i] = static_cast<double>(std::abs(signal) / 16384);
    if (golden.classes > 0)
      classes[i] = static_cast<int32_t>(((signal / 65536) % golden.classes + golden.classes) %
                                        golden.classes);
    weight[i] = static_cast<double>(Between(10, row, 0, 31)) / 8;
  }
  TestTable table;
  table.Add("a", a)
      .Add("b", b)
      .Add("c", c)
      .Add("d", d)
      .AddCategory("few", few)
      .AddCategory("many", many);
  if (golden.classes > 0)
    table.Add("y", classes);
  else
    table.Add("y", y);
  if (golden.weighted) table.Add("weight", weight);
  return table;
}

// Each loss: plain; with much of what parameters can do; with early stopping, on a validation set
// and on held-out rows; with packed cells.
std::vector<Golden> Goldens() {
  std::vector<Golden> goldens;
  const std::pair<std::string, int64_t> losses[] = {
      {"logistic", 2}, {"softmax", 4}, {"squared_error", 0}, {"absolute_error", 0},
      {"quantile", 0}, {"poisson", 0}, {"gamma", 0}};
  for (const auto& [loss, classes] : losses) {
    Golden plain{.name = loss + "/plain", .loss = loss, .classes = classes};
    plain.parameters.max_iter = 10;
    goldens.push_back(plain);

    Golden rich = plain;
    rich.name = loss + "/weights_samples_penalties";
    rich.weighted = true;
    rich.parameters.subsample = 0.7;
    rich.parameters.max_features = 0.5;
    rich.parameters.l2_regularization = 1.5;
    rich.parameters.max_depth = 5;
    rich.parameters.max_bins = 40;
    rich.parameters.min_split_gain = 0.01;
    rich.parameters.max_categories_one_vs_rest = 8;
    rich.parameters.random_state = 7;
    rich.parameters.quantile = 0.8;
    goldens.push_back(rich);

    Golden constrained = plain;
    constrained.name = loss + "/constraints";
    if (classes != 4) constrained.parameters.monotonic_cst = "b:1,2:-1";
    constrained.parameters.interaction_cst = "[[0, 1, 5], [1, 2, 3]]";
    if (classes > 0) constrained.parameters.class_weight = "{\"1\": 2.5}";
    goldens.push_back(constrained);

    Golden watched = plain;
    watched.name = loss + "/early_stopping_on_validation_set";
    watched.validates = true;
    watched.parameters.early_stopping = "true";
    watched.parameters.learning_rate = 0.7;
    watched.parameters.n_iter_no_change = 3;
    watched.parameters.max_iter = 40;
    goldens.push_back(watched);

    Golden held_out = watched;
    held_out.name = loss + "/early_stopping_on_held_out_rows";
    held_out.validates = false;
    held_out.weighted = true;
    held_out.parameters.metric = classes > 0 ? "accuracy" : "mae";
    goldens.push_back(held_out);

    Golden packed = plain;
    packed.name = loss + "/packed_cells";
    packed.rows = 70'000;
    packed.parameters.max_iter = 4;
    goldens.push_back(packed);
  }
  return goldens;
}

std::string DigestOf(const Golden& golden) {
  Context context;
  context.threads = 2;
  context.isa = SupportedIsas().back();
  DataSpec spec;
  spec.label = "y";
  spec.classification = golden.classes > 0;
  if (golden.weighted) spec.weight = "weight";
  spec.class_weight = golden.parameters.class_weight;
  TrainParameters parameters = golden.parameters;
  parameters.loss = golden.loss;
  const Result<Dataset> train =
      MakeDataset(context, TableOf(golden, 0, golden.rows).ToTable(), spec, BinningOf(parameters));
  if (!train.ok()) return train.error().message;
  std::optional<Dataset> validation;
  if (golden.validates) {
    Result<Dataset> made = MakeDataset(context, TableOf(golden, 10'000'000, 1000).ToTable(), spec,
                                       BinningOf(parameters), &*train);
    if (!made.ok()) return made.error().message;
    validation = *std::move(made);
  }
  std::vector<EvalSet> eval_sets;
  if (validation) eval_sets.push_back({"validation", &*validation});
  const Result<TrainResult> trained = Train(context, parameters, *train, eval_sets);
  return trained.ok() ? Digest(trained->model) : trained.error().message;
}

TEST(Golden, DigestsAreThoseOfThisAlgorithmVersion) {
  const std::string path =
      std::string(RAMET_GOLDEN_FOLDER) + "/v" + std::to_string(kAlgorithmVersion) + ".txt";
  std::map<std::string, std::string> digests;
  for (const Golden& golden : Goldens()) digests[golden.name] = DigestOf(golden);
  if (const char* record = std::getenv("RAMET_GOLDEN_RECORD");
      record != nullptr && std::string_view(record) == "1") {
    std::ofstream out(path);
    for (const auto& [name, digest] : digests) out << name << ' ' << digest << '\n';
    ASSERT_TRUE(out.flush().good()) << path << " cannot be written";
    std::cout << "recorded " << path << '\n';
    return;
  }
  std::ifstream in(path);
  ASSERT_TRUE(in.good()) << path << " is missing. See tests/golden/README.md.";
  std::map<std::string, std::string> locked;
  std::string name, digest;
  while (in >> name >> digest) locked[name] = digest;
  EXPECT_EQ(digests, locked) << "A model has other bits than this algorithm version promises. If "
                                "that is meant, raise kAlgorithmVersion "
                                "(src/ramet/model/model.h), say why in the commit, and record "
                                "anew: tests/golden/README.md.";
}

// A digest that no change could change would lock nothing.
TEST(Golden, EveryModelDiffers) {
  std::map<std::string, std::string> name_of;
  for (const Golden& golden : Goldens()) {
    if (golden.rows > 10'000) continue;
    const std::string digest = DigestOf(golden);
    ASSERT_EQ(digest.size(), 64u) << digest;
    EXPECT_TRUE(name_of.emplace(digest, golden.name).second)
        << golden.name << " equals " << name_of[digest];
  }
}

}  // namespace
}  // namespace ramet
