// Scores before the first tree, from exact statistics of the labels.
#pragma once

#include <vector>

#include "ramet/bins/dataset.h"
#include "ramet/boost/rows.h"
#include "ramet/loss/loss.h"

namespace ramet {

// One score per output, of the rows of all members. `rows`: those trained on. Sums and quantiles
// are exact (design rules 5a, 5b).
std::vector<double> BaseScores(const Context& context, const Loss& loss,
                               const LossParameters& parameters, const Dataset& data,
                               const RowSelection& rows);

}  // namespace ramet
