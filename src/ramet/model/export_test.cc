// The exports for people: JSON, trees as text and Graphviz, importance.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "ramet/model/testing.h"

namespace ramet {
namespace {

using nlohmann::json;

CategoryKey KeyOf(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  return value.get<int64_t>();
}

std::vector<CategoryKey> KeysOf(const json& list) {
  std::vector<CategoryKey> keys;
  for (const json& value : list) keys.push_back(KeyOf(value));
  return keys;
}

std::vector<std::pair<std::string, std::string>> PairsOf(const json& list) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const json& pair : list) pairs.emplace_back(pair["name"], pair["value"]);
  return pairs;
}

Tree TreeOf(const json& object, const Model& model) {
  Tree tree;
  for (const json& n : object["nodes"]) {
    EXPECT_EQ(n["id"], tree.nodes.size());
    Node node;
    node.count = n["count"];
    if (n.contains("value")) {
      node.value = n["value"];
    } else {
      node.feature = n["feature"];
      node.left = n["left"];
      EXPECT_EQ(n["right"], node.left + 1);
      node.gain = n["gain"];
      node.missing_left = n["missing"] == "left";
      if (n.contains("threshold")) node.threshold = n["threshold"];
    }
    if (n.contains("categories_left")) {
      const auto& categories = model.features[node.feature].categories;
      CategorySet set;
      set.others_left = n["others"] == "left";
      set.bits.resize((categories.size() + 63) / 64);
      for (const CategoryKey& key : KeysOf(n["categories_left"])) {
        const size_t c = std::find(categories.begin(), categories.end(), key) - categories.begin();
        set.bits[c / 64] |= uint64_t{1} << (c % 64);
      }
      node.category_set = static_cast<int32_t>(tree.category_sets.size());
      tree.category_sets.push_back(set);
    }
    tree.nodes.push_back(node);
  }
  return tree;
}

// The whole model, from its JSON alone.
Model ModelOf(const json& j) {
  Model model;
  model.algorithm_version = j["algorithm_version"];
  model.loss = j["loss"];
  model.parameters = PairsOf(j["parameters"]);
  for (const json& f : j["features"]) {
    ModelFeature feature;
    if (f["kind"] == "categorical") {
      feature.kind = FeatureKind::kCategorical;
      feature.categories = KeysOf(f["categories"]);
      feature.folded = f["folded"];
    }
    model.features.push_back(feature);
    model.feature_names.push_back(f["name"]);
    model.feature_types.push_back(f["type"]);
  }
  model.classes = KeysOf(j["classes"]);
  for (const json& score : j["base_scores"]) model.base_scores.push_back(score);
  for (const json& tree : j["trees"]) model.trees.push_back(TreeOf(tree, model));
  model.label_name = j["label"];
  model.provenance = PairsOf(j["provenance"]);
  return model;
}

// Category sets in order of their splits' nodes, as the JSON implies.
Model WithSetsInOrderOfNodes(Model model) {
  for (Tree& tree : model.trees) {
    std::vector<CategorySet> sets;
    for (Node& node : tree.nodes) {
      if (node.category_set < 0) continue;
      sets.push_back(tree.category_sets[node.category_set]);
      node.category_set = static_cast<int32_t>(sets.size() - 1);
    }
    tree.category_sets = sets;
  }
  return model;
}

TEST(ToJson, HoldsTheWholeModelExactly) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Model model = RandomModel(seed);
    const json parsed = json::parse(ToJson(model));
    ASSERT_EQ(ModelOf(parsed), WithSetsInOrderOfNodes(model));
    ASSERT_EQ(parsed["digest"], Digest(model));
    ASSERT_EQ(parsed["rounds"], model.num_rounds());
    for (size_t t = 0; t < model.trees.size(); ++t) {
      ASSERT_EQ(parsed["trees"][t]["round"], t / model.num_outputs() + 1);
      ASSERT_EQ(parsed["trees"][t]["output"], t % model.num_outputs());
    }
  }
}

