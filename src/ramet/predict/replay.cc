#include "ramet/predict/replay.h"

#include <algorithm>
#include <cmath>

#include "ramet/parallel/parallel.h"

namespace ramet {
namespace {

// Rows whose bins stay in the first-level cache while all trees pass over them.
constexpr size_t kRowsPerBlock = 512;

Error NotOfTheseBins(size_t feature) {
  return DataError(
      "the model splits feature " + std::to_string(feature) +
      " where the data have no bin edge, so it was trained on other data. Start anew.");
}

Result<BinSet> LeftBins(const FeatureBins& bins, const ModelFeature& feature, const Tree& tree,
                        const Node& node) {
  BinSet left;
  if (node.missing_left) left.Insert(0);
  if (bins.kind == FeatureKind::kNumeric) {
    size_t last = bins.thresholds.size();  // all that is present goes left
    if (!std::isinf(node.threshold)) {
      const auto edge =
          std::lower_bound(bins.thresholds.begin(), bins.thresholds.end(), node.threshold);
      if (edge == bins.thresholds.end() || *edge != node.threshold)
        return NotOfTheseBins(static_cast<size_t>(node.feature));
      last = static_cast<size_t>(edge - bins.thresholds.begin());
    }
    for (size_t bin = 1; bin <= last + 1; ++bin) left.Insert(bin);
    return left;
  }
  const CategorySet& set = tree.category_sets[static_cast<size_t>(node.category_set)];
  for (size_t i = 0; i < bins.categories.size(); ++i) {
    const auto listed =
        std::lower_bound(feature.categories.begin(), feature.categories.end(), bins.categories[i]);
    const bool known = listed != feature.categories.end() && *listed == bins.categories[i];
    const size_t index = static_cast<size_t>(listed - feature.categories.begin());
    if (known ? (set.bits[index / 64] >> (index % 64)) & 1 : set.others_left) left.Insert(i + 1);
  }
  if (bins.folded && set.others_left) left.Insert(bins.categories.size() + 1);
  return left;
}

}  // namespace

Result<std::vector<RouteNode>> RouteByBins(const BinMapper& mapper, const Model& model,
                                           const Tree& tree) {
  std::vector<RouteNode> route(tree.nodes.size());
  for (size_t i = 0; i < tree.nodes.size(); ++i) {
    const Node& node = tree.nodes[i];
    if (node.is_leaf()) continue;
    const size_t f = static_cast<size_t>(node.feature);
    route[i].feature = node.feature;
    route[i].left = node.left;
    RAMET_ASSIGN(route[i].left_bins, LeftBins(mapper.features[f], model.features[f], tree, node));
  }
  return route;
}

Status ReplayTrees(const Context& context, const Model& model, size_t first_tree,
                   const Dataset& data, std::vector<double>& scores) {
  std::vector<std::vector<RouteNode>> routes;
  for (size_t t = first_tree; t < model.trees.size(); ++t) {
    RAMET_ASSIGN(std::vector<RouteNode> route, RouteByBins(data.mapper, model, model.trees[t]));
    routes.push_back(std::move(route));
  }
  const size_t outputs = model.num_outputs();
  ParallelFor(0, data.num_rows, kRowsPerBlock, [&](size_t begin, size_t end) {
    for (size_t i = 0; i < routes.size() && !context.Cancelled(); ++i) {
      const Tree& tree = model.trees[first_tree + i];
      double* of_output = scores.data() + (first_tree + i) % outputs * data.num_rows;
      for (size_t row = begin; row < end; ++row)
        of_output[row] +=
            tree.nodes[static_cast<size_t>(RouteRow(routes[i], data.bins.row(row)))].value;
    }
  });
  return {};
}

}  // namespace ramet
