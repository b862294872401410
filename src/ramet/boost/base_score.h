// Scores before the first tree, from exact statistics of the labels.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ramet/bins/dataset.h"
#include "ramet/loss/loss.h"

namespace ramet {

// One score per output. `rows`: those trained on, or empty for all. Sums and quantiles are exact
// (design rules 5a, 5b).
std::vector<double> BaseScores(const Loss& loss, const LossParameters& parameters,
                               const Dataset& data, std::span<const uint32_t> rows);

}  // namespace ramet
