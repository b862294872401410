#include "ramet/boost/evaluation.h"

#include "ramet/boost/parameters.h"

namespace ramet {

Result<Evaluation> EvaluationOf(const Model& model, std::span<const double> raw_scores,
                                std::span<const double> labels, std::span<const float> weights) {
  Evaluation evaluation{raw_scores, model.num_outputs(), labels, weights};
  RAMET_ASSIGN(evaluation.loss, FindLoss(model.loss));
  TrainParameters parameters;
  for (const auto& [name, value] : model.parameters)
    if (name == "quantile") RAMET_RETURN_IF_ERROR(SetParameter(parameters, name, value));
  evaluation.loss_parameters.quantile = parameters.quantile;
  return evaluation;
}

}  // namespace ramet
