#include "ramet/tree/interactions.h"

#include <algorithm>

namespace ramet {

std::vector<uint32_t> AllowedFeatures(const Interactions& interactions, size_t num_features,
                                      std::span<const uint32_t> path) {
  if (interactions.max_path_features != 0 && path.size() >= interactions.max_path_features)
    return {path.begin(), path.end()};
  std::vector<bool> allowed(num_features, interactions.groups.empty());
  for (const std::vector<uint32_t>& group : interactions.groups) {
    if (!std::includes(group.begin(), group.end(), path.begin(), path.end())) continue;
    for (const uint32_t feature : group) allowed[feature] = true;
  }
  std::vector<uint32_t> features;
  for (uint32_t feature = 0; feature < num_features; ++feature)
    if (allowed[feature]) features.push_back(feature);
  return features;
}

}  // namespace ramet
