// Interaction constraints: which features may split a node, given those that split its ancestors.
//
//   features on the path + Interactions ──AllowedFeatures──► features
//
// All features of a path are in one group. Groups may overlap: {0, 1} and {1, 2} let 1 meet either,
// but not both. Depends on ancestors only (design rule 6).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ramet {

struct Interactions {
  // Ascending features each; every feature is in some group. Empty: no constraint.
  std::vector<std::vector<uint32_t>> groups;
  // Distinct features of a path at most, 0: no limit. (All pairs would be too many groups.)
  size_t max_path_features = 0;

  bool none() const { return groups.empty() && max_path_features == 0; }
  bool operator==(const Interactions&) const = default;
};

// The features that may split a node below splits of `path` (distinct, ascending): ascending, and
// never empty where `path` is itself allowed. O(features + sizes of the groups).
std::vector<uint32_t> AllowedFeatures(const Interactions& interactions, size_t num_features,
                                      std::span<const uint32_t> path);

}  // namespace ramet
