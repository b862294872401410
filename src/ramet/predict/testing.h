// Prediction as the model's definition reads, for tests: one row, one tree, one comparison after
// the other.
#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
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

}  // namespace ramet
