// Rule 7: scores replayed on bins are those that the raw values give, bit by bit.
#include "ramet/predict/replay.h"

#include <gtest/gtest.h>

#include <atomic>
#include <random>

#include "ramet/parallel/parallel.h"
#include "ramet/predict/predict.h"
#include "ramet/table/testing.h"

namespace ramet {
namespace {

using Random = std::mt19937_64;

TestTable RandomTable(size_t rows, size_t numeric, size_t categories, Random& random) {
  TestTable table;
  for (size_t f = 0; f < numeric; ++f) {
    std::vector<std::optional<double>> values(rows);
    const bool missing = random() % 2 == 0;
    const uint64_t distinct = 1 + random() % 2000;
    for (auto& value : values)
      if (!missing || random() % 8 > 0) value = static_cast<double>(random() % distinct) / 7;
    table.Add("n" + std::to_string(f), values);
  }
  for (size_t f = 0; f < 2; ++f) {
    std::vector<std::optional<std::string>> words(rows);
    for (auto& word : words)
      if (random() % 9 > 0) word = "w" + std::to_string(random() % categories);
    table.Add("c" + std::to_string(f), words);
  }
  std::vector<double> labels(rows, 1);
  return table.Add("y", labels);
}

Dataset Binned(const TestTable& table, const Dataset* reference = nullptr, int max_bins = 255) {
  DataSpec spec;
  spec.label = "y";
  BinningParameters parameters;
  parameters.max_bins = max_bins;
  return *MakeDataset(Context(), table.ToTable(), spec, parameters, reference);
}

// Keys that the data do not have, as a model that began on other data lists them.
std::vector<CategoryKey> MoreCategories(const FeatureBins& bins) {
  std::vector<CategoryKey> categories = bins.categories;
  for (const char* more : {"a", "w1more", "z"}) categories.push_back(more);
  std::sort(categories.begin(), categories.end());
  return categories;
}

CategorySet RandomSet(const FeatureBins& bins, const ModelFeature& feature, bool others_left,
                      Random& random) {
  CategorySet set;
  set.bits.assign((feature.categories.size() + 63) / 64, 0);
  set.others_left = others_left;
  for (size_t i = 0; i < feature.categories.size(); ++i) {
    const bool known =
        std::binary_search(bins.categories.begin(), bins.categories.end(), feature.categories[i]);
    if (known ? random() % 2 == 0 : others_left) set.bits[i / 64] |= uint64_t{1} << (i % 64);
  }
  return set;
}

// A split as training makes them: at an edge; unknown keys go with the rare ones, or the missing.
void Split(const Dataset& data, const Model& model, Tree& tree, size_t leaf, Random& random) {
  size_t f = random() % data.mapper.features.size();
  // Nothing is split by a feature that has no values: the last one has none only if rows are few.
  while (data.mapper.features[f].num_bins() == 1 && f + 1 < data.mapper.features.size()) ++f;
  const FeatureBins& bins = data.mapper.features[f];
  Node node{.feature = static_cast<int32_t>(f),
            .left = static_cast<int32_t>(tree.nodes.size()),
            .gain = 1,
            .missing_left = random() % 2 == 0};
  if (bins.kind == FeatureKind::kNumeric) {
    const size_t edge = random() % (bins.thresholds.size() + 1);
    if (edge == bins.thresholds.size()) node.missing_left = false;
    node.threshold = edge < bins.thresholds.size() ? bins.thresholds[edge]
                                                   : std::numeric_limits<double>::infinity();
  } else {
    const bool others_left = bins.folded ? random() % 2 == 0 : node.missing_left;
    node.category_set = static_cast<int32_t>(tree.category_sets.size());
    tree.category_sets.push_back(RandomSet(bins, model.features[f], others_left, random));
  }
  tree.nodes[leaf] = node;
  for (int child = 0; child < 2; ++child)
    tree.nodes.push_back({.value = static_cast<double>(random() % 1000) / 999 - 0.5});
}

Model RandomModel(const Dataset& data, size_t outputs, size_t rounds, size_t splits,
                  Random& random) {
  Model model;
  model.loss = outputs == 1 ? "squared_error" : "softmax";
  for (size_t k = 0; outputs > 1 && k < outputs; ++k)
    model.classes.push_back(static_cast<int64_t>(k));
  for (const FeatureBins& bins : data.mapper.features)
    model.features.push_back(
        {bins.kind,
         bins.kind == FeatureKind::kCategorical ? MoreCategories(bins) : std::vector<CategoryKey>(),
         bins.folded});
  model.feature_names = data.feature_names;
  model.feature_types = data.feature_types;
  for (size_t k = 0; k < outputs; ++k)
    model.base_scores.push_back(static_cast<double>(random() % 100) / 7);
  for (size_t t = 0; t < rounds * outputs; ++t) {
    Tree tree;
    tree.nodes.resize(1);
    std::vector<size_t> leaves = {0};
    for (size_t s = random() % (splits + 1); s > 0; --s) {
      const size_t at = random() % leaves.size(), leaf = leaves[at];
      leaves[at] = tree.nodes.size();
      leaves.push_back(tree.nodes.size() + 1);
      Split(data, model, tree, leaf, random);
    }
    model.trees.push_back(std::move(tree));
  }
  return model;
}

std::vector<double> OutputsFirst(const Buffer<double>& scores, size_t outputs) {
  const size_t rows = scores.size() / outputs;
  std::vector<double> transposed(scores.size());
  for (size_t i = 0; i < scores.size(); ++i)
    transposed[i % outputs * rows + i / outputs] = scores[i];
  return transposed;
}

Status Replay(const Context& context, const Model& model, size_t first_tree, const Dataset& data,
              std::vector<double>& scores) {
  Status status;
  RunOnThreads(context, [&] { status = ReplayTrees(context, model, first_tree, data, scores); });
  return status;
}

void ExpectReplayOfRawScores(uint64_t seed) {
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  Random random(seed);
  // Few features, and more than triplets take.
  const size_t numeric = seed % 5 == 0 ? 80 : 1 + random() % 12;
  const size_t categories = seed % 2 == 0 ? 20 : 400;
  const TestTable table = RandomTable(1 + random() % 2000, numeric, categories, random);
  const Dataset data = Binned(table, nullptr, 2 + static_cast<int>(random() % 254));
  const size_t outputs = seed % 3 == 0 ? 3 : 1, rounds = 1 + random() % 12;
  const Model model = RandomModel(data, outputs, rounds, seed % 4 == 0 ? 300 : 40, random);
  ASSERT_TRUE(Validate(model).ok()) << Validate(model).error().message;
  Context context;
  context.threads = 1 + static_cast<int>(random() % 2);
  const Predictor predictor(model);
  // Other rows too: keys and numbers that training has not seen.
  const TestTable other = RandomTable(700, numeric, categories + 30, random);
  const Dataset other_data = Binned(other, &data);
  for (const auto& [rows, bins] : {std::pair(&table, &data), std::pair(&other, &other_data)}) {
    const Buffer<double> expected = *predictor.RawScores(Context(), rows->ToTable());
    for (const Isa isa : SupportedIsas()) {
      context.isa = isa;
      const size_t before = random() % (rounds + 1);
      std::vector<double> scores;
      for (double base : model.base_scores) scores.insert(scores.end(), bins->num_rows, base);
      if (before > 0)
        scores = OutputsFirst(*predictor.RawScores(Context(), rows->ToTable(), before), outputs);
      ASSERT_TRUE(Replay(context, model, before * outputs, *bins, scores).ok());
      ASSERT_EQ(scores, OutputsFirst(expected, outputs)) << IsaName(isa);
    }
  }
}

TEST(ReplayTrees, GivesTheScoresOfRawValues) {
  for (uint64_t seed = 0; seed < 40; ++seed) ASSERT_NO_FATAL_FAILURE(ExpectReplayOfRawScores(seed));
}

TEST(ReplayTrees, OfNoRowsOrNoTreesIsNothing) {
  Random random(1);
  Dataset data = Binned(RandomTable(50, 3, 5, random));
  const Model model = RandomModel(data, 1, 3, 5, random);
  std::vector<double> scores(50, 1.5);
  ASSERT_TRUE(Replay(Context(), model, 3, data, scores).ok());
  EXPECT_EQ(scores, std::vector<double>(50, 1.5));
  data.num_rows = 0;
  data.bins = BinnedMatrix(0, data.bins.num_features());
  scores.clear();
  EXPECT_TRUE(Replay(Context(), model, 0, data, scores).ok());
}

TEST(ReplayTrees, RefusesTreesThatWereNotGrownOnTheseBins) {
  Random random(2);
  const Dataset data = Binned(RandomTable(500, 2, 5, random));
  const auto error = [&](auto change) {
    Model model = RandomModel(data, 1, 1, 0, random);
    while (model.trees[0].nodes[0].feature != 0) {
      model.trees[0] = {};
      model.trees[0].nodes.resize(1);
      Split(data, model, model.trees[0], 0, random);
    }
    change(model);
    std::vector<double> scores(500, 0);
    const Status status = Replay(Context(), model, 0, data, scores);
    EXPECT_EQ(scores, std::vector<double>(500, 0));
    return status.ok() ? "no error" : status.error().message;
  };
  const std::string no_edge =
      "the model splits feature \"n0\" where the data have no bin edge, so it was trained on other "
      "data. Start anew.";
  EXPECT_EQ(error([](Model& model) { model.trees[0].nodes[0].threshold = -1e9; }), no_edge);
  EXPECT_EQ(error([](Model& model) {
              model.trees[0].nodes[0].category_set = 0;
              model.trees[0].category_sets = {{}};
            }),
            no_edge);
  EXPECT_NE(error([](Model& model) { model.features.pop_back(); }).find("the model has 3 features"),
            std::string::npos);
  EXPECT_EQ(error([](Model& model) {
              model.trees[0].nodes[0].threshold = std::numeric_limits<double>::infinity();
              model.trees[0].nodes[0].missing_left = false;
              for (int child : {1, 2}) model.trees[0].nodes[child].value = 0;
            }),
            "no error");
}

TEST(ReplayTrees, StopsWhenCancelled) {
  Random random(3);
  const Dataset data = Binned(RandomTable(500, 2, 5, random));
  const Model model = RandomModel(data, 1, 2, 5, random);
  const std::atomic<bool> cancelled = true;
  Context context;
  context.cancelled = &cancelled;
  std::vector<double> scores(500, 0);
  const Status status = Replay(context, model, 0, data, scores);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kCancelled);
}

}  // namespace
}  // namespace ramet
