// Training that goes on from a model of other data: what must fit, and categories that differ.
#pragma once

#include <span>
#include <vector>

#include "ramet/bins/dataset.h"
#include "ramet/boost/watch.h"
#include "ramet/loss/loss.h"
#include "ramet/model/model.h"

namespace ramet {

// A model's features as the bins have them.
std::vector<ModelFeature> FeaturesOf(const BinMapper& mapper);

// A tree's category sets, over the categories of other features: keys that the old ones do not list
// go where unknown keys went.
void TranslateCategories(const std::vector<ModelFeature>& from, const std::vector<ModelFeature>& to,
                         Tree& tree);

// The continued model lists the union of the initial model's categories and the new data's.
void MergeCategories(const Model& initial, Model& model);

// An error: the initial model's loss, classes or features are not the data's.
Status CheckInitialModel(const Model& initial, const Dataset& data, const Loss& loss);

// The curves of a model's rounds on binned rows, watch-major, where ContinueFrom has not made them:
// of rows that members hold. An error: the model was not trained on these bins. Within
// RunOnThreads.
Result<std::vector<std::vector<double>>> CurvesOnBins(const Context& context, const Model& model,
                                                      const Dataset& data, std::span<Watch> watches,
                                                      std::span<const Measure> metrics);

}  // namespace ramet
