#include "ramet/model/model.h"

namespace ramet {

std::vector<double> FeatureImportance(const Model& model, ImportanceType type) {
  std::vector<double> importance(model.features.size(), 0.0);
  for (const Tree& tree : model.trees) {
    for (const Node& node : tree.nodes) {
      if (node.is_leaf()) continue;
      importance[node.feature] += type == ImportanceType::kGain ? node.gain : 1.0;
    }
  }
  return importance;
}

}  // namespace ramet
