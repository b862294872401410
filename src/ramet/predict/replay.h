// Scores of binned rows by trees that were grown on the same bins: how a member takes over rows
// that another one had, or goes on from a checkpoint (design rule 7).
#pragma once

#include <vector>

#include "ramet/bins/dataset.h"
#include "ramet/model/model.h"

namespace ramet {

// Adds the leaves of the model's trees from `first_tree` on to the scores (outputs x rows) of all
// rows of `data`, in order of the trees. The model may list more categories than the data have:
// they are told apart by key. An error: a split is at no edge of the bins, so that the tree was not
// grown on them; or the context is cancelled. About 3 ns a row and tree, on all threads; within
// RunOnThreads.
Status ReplayTrees(const Context& context, const Model& model, size_t first_tree,
                   const Dataset& data, std::vector<double>& scores);

}  // namespace ramet
