#include <gtest/gtest.h>

#include <set>

#include "ramet/model/testing.h"

namespace ramet {
namespace {

constexpr uint64_t kSeeds = 300;

TEST(RandomModel, IsValidAndHoldsEveryCaseThatItPromises) {
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Model model = RandomModel(seed);
    ASSERT_EQ(Validate(model).ok() ? "" : Validate(model).error().message, "");
    ASSERT_EQ(model, RandomModel(seed));
    if (model.trees.empty()) seen.insert("no trees");
    if (model.features.empty()) seen.insert("no features");
    if (model.num_outputs() > 1) seen.insert("several outputs");
    for (const ModelFeature& feature : model.features) {
      if (feature.folded) seen.insert("folded");
      if (feature.categories.size() > 64) seen.insert("more than a word of categories");
    }
    for (const Tree& tree : model.trees) {
      if (tree.nodes.size() == 1) seen.insert("one node");
      size_t depth = 0;
      for (size_t i = 0; !tree.nodes[i].is_leaf() && depth < 200; ++depth) {
        const size_t left = static_cast<size_t>(tree.nodes[i].left);
        i = tree.nodes[left].is_leaf() ? left + 1 : left;
      }
      if (depth == 200) seen.insert("chain");
      for (const Node& node : tree.nodes) {
        if (node.category_set >= 0) seen.insert("categorical split");
        if (!node.is_leaf() && node.category_set < 0) seen.insert("numeric split");
        if (node.missing_left) seen.insert("missing left");
      }
    }
  }
  EXPECT_EQ(seen, (std::set<std::string>{"no trees", "no features", "several outputs", "folded",
                                         "more than a word of categories", "one node", "chain",
                                         "categorical split", "numeric split", "missing left"}));
}

TEST(Serialize, RoundTripGivesTheSameModelAndTheSameBytes) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Model model = RandomModel(seed);
    const std::string bytes = Serialize(model);
    const Result<Model> loaded = Deserialize(bytes);
    ASSERT_TRUE(loaded.ok()) << loaded.error().message;
    ASSERT_EQ(*loaded, model);
    ASSERT_EQ(Serialize(*loaded), bytes);
    ASSERT_EQ(Digest(*loaded), Digest(model));
  }
}

TEST(Serialize, LayoutIsAsDocumented) {
  Model model;
  model.algorithm_version = 0x01020304;
  model.loss = "L";
  model.parameters = {{"p", "q"}};
  model.features.resize(2);
  model.features[1].kind = FeatureKind::kCategorical;
  model.features[1].categories = {CategoryKey(int64_t{-2}), CategoryKey("z")};
  model.features[1].folded = true;
  model.base_scores = {1.0};
  model.trees.resize(1);
  Tree& tree = model.trees[0];
  tree.nodes.resize(3);
  tree.nodes[0] = {
      .feature = 1, .left = 1, .gain = 2.0, .count = 7, .category_set = 0, .missing_left = true};
  tree.nodes[1].value = -1.0;
  tree.nodes[2].value = -0.0;
  tree.category_sets = {{.bits = {2}, .others_left = true}};
  model.feature_names = {"a", "b"};
  model.feature_types = {"", "s"};
  model.label_name = "y";
  model.provenance = {{"k", "v"}};
  ASSERT_TRUE(Validate(model).ok());

  const auto bytes = [](std::initializer_list<int> values) {
    return std::string(values.begin(), values.end());
  };
  const std::string zero4(4, '\0'), zero8(8, '\0'), minus_one4(4, '\xff');
  const std::string body =
      bytes({4, 3, 2, 1}) + bytes({1, 0, 0, 0, 'L'}) +               // version, loss
      bytes({1, 0, 0, 0, 1, 0, 0, 0, 'p', 1, 0, 0, 0, 'q'}) +        // parameters
      bytes({2, 0, 0, 0, 0, 0, 0, 0, 0, 0}) +                        // features: a numeric one,
      bytes({1, 1, 2, 0, 0, 0, 0, 0xfe}) + std::string(7, '\xff') +  // a folded one with key -2
      bytes({1, 1, 0, 0, 0, 'z'}) + zero4 +                          // and "z"; no classes
      bytes({1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f}) +            // one output, 1.0
      bytes({1, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0}) +                  // trees, nodes, sets
      bytes({1, 0, 0, 0}) + minus_one4 + minus_one4 +                // feature
      bytes({1, 0, 0, 0}) + zero8 +                                  // left
      zero8 + zero8 + zero8 +                                        // threshold
      zero8 + bytes({0, 0, 0, 0, 0, 0, 0xf0, 0xbf}) + zero8 +        // value; -0 as +0
      bytes({0, 0, 0, 0, 0, 0, 0, 0x40}) + zero8 + zero8 +           // gain
      bytes({7, 0, 0, 0, 0, 0, 0, 0}) + zero8 + zero8 +              // count
      zero4 + minus_one4 + minus_one4 + bytes({1, 0, 0}) +           // set, missing left
      bytes({1, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0});                // the set
  EXPECT_EQ(SerializeBody(model), body);
  const std::string names = bytes({2, 0, 0, 0, 1, 0, 0, 0, 'a', 1, 0, 0, 0, 'b'}) +
                            bytes({2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 's'}) +
                            bytes({1, 0, 0, 0, 'y'}) +
                            bytes({1, 0, 0, 0, 1, 0, 0, 0, 'k', 1, 0, 0, 0, 'v'});
  EXPECT_EQ(SerializeNames(model), names);
  const std::string file = Serialize(model);
  ASSERT_EQ(file.size(), kHeaderBytes + body.size() + names.size());
  EXPECT_EQ(file.substr(0, 8), bytes({'R', 'A', 'M', 'E', 'T', 0, 1, 0}));
  EXPECT_EQ(LoadLittleEndian<uint64_t>(&file[8]), body.size());
  EXPECT_EQ(LoadLittleEndian<uint64_t>(&file[24]), names.size());
  EXPECT_EQ(file.substr(kHeaderBytes), body + names);
}

TEST(Digest, IsSha256) {
  // FIPS 180-2, appendix B.
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Digest, IsOfTheBodyAlone) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Model model = RandomModel(seed);
    Model renamed = model;
    renamed.label_name = "another";
    for (std::string& name : renamed.feature_names) name += " renamed";
    renamed.provenance.clear();
    EXPECT_EQ(Digest(renamed), Digest(model));
    EXPECT_NE(Serialize(renamed), Serialize(model));
    Model changed = model;
    changed.base_scores[0] = std::nextafter(changed.base_scores[0], 1e9);
    EXPECT_NE(Digest(changed), Digest(model));
    changed = model;
    changed.parameters[1].second += "0";
    EXPECT_NE(Digest(changed), Digest(model));
  }
}

}  // namespace
}  // namespace ramet
