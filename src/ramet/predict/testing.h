// Prediction as the model's definition reads, for tests: one row, one tree, one comparison after
// the other.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "ramet/model/model.h"

namespace ramet {

// A cell: a number (NaN if missing) of a numeric feature, or a key (nullopt if missing) of a
// categorical one.
struct NaiveCell {
  double number = kMissing;
  std::optional<CategoryKey> key;
};
using NaiveRow = std::vector<NaiveCell>;  // one cell a feature

inline bool NaiveGoesLeft(const Model& model, const Tree& tree, const Node& node,
                          const NaiveRow& row) {
  const NaiveCell& cell = row[static_cast<size_t>(node.feature)];
  if (node.category_set < 0)
    return std::isnan(cell.number) ? node.missing_left : cell.number <= node.threshold;
  if (!cell.key) return node.missing_left;
  const CategorySet& set = tree.category_sets[static_cast<size_t>(node.category_set)];
  const std::vector<CategoryKey>& categories =
      model.features[static_cast<size_t>(node.feature)].categories;
  const auto found = std::find(categories.begin(), categories.end(), *cell.key);
  return found == categories.end() ? set.others_left
                                   : set.Contains(static_cast<size_t>(found - categories.begin()));
}

inline int32_t NaiveLeaf(const Model& model, const Tree& tree, const NaiveRow& row) {
  int32_t i = 0;
  while (!tree.nodes[static_cast<size_t>(i)].is_leaf()) {
    const Node& node = tree.nodes[static_cast<size_t>(i)];
    i = node.left + (NaiveGoesLeft(model, tree, node, row) ? 0 : 1);
  }
  return i;
}

// Raw scores of one row after some rounds: the sum in tree order.
inline std::vector<double> NaiveScores(const Model& model, const NaiveRow& row, size_t rounds) {
  std::vector<double> scores = model.base_scores;
  for (size_t t = 0; t < rounds * model.num_outputs(); ++t) {
    const Tree& tree = model.trees[t];
    scores[t % model.num_outputs()] +=
        tree.nodes[static_cast<size_t>(NaiveLeaf(model, tree, row))].value;
  }
  return scores;
}

// Where decisions tip: the model's thresholds, their neighbours, the ends of the numbers, zeros and
// missing.
inline std::vector<double> TippingPoints(const Model& model, size_t feature) {
  std::vector<double> points = {kMissing,
                                std::numeric_limits<double>::infinity(),
                                -std::numeric_limits<double>::infinity(),
                                0.0,
                                -0.0,
                                1e-320,
                                1.0};
  for (const Tree& tree : model.trees) {
    for (const Node& node : tree.nodes) {
      if (node.feature != static_cast<int32_t>(feature) || node.category_set >= 0) continue;
      points.push_back(node.threshold);
      points.push_back(std::nextafter(node.threshold, std::numeric_limits<double>::infinity()));
      points.push_back(std::nextafter(node.threshold, -std::numeric_limits<double>::infinity()));
    }
  }
  return points;
}

// A chain of splits on feature 0 with the given number of thresholds, over some trees of 999 splits
// each.
inline Model ModelOfManyThresholds(size_t thresholds) {
  Model model;
  model.loss = "squared_error";
  model.features.resize(2);
  model.feature_names = {"x", "z"};
  model.feature_types = {"float64", "float64"};
  model.base_scores = {0.125};
  constexpr size_t kSplits = 999;
  for (size_t first = 0; first < thresholds; first += kSplits) {
    Tree tree;
    // Balanced over [low, high): children are added behind.
    std::vector<std::pair<size_t, size_t>> ranges = {
        {first, std::min(thresholds, first + kSplits)}};
    tree.nodes.resize(1);
    for (size_t i = 0; i < tree.nodes.size(); ++i) {
      const auto [low, high] = ranges[i];
      if (low == high) {
        tree.nodes[i].value = static_cast<double>(low) + 0.5;
        continue;
      }
      const size_t middle = (low + high) / 2;
      tree.nodes[i] = {.feature = 0,
                       .left = static_cast<int32_t>(tree.nodes.size()),
                       .threshold = static_cast<double>(middle),
                       .gain = 1,
                       .missing_left = i % 2 == 0};
      tree.nodes.resize(tree.nodes.size() + 2);
      ranges.push_back({low, middle});
      ranges.push_back({middle + 1, high});
    }
    model.trees.push_back(std::move(tree));
  }
  return model;
}

}  // namespace ramet
