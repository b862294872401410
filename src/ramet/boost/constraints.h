// Constraints from their texts, the parameters `monotonic_cst` and `interaction_cst`.
//
//   "dose:1,age:-1"            predictions rise with dose and fall with age
//   "0:1,5:-1"                 whole numbers are positions: features 0 and 5
//   {"a:b": 1, "0": -1}        JSON: any name, also one with a comma or of digits alone
//
//   no_interactions            every path of a tree splits one feature only
//   pairwise                   two at most
//   [[0,1],["age","dose",2]]   features of one group may meet on a path; numbers are positions,
//                              strings names; features that no group lists are a group of their own
//
// Meanings are scikit-learn's.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ramet/base/result.h"
#include "ramet/bins/bins.h"
#include "ramet/tree/interactions.h"

namespace ramet {

struct Constraints {
  std::vector<int8_t> monotonic;  // of each feature 1, -1 or 0; empty: no feature is constrained
  Interactions interactions;
  // One text for one meaning: positions, ascending, and no constraint is the empty text. All groups
  // are written, the one of features not listed too. Parsing them gives the same constraints.
  std::string monotonic_text, interaction_text;
  bool operator==(const Constraints&) const = default;
};

// Errors (kInvalidArgument): a text that cannot be read, an unknown feature (with the nearest
// name), a position out of range, a feature given two directions, a direction that is not -1, 0 or
// 1, one of a categorical feature, an empty group.
Result<Constraints> ParseConstraints(std::string_view monotonic_cst,
                                     std::string_view interaction_cst,
                                     std::span<const std::string> feature_names,
                                     std::span<const FeatureKind> kinds);

// Monotonic constraints are for models of one output.
Status CheckOutputs(const Constraints& constraints, size_t num_outputs);

}  // namespace ramet