// Two features, one tree of three leaves.
Model Example() {
  Model model;
  model.loss = "squared_error";
  model.features.resize(2);
  model.features[1].kind = FeatureKind::kCategorical;
  for (int i = 0; i < 12; ++i) model.features[1].categories.emplace_back(std::string(1, 'a' + i));
  model.base_scores = {0.1};
  Tree tree;
  tree.nodes.resize(5);
  tree.nodes[0] = {
      .feature = 0, .left = 1, .threshold = 13.5, .gain = 0.1, .count = 100, .missing_left = true};
  tree.nodes[1].value = 1e22;
  tree.nodes[1].count = 60;
  tree.nodes[2] = {.feature = 1, .left = 3, .gain = 1.0 / 3, .count = 40, .category_set = 0};
  tree.nodes[3].value = -0.25;
  tree.category_sets = {{.bits = {0x7fe}, .others_left = true}};
  model.trees = {tree};
  model.feature_names = {"hour", "say \"car\"\n"};
  model.feature_types = {"int32", "string"};
  model.label_name = "\xff";
  return model;
}

TEST(ToJson, NumbersAreShortestAndTextIsEscaped) {
  ASSERT_TRUE(Validate(Example()).ok());
  const std::string text = ToJson(Example());
  for (const char* part :
       {"\"base_scores\": [0.1]", "\"threshold\": 13.5, \"missing\": \"left\"", "\"value\": 1e+22",
        "\"gain\": 0.3333333333333333", "\"say \\\"car\\\"\\n\"", "\"label\": \"\xef\xbf\xbd\""}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " in\n" << text;
  }
}

TEST(TreeToText, ReadsAsQuestions) {
  EXPECT_EQ(TreeToText(Example(), 0),
            "tree 0 (round 1): 3 leaves, depth 2\n"
            "hour <= 13.5 or missing?  (100 rows, gain 0.1)\n"
            "  yes: leaf 1e+22  (60 rows)\n"
            "  no:  say \"car\"\\x0a in {b, c, d, e, f, g, h, i and 2 more} or another?"
            "  (40 rows, gain 0.333333)\n"
            "    yes: leaf -0.25  (0 rows)\n"
            "    no:  leaf 0  (0 rows)\n");
}

TEST(Exports, SayPresentWhereTheThresholdIsInfinite) {
  Model model = Example();
  Node& root = model.trees[0].nodes[0];
  root.threshold = std::numeric_limits<double>::infinity();
  root.missing_left = false;
  ASSERT_TRUE(Validate(model).ok());
  const Result<Model> loaded = Deserialize(Serialize(model));
  ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  EXPECT_EQ(*loaded, model);
  EXPECT_NE(TreeToText(model, 0).find("hour is present?"), std::string::npos);
  EXPECT_TRUE(json::parse(ToJson(model))["trees"][0]["nodes"][0]["threshold"].is_null());
}

TEST(TreeToText, HasALinePerNodeOfEveryTree) {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Model model = RandomModel(seed);
    for (size_t t = 0; t < model.trees.size(); ++t) {
      const std::string text = TreeToText(model, t);
      ASSERT_EQ(static_cast<size_t>(std::count(text.begin(), text.end(), '\n')),
                model.trees[t].nodes.size() + 1);
    }
  }
}

TEST(TreeToGraphviz, IsADigraphOfTheTree) {
  const std::string text = TreeToGraphviz(Example(), 0);
  for (const char* part :
       {"digraph tree {\n", "n0 [label=\"hour <= 13.5 or missing?  (100 rows, gain 0.1)\"]",
        "n0 -> n1 [label=\"yes\"]", "n0 -> n2 [label=\"no\"]", "n2 -> n3 [label=\"yes\"]",
        "n2 -> n4 [label=\"no\"]", "label=\"say \\\"car\\\"\\\\x0a in {b, c"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " in\n" << text;
  }
  EXPECT_EQ(text.substr(text.size() - 2), "}\n");
}

TEST(FeatureImportance, AddsGainsAndCountsSplits) {
  Model model = Example();
  model.trees.push_back(model.trees[0]);
  EXPECT_EQ(FeatureImportance(model, ImportanceType::kGain),
            (std::vector<double>{0.1 + 0.1, 1.0 / 3 + 1.0 / 3}));
  EXPECT_EQ(FeatureImportance(model, ImportanceType::kSplit), (std::vector<double>{2, 2}));
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const Model random = RandomModel(seed);
    size_t splits = 0;
    for (const Tree& tree : random.trees) splits += tree.nodes.size() / 2;
    double total = 0;
    for (const double count : FeatureImportance(random, ImportanceType::kSplit)) total += count;
    EXPECT_EQ(total, static_cast<double>(splits)) << "seed " << seed;
  }
}

}  // namespace
}  // namespace ramet
