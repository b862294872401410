#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "ramet/model/testing.h"

namespace ramet {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// One tree:  0 numeric ─┬─ 1 categorical (70 categories) ─┬─ 3 leaf
//                       │                                 └─ 4 leaf
//                       └─ 2 numeric ─┬─ 5 leaf
//                                     └─ 6 leaf
Model Base() {
  Model model;
  model.loss = "logistic";
  model.parameters = {{"a", "1"}, {"b", "2"}};
  model.features.resize(2);
  model.features[1].kind = FeatureKind::kCategorical;
  for (int64_t key = 0; key < 70; ++key) model.features[1].categories.emplace_back(key);
  model.classes = {CategoryKey("no"), CategoryKey("yes")};
  model.base_scores = {0.5};
  Tree tree;
  tree.nodes.resize(7);
  tree.nodes[0] = {.feature = 0, .left = 1, .threshold = 2.5, .gain = 3, .count = 10};
  tree.nodes[1] = {.feature = 1, .left = 3, .gain = 2, .count = 5, .category_set = 0};
  tree.nodes[2] = {.feature = 0, .left = 5, .threshold = 7.5, .gain = 1, .count = 5};
  for (int i = 3; i < 7; ++i) tree.nodes[i].value = i;
  tree.category_sets = {{.bits = {5, 1}, .others_left = true}};
  model.trees = {tree, tree};
  model.feature_names = {"x", "c"};
  model.feature_types = {"float64", "int64"};
  return model;
}

struct Damage {
  const char* name;
  std::function<void(Model&)> apply;
  const char* message;  // part of the error
};

// Of the tree that the damages are done to.
std::vector<Node>& Nodes(Model& m) { return m.trees[1].nodes; }

std::vector<Damage> TreeDamages() {
  return {
      {"no nodes", [](Model& m) { Nodes(m).clear(); }, "tree 1 has no nodes"},
      {"feature beyond", [](Model& m) { Nodes(m)[0].feature = 2; }, "tree 1, node 0: the feature"},
      {"feature int max", [](Model& m) { Nodes(m)[0].feature = 0x7fffffff; }, "out of range"},
      {"feature -2", [](Model& m) { Nodes(m)[3].feature = -2; }, "not the -1 of a leaf"},
      {"own child", [](Model& m) { Nodes(m)[2].left = 2; }, "do not come after"},
      {"cycle", [](Model& m) { Nodes(m)[2].left = 1; }, "do not come after"},
      {"root as child", [](Model& m) { Nodes(m)[2].left = 0; }, "do not come after"},
      {"negative child", [](Model& m) { Nodes(m)[2].left = -5; }, "do not come after"},
      {"least child", [](Model& m) { Nodes(m)[2].left = INT32_MIN; }, "do not come after"},
      {"right child beyond", [](Model& m) { Nodes(m)[2].left = 6; }, "children are out of range"},
      {"left child beyond", [](Model& m) { Nodes(m)[2].left = 7; }, "children are out of range"},
      {"greatest child", [](Model& m) { Nodes(m)[2].left = INT32_MAX; }, "are out of range"},
      {"two parents", [](Model& m) { Nodes(m)[2].left = 3; }, "another parent already"},
      {"overlapping pairs", [](Model& m) { Nodes(m)[2].left = 4; }, "another parent already"},
      {"gap", [](Model& m) { Nodes(m).insert(Nodes(m).end(), 2, Node()); },
       "tree 1, node 7: no node has it as a child"},
      {"unreachable split", [](Model& m) { Nodes(m)[0] = Node(); }, "no node has it as a child"},
      {"threshold NaN", [](Model& m) { Nodes(m)[0].threshold = kNan; }, "threshold is not finite"},
      {"threshold -inf", [](Model& m) { Nodes(m)[0].threshold = -kInfinity; }, "not finite"},
      {"threshold inf, missing left",
       [](Model& m) {
         Nodes(m)[0].threshold = kInfinity;
         Nodes(m)[0].missing_left = true;
       },
       "sends everything left"},
      {"gain NaN", [](Model& m) { Nodes(m)[0].gain = kNan; }, "gain is not finite"},
      {"value NaN", [](Model& m) { Nodes(m)[4].value = kNan; }, "value is not finite"},
      {"value -inf", [](Model& m) { Nodes(m)[4].value = -kInfinity; }, "value is not finite"},
      {"split with value", [](Model& m) { Nodes(m)[0].value = 1; }, "has the value of a leaf"},
      {"split NaN value", [](Model& m) { Nodes(m)[0].value = kNan; }, "has the value of a leaf"},
      {"leaf with left", [](Model& m) { Nodes(m)[4].left = 5; }, "the leaf has children"},
      {"leaf with threshold", [](Model& m) { Nodes(m)[4].threshold = 1; }, "fields of a split"},
      {"leaf NaN threshold", [](Model& m) { Nodes(m)[4].threshold = kNan; }, "fields of a split"},
      {"leaf with gain", [](Model& m) { Nodes(m)[4].gain = 1; }, "fields of a split"},
      {"leaf with set", [](Model& m) { Nodes(m)[4].category_set = 0; }, "fields of a split"},
      {"leaf missing", [](Model& m) { Nodes(m)[4].missing_left = true; }, "fields of a split"},
      {"set beyond", [](Model& m) { Nodes(m)[1].category_set = 1; }, "set is out of range"},
      {"set -1", [](Model& m) { Nodes(m)[1].category_set = -1; }, "set is out of range"},
      {"set -2", [](Model& m) { Nodes(m)[1].category_set = -2; }, "set is out of range"},
      {"numeric with set", [](Model& m) { Nodes(m)[0].category_set = 0; }, "split by categories"},
      {"categorical threshold", [](Model& m) { Nodes(m)[1].threshold = 1; }, "by a threshold"},
      {"categorical as numeric", [](Model& m) { Nodes(m)[1].feature = 0; }, "split by categories"},
      {"set too short", [](Model& m) { m.trees[1].category_sets[0].bits = {5}; }, "set's size"},
      {"set empty", [](Model& m) { m.trees[1].category_sets[0].bits = {}; }, "set's size"},
      {"set too long",
       [](Model& m) {
         m.trees[1].category_sets[0].bits = {5, 1, 0};
       },
       "size"},
      {"padding bit", [](Model& m) { m.trees[1].category_sets[0].bits[1] = 64; }, "does not have"},
      {"unused set",
       [](Model& m) { m.trees[1].category_sets.push_back(m.trees[1].category_sets[0]); },
       "that no split uses"},
      {"shared set", [](Model& m) { Nodes(m)[2] = {.feature = 1, .left = 5, .category_set = 0}; },
       "belongs to another split already"},
  };
}

std::vector<Damage> ModelDamages() {
  return {
      {"no loss", [](Model& m) { m.loss.clear(); }, "name of the loss is empty"},
      {"unsorted parameters", [](Model& m) { std::swap(m.parameters[0], m.parameters[1]); },
       "parameters are not in strictly ascending order"},
      {"repeated parameter", [](Model& m) { m.parameters[1].first = "a"; }, "ascending order"},
      {"categories of a number", [](Model& m) { m.features[0].categories.emplace_back("k"); },
       "feature 0 is numeric but has categories"},
      {"folded number", [](Model& m) { m.features[0].folded = true; }, "is numeric but"},
      {"repeated category", [](Model& m) { m.features[1].categories[1].emplace<int64_t>(0); },
       "categories of feature 1 are not in strictly ascending order at position 1"},
      {"unsorted categories",
       [](Model& m) { m.features[1].categories[0].emplace<std::string>("text"); }, "ascending"},
      {"fewer categories", [](Model& m) { m.features[1].categories.resize(64); }, "set's size"},
      {"number for category", [](Model& m) { m.features[1] = ModelFeature(); },
       "a numeric feature is split by categories"},
      {"repeated class", [](Model& m) { m.classes[1] = m.classes[0]; }, "classes are not in"},
      {"unsorted classes", [](Model& m) { std::swap(m.classes[0], m.classes[1]); }, "classes are"},
      {"no output", [](Model& m) { m.base_scores.clear(); }, "0 outputs do not fit 2 classes"},
      {"three outputs", [](Model& m) { m.base_scores.resize(3); }, "3 outputs do not fit"},
      {"one class", [](Model& m) { m.classes.resize(1); }, "1 outputs do not fit 1 classes"},
      {"outputs of no class",
       [](Model& m) {
         m.classes.clear();
         m.base_scores.resize(2);
       },
       "2 outputs do not fit 0 classes"},
      {"half a round",
       [](Model& m) {
         m.base_scores.resize(2);
         m.trees.resize(1);
       },
       "1 trees are no whole number of rounds of 2 outputs"},
      {"base score NaN", [](Model& m) { m.base_scores[0] = kNan; }, "base score is not finite"},
      {"name missing", [](Model& m) { m.feature_names.pop_back(); }, "1 feature names for 2"},
      {"name too many", [](Model& m) { m.feature_names.push_back("z"); }, "3 feature names for 2"},
      {"type missing", [](Model& m) { m.feature_types.clear(); }, "0 feature types for 2"},
  };
}

TEST(Validate, AcceptsTheBase) {
  const Status status = Validate(Base());
  EXPECT_TRUE(status.ok()) << status.error().message;
}

// In memory, and as a file with right checksums.
TEST(Validate, RefusesEachDamage) {
  std::vector<Damage> damages = TreeDamages();
  for (Damage& damage : ModelDamages()) damages.push_back(std::move(damage));
  for (const Damage& damage : damages) {
    SCOPED_TRACE(damage.name);
    Model model = Base();
    damage.apply(model);
    const Status status = Validate(model);
    ASSERT_FALSE(status.ok());
    EXPECT_NE(status.error().message.find(damage.message), std::string::npos)
        << status.error().message;
    const Result<Model> loaded = Deserialize(Serialize(model));
    ASSERT_FALSE(loaded.ok());
    EXPECT_NE(loaded.error().message.find(damage.message), std::string::npos)
        << loaded.error().message;
  }
}

TEST(Validate, RefusesWhatIsBeyondTheLimits) {
  const auto error = [](const Model& model) {
    const Status status = Validate(model);
    return status.ok() ? std::string() : status.error().message;
  };
  Model model = Base();
  model.feature_names[0] = std::string(kMaxStringBytes, 'x');
  EXPECT_EQ(error(model), "");
  model.feature_names[0] += 'x';
  EXPECT_NE(error(model).find("1048577 bytes in a feature name"), std::string::npos);
  EXPECT_FALSE(Deserialize(Serialize(model)).ok());

  model = Base();
  model.provenance.resize(kMaxParameters);
  EXPECT_EQ(error(model), "");
  model.provenance.resize(kMaxParameters + 1);
  EXPECT_NE(error(model).find("lines of provenance"), std::string::npos);
  EXPECT_FALSE(Deserialize(Serialize(model)).ok());

  model = Base();
  model.features[1].categories.clear();
  for (int64_t key = 0; key <= kMaxCategories; ++key)
    model.features[1].categories.emplace_back(key);
  EXPECT_NE(error(model).find("1000001 categories in feature 1"), std::string::npos);
  EXPECT_FALSE(Deserialize(Serialize(model)).ok());
}

// As deep as a tree of its size can be, at 400,001 nodes: nothing recurses.
TEST(Validate, DeepChainsNeedNoStack) {
  Model model = Base();
  Tree& tree = model.trees[1];
  tree.category_sets.clear();
  const int32_t splits = 200'000;
  tree.nodes.assign(2 * splits + 1, Node());
  for (int32_t i = 0; i < splits; ++i) {
    const int32_t at = i == 0 ? 0 : 2 * i - 1;
    tree.nodes[at] = {.feature = 0, .left = 2 * i + 1, .threshold = 1.0 * i};
  }
  const Result<Model> loaded = Deserialize(Serialize(model));
  ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  EXPECT_EQ(*loaded, model);
  EXPECT_NE(TreeToText(*loaded, 1).find("200001 leaves, depth 200000"), std::string::npos);
  EXPECT_FALSE(TreeToGraphviz(*loaded, 1).empty());
  EXPECT_FALSE(ToJson(*loaded).empty());
}

}  // namespace
}  // namespace ramet
