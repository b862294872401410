#include "ramet/predict/replay.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "ramet/parallel/parallel.h"
#include "ramet/predict/block_bins.h"
#include "ramet/predict/forest.h"

namespace ramet {
namespace {

Error NotOfTheseBins(const std::string& feature) {
  return DataError("the model splits feature \"" + feature +
                   "\" where the data have no bin edge, so it was trained on other data. Start "
                   "anew.");
}

bool IsEdge(const std::vector<double>& thresholds, double threshold) {
  return std::isinf(threshold) ||
         std::binary_search(thresholds.begin(), thresholds.end(), threshold);
}

// A set of the model's categories as one of the data's.
CategorySet TranslateSet(const CategorySet& set, const std::vector<CategoryKey>& from,
                         const std::vector<CategoryKey>& to) {
  CategorySet translated;
  translated.others_left = set.others_left;
  translated.bits.assign((to.size() + 63) / 64, 0);
  for (size_t i = 0; i < to.size(); ++i) {
    const auto listed = std::lower_bound(from.begin(), from.end(), to[i]);
    const bool known = listed != from.end() && *listed == to[i];
    if (known ? set.Contains(static_cast<size_t>(listed - from.begin())) : set.others_left)
      translated.bits[i / 64] |= uint64_t{1} << (i % 64);
  }
  return translated;
}

// The model's trees from `first_tree` on, over the features as the data's bins are: bin 1 + i of
// a feature is its category i, and the next one the folded others.
Result<Model> OnBins(const Model& model, size_t first_tree, const Dataset& data) {
  const std::vector<FeatureBins>& bins = data.mapper.features;
  if (model.features.size() != bins.size())
    return DataError("the model has " + std::to_string(model.features.size()) +
                     " features, the data " + std::to_string(bins.size()) +
                     ", so it was trained on other data. Start anew.");
  Model on_bins;
  for (const FeatureBins& feature : bins)
    on_bins.features.push_back({feature.kind, feature.categories, feature.folded});
  on_bins.base_scores = model.base_scores;
  on_bins.trees.assign(model.trees.begin() + static_cast<ptrdiff_t>(first_tree), model.trees.end());
  for (Tree& tree : on_bins.trees)
    for (Node& node : tree.nodes) {
      if (node.is_leaf()) continue;
      const size_t f = static_cast<size_t>(node.feature);
      const bool categorical = node.category_set >= 0;
      if (categorical != (bins[f].kind == FeatureKind::kCategorical) ||
          (!categorical && !IsEdge(bins[f].thresholds, node.threshold)))
        return NotOfTheseBins(data.feature_names[f]);
      if (!categorical) continue;
      CategorySet& set = tree.category_sets[static_cast<size_t>(node.category_set)];
      set = TranslateSet(set, model.features[f].categories, bins[f].categories);
    }
  return on_bins;
}

// Positions of the features that the trees use, in order.
std::vector<size_t> Used(const Model& model) {
  const std::vector<bool> used = UsedFeatures(model);
  std::vector<size_t> features;
  for (size_t f = 0; f < used.size(); ++f)
    if (used[f]) features.push_back(f);
  return features;
}

}  // namespace

Status ReplayTrees(const Context& context, const Model& model, size_t first_tree,
                   const Dataset& data, std::vector<double>& scores) {
  const size_t outputs = model.num_outputs();
  RAMET_CHECK(first_tree <= model.trees.size() && scores.size() == outputs * data.num_rows);
  RAMET_ASSIGN(const Model on_bins, OnBins(model, first_tree, data));
  std::vector<std::vector<double>> thresholds;
  for (const FeatureBins& bins : data.mapper.features) thresholds.push_back(bins.thresholds);
  // The data's bins are the positions among the thresholds that the forest decides by.
  const Forest<uint8_t> forest = MakeForest<uint8_t>(on_bins, thresholds);
  const std::vector<size_t> features = Used(on_bins);
  ParallelFor(0, data.num_rows, kRowsPerBlock, [&](size_t begin, size_t end) {
    if (context.Cancelled()) return;
    BlockBins<uint8_t> block(forest);
    for (size_t i = 0; i < features.size(); ++i)
      std::memcpy(block.columns() + i * kRowsPerBlock, data.bins.column(features[i]) + begin,
                  end - begin);
    const ForestBlock<uint8_t> rows = block.Finish(context.isa, end - begin);
    for (size_t i = 0; i < forest.trees.size(); ++i) {
      double* const of_output = scores.data() + (first_tree + i) % outputs * data.num_rows;
      AddTree(context.isa, forest.trees[i], rows, end - begin, of_output + begin, 1);
    }
  });
  return context.Cancelled() ? Status(CancelledError("stopped while replaying trees")) : Status();
}

}  // namespace ramet
