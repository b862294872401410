// Which columns of a table mean what.
//
// Private to this folder.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ramet/bins/dataset.h"

namespace ramet {

struct Roles {
  std::vector<size_t> features;
  std::vector<FeatureKind> kinds;
  size_t label = 0;
  std::optional<size_t> weight;
};

// Errors name the column: not there, in two roles, of a type that its role cannot have.
Result<Roles> FindRoles(const Schema& schema, const DataSpec& spec);

inline std::string Quoted(const std::string& column) { return "column \"" + column + "\""; }

}  // namespace ramet
