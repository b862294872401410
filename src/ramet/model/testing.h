// Random valid models, and damaged files, for the property tests of every folder that reads models.
// Header-only, so that nothing of it is in the library.
//
//   for (uint64_t seed = 0; seed < 200; ++seed) {
//     SCOPED_TRACE("seed " + std::to_string(seed));
//     const Model model = RandomModel(seed);
//
// Over a hundred seeds they hold: numeric and categorical features (none to 200 categories,
// integers and strings, folded or not), missing values to both sides, one and several outputs,
// models without trees, trees of one node, bushy trees, chains of up to 400 levels, thresholds that
// repeat within and across trees, adjacent floats, and extreme ones.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "ramet/base/bytes.h"
#include "ramet/base/hash.h"
#include "ramet/model/format.h"
#include "ramet/model/model.h"

namespace ramet {

// A sequence of random numbers: the same on every machine.
class RandomDraws {
 public:
  explicit RandomDraws(uint64_t seed) : key_(Mix64(seed + 0x9e3779b97f4a7c15ull)) {}
  uint64_t Next() { return CounterHash(key_, counter_++); }
  size_t Below(size_t n) { return static_cast<size_t>(Next() % n); }
  bool Chance(int percent) { return Below(100) < static_cast<size_t>(percent); }
  double Unit() { return static_cast<double>(Next() >> 11) * 0x1p-53; }  // in [0, 1)
  // Either sign, magnitudes from 2^-4 to 2^4.
  double Value() {
    return (Chance(50) ? 1 : -1) * std::ldexp(1 + Unit(), static_cast<int>(Below(8)) - 4);
  }

