// For tests: bins of a table's columns, by the steps that MakeDataset takes.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "ramet/bins/find.h"
#include "ramet/bins/survey.h"

namespace ramet {

// `weights` has an entry a row or is empty.
inline Result<BinMapper> FindBins(const Context& context, const Table& table,
                                  std::span<const size_t> columns,
                                  std::span<const FeatureKind> kinds,
                                  std::span<const float> weights,
                                  const BinningParameters& parameters) {
  RAMET_RETURN_IF_ERROR(CheckReadable(
      table.schema(), {{columns.begin(), columns.end()}, {kinds.begin(), kinds.end()}, 0, {}}));
  RAMET_ASSIGN(const std::vector<FeatureSurvey> features,
               SurveyFeatures(context, table, columns, kinds, weights));
  const uint64_t counted =
      weights.empty() ? table.num_rows()
                      : static_cast<uint64_t>(std::count_if(weights.begin(), weights.end(),
                                                            [](float w) { return w != 0; }));
  return FindBinsOfWhole(context, table, columns, features, weights, counted, parameters);
}

}  // namespace ramet
