// A model's scores as metrics take them.
#pragma once

#include <span>

#include "ramet/metric/metric.h"
#include "ramet/model/model.h"

namespace ramet {

// `raw_scores`: rows x outputs, by the model; labels and weights as metrics want them. An error:
// the model's loss is not known, or its parameters are damaged.
Result<Evaluation> EvaluationOf(const Model& model, std::span<const double> raw_scores,
                                std::span<const double> labels, std::span<const float> weights);

}  // namespace ramet