 private:
  uint64_t key_;
  uint64_t counter_ = 0;
};

inline std::vector<CategoryKey> RandomKeys(RandomDraws& draws, size_t count) {
  std::vector<CategoryKey> keys;
  const int integer_percent = draws.Chance(30) ? 100 : draws.Chance(50) ? 0 : 50;
  for (size_t i = 0; i < count; ++i) {
    if (draws.Chance(integer_percent)) {
      keys.emplace_back(static_cast<int64_t>(draws.Next()) >> draws.Below(64));
    } else {
      std::string text = "k" + std::to_string(draws.Next() % 100000);
      if (draws.Chance(10)) text += "\xc3\xa9 \"quoted\"\n";
      keys.emplace_back(std::move(text));
    }
  }
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  return keys;
}

inline ModelFeature RandomFeature(RandomDraws& draws) {
  ModelFeature feature;
  if (draws.Chance(60)) return feature;
  feature.kind = FeatureKind::kCategorical;
  const size_t sizes[] = {0, 1, 5, 63, 64, 65, 200};
  feature.categories = RandomKeys(draws, sizes[draws.Below(7)]);
  feature.folded = !feature.categories.empty() && draws.Chance(50);
  return feature;
}

// The thresholds that all trees of a model draw from for one feature.
inline std::vector<double> RandomThresholds(RandomDraws& draws) {
  std::vector<double> thresholds = {0.0, std::numeric_limits<double>::max(),
                                    std::numeric_limits<double>::lowest(),
                                    std::numeric_limits<double>::denorm_min()};
  for (int i = 0; i < 5; ++i) {
    thresholds.push_back(draws.Value());
    thresholds.push_back(
        std::nextafter(thresholds.back(), std::numeric_limits<double>::infinity()));
  }
  return thresholds;
}

// Gives leaf `i` of `tree` two children. The model's features must not be empty.
inline void SplitRandomly(RandomDraws& draws, const Model& model,
                          const std::vector<std::vector<double>>& thresholds, Tree& tree,
                          size_t i) {
  Node split;
  split.feature = static_cast<int32_t>(draws.Below(model.features.size()));
  split.left = static_cast<int32_t>(tree.nodes.size());
  split.gain = std::fabs(draws.Value());
  split.count = draws.Below(1'000'000);
  split.missing_left = draws.Chance(50);
  const ModelFeature& feature = model.features[split.feature];
  if (feature.kind == FeatureKind::kNumeric) {
    const std::vector<double>& choices = thresholds[split.feature];
    split.threshold = choices[draws.Below(choices.size())];
  } else {
    CategorySet set;
    set.others_left = draws.Chance(50);
    set.bits.resize((feature.categories.size() + 63) / 64);
    const int percent = draws.Chance(50) ? 50 : 3;
    for (size_t c = 0; c < feature.categories.size(); ++c) {
      if (draws.Chance(percent)) set.bits[c / 64] |= uint64_t{1} << (c % 64);
    }
    split.category_set = static_cast<int32_t>(tree.category_sets.size());
    tree.category_sets.push_back(std::move(set));
  }
  tree.nodes[i] = split;
  for (int child = 0; child < 2; ++child) {
    Node leaf;
    leaf.value = draws.Value();
    leaf.count = draws.Below(1'000'000);
    tree.nodes.push_back(leaf);
  }
}

inline Tree RandomTree(RandomDraws& draws, const Model& model,
                       const std::vector<std::vector<double>>& thresholds) {
  Tree tree;
  Node root;
  root.value = draws.Value();
  root.count = draws.Below(1'000'000);
  tree.nodes.push_back(root);
  if (model.features.empty() || draws.Chance(15)) return tree;
  const bool chain = draws.Chance(10);
  const size_t splits = 1 + draws.Below(chain ? 400 : 40);
  std::vector<size_t> leaves = {0};
  for (size_t s = 0; s < splits; ++s) {
    const size_t at = chain ? leaves.size() - 1 : draws.Below(leaves.size());
    const size_t leaf = leaves[at];
    leaves.erase(leaves.begin() + static_cast<ptrdiff_t>(at));
    leaves.push_back(tree.nodes.size());
    leaves.push_back(tree.nodes.size() + 1);
    if (draws.Chance(50)) std::swap(leaves[leaves.size() - 1], leaves[leaves.size() - 2]);
    SplitRandomly(draws, model, thresholds, tree, leaf);
  }
  return tree;
}

// A valid model; the same for the same seed.
inline Model RandomModel(uint64_t seed) {
  RandomDraws draws(seed);
  Model model;
  size_t outputs = 1;
  switch (draws.Below(3)) {
    case 0:
      model.loss = "squared_error";
      break;
    case 1:
      model.loss = "logistic";
      model.classes = {CategoryKey(int64_t{0}), CategoryKey(int64_t{1})};
      break;
    default:
      model.loss = "softmax";
      model.classes = {CategoryKey(int64_t{-7}), CategoryKey("blue"), CategoryKey("red")};
      outputs = model.classes.size();
  }
  model.parameters = {{"learning_rate", "0.1"}, {"loss", "auto"}, {"random_state", "0"}};
  std::vector<std::vector<double>> thresholds;
  const size_t num_features = draws.Chance(5) ? 0 : 1 + draws.Below(7);
  for (size_t i = 0; i < num_features; ++i) {
    model.features.push_back(RandomFeature(draws));
    model.feature_names.push_back("feature " + std::to_string(i));
    model.feature_types.push_back(model.features[i].kind == FeatureKind::kNumeric ? "float64"
                                                                                  : "string");
    thresholds.push_back(RandomThresholds(draws));
  }
  for (size_t k = 0; k < outputs; ++k) model.base_scores.push_back(draws.Value());
  const size_t rounds = draws.Chance(5) ? 0 : 1 + draws.Below(6);
  for (size_t t = 0; t < rounds * outputs; ++t) {
    model.trees.push_back(RandomTree(draws, model, thresholds));
  }
  model.label_name = "label";
  model.provenance = {{"ramet", "0.1.0"}, {"command", "ramet train"}};
  return model;
}

// Some bytes of `bytes` changed: bits, numbers that make trouble, bytes put in, taken out, copied
// elsewhere.
inline std::string RandomlyDamaged(RandomDraws& draws, std::string bytes) {
  const size_t changes = 1 + draws.Below(3);
  for (size_t i = 0; i < changes && bytes.size() > 8; ++i) {
    const size_t at = draws.Below(bytes.size() - 8);
    switch (draws.Below(6)) {
      case 0:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << draws.Below(8)));
        break;
      case 1:
        bytes[at] = static_cast<char>(draws.Next());
        break;
      case 2: {
        const uint32_t numbers[] = {0, 1, 2, 64, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff};
        StoreLittleEndian(numbers[draws.Below(8)], &bytes[at]);
        break;
      }
      case 3:
        bytes.insert(at, 1 + draws.Below(16), static_cast<char>(draws.Next()));
        break;
      case 4:
        bytes.erase(at, 1 + draws.Below(16));
        break;
      default:
        StoreLittleEndian(LoadLittleEndian<uint64_t>(&bytes[draws.Below(bytes.size() - 8)]),
                          &bytes[at]);
    }
  }
  return bytes;
}

// A file of `model` whose sections are damaged and whose checksums are right again: what
// Deserialize accepts of these must be safe to predict with.
inline std::string DamagedFile(const Model& model, uint64_t seed) {
  RandomDraws draws(seed ^ 0x5deece66d);
  std::string body = SerializeBody(model);
  std::string names = SerializeNames(model);
  if (draws.Chance(80)) {
    body = RandomlyDamaged(draws, std::move(body));
  } else {
    names = RandomlyDamaged(draws, std::move(names));
  }
  return AssembleFile(body, names);
}

}  // namespace ramet
