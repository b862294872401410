// Bins of features whose categories are counted and whose sampled rows are chosen.
//
// Private to this folder.
#pragma once

#include <span>

#include "ramet/bins/parts.h"
#include "ramet/bins/sample.h"
#include "ramet/parallel/parallel.h"

namespace ramet {

// Values of the sampled rows, of `count` numeric features from `first` on (counted among these):
// features x rows.
using SampledValues = FunctionRef<const double*(size_t first, size_t count)>;

// `weights`: of the sampled rows, or empty. O(sampled rows x features).
Result<BinMapper> FindBins(const Context& context, std::span<const FeatureSurvey> features,
                           size_t sampled_rows, std::span<const float> weights,
                           const SampledValues& values, const BinningParameters& parameters);

// The same where the sample is of a whole table, of which `counted` rows have weight: values are
// read for some features at a time.
Result<BinMapper> FindBinsOfWhole(const Context& context, const Table& table,
                                  std::span<const size_t> columns,
                                  std::span<const FeatureSurvey> features,
                                  std::span<const float> weights, uint64_t counted,
                                  const BinningParameters& parameters);

// All of a Binning but the bins. Errors are those about all rows: none, one class, no weight.
Result<Binning> StartBinning(const Survey& survey);

}  // namespace ramet
