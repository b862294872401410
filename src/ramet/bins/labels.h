// Labels and weights of a table's rows.
//
// Private to this folder.
#pragma once

#include <vector>

#include "ramet/bins/roles.h"

namespace ramet {

struct LabelledRows {
  std::vector<CategoryKey> classes;  // sorted; empty where labels are numbers
  std::vector<double> labels;        // the numbers, or indices into classes
  std::vector<float> weights;        // empty if all are 1
};

// The columns as they are: weights without their classes'. `known`: the classes that may occur, and
// that labels are indices of; null: those that do occur. Errors name column and row.
Result<LabelledRows> ReadLabels(const Context& context, const Table& table, const Roles& roles,
                                const DataSpec& spec, const std::vector<CategoryKey>* known);

// The weights alone.
Result<std::vector<float>> ReadWeights(const Context& context, const Table& table,
                                       const Roles& roles);

}  // namespace ramet
