#include "ramet/boost/resolve.h"

#include <nlohmann/json.hpp>

namespace ramet {
namespace {

constexpr size_t kRowsForEarlyStopping = 10'000;  // scikit-learn's, where it is left to "auto"

Result<const Loss*> ResolveLoss(const TrainParameters& parameters, const Dataset& train) {
  std::string name = parameters.loss;
  if (name == "log_loss" && train.classes.empty())
    return InvalidArgument(
        "loss log_loss is for classes, but the label was read as numbers. Use squared_error.");
  if (name == "auto" || name == "log_loss")
    name = train.classes.empty()       ? "squared_error"
           : train.classes.size() == 2 ? "logistic"
                                       : "softmax";
  RAMET_ASSIGN(const Loss* loss, FindLoss(name));
  if (loss->classification == train.classes.empty())
    return InvalidArgument(
        "loss " + name + " is for " + (loss->classification ? "classes" : "numbers") +
        ", but the label was read as " + (loss->classification ? "numbers" : "classes") + ".");
  if (loss->num_outputs(train.classes.size()) == 0)
    return InvalidArgument("loss " + name + " does not fit a label of " +
                           std::to_string(train.classes.size()) + " classes. Use loss auto.");
  return loss;
}

Measure MeasureOf(const Metric& metric) {
  return {std::string(metric.name), metric.higher_is_better,
          [&metric](const Context& context, const Evaluation& evaluation) -> Result<double> {
            return metric.compute(context, evaluation);
          }};
}

}  // namespace

ScoreKind KindOf(const Resolved& resolved, size_t num_outputs) {
  return {resolved.loss, {resolved.parameters.quantile}, num_outputs};
}

Result<Resolved> Resolve(const TrainParameters& parameters, const Dataset& train,
                         const Measuring& measuring, bool own_gradients) {
  RAMET_RETURN_IF_ERROR(Validate(parameters));
  Resolved resolved{parameters, nullptr, measuring, parameters.early_stopping == "true"};
  RAMET_ASSIGN(resolved.loss, ResolveLoss(parameters, train));
  resolved.parameters.loss = own_gradients ? "custom" : std::string(resolved.loss->name);
  if (measuring.metrics.empty()) {
    RAMET_ASSIGN(const Metric* metric,
                 FindMetric(parameters.metric == "auto" ? resolved.loss->default_metric
                                                        : parameters.metric));
    if (metric->classification != resolved.loss->classification)
      return InvalidArgument("metric " + std::string(metric->name) + " does not fit loss " +
                             std::string(resolved.loss->name) + ".");
    resolved.measuring.metrics.push_back(MeasureOf(*metric));
  }
  resolved.parameters.metric = resolved.measuring.metrics[0].name;
  if (parameters.early_stopping == "auto")
    resolved.stops_early = train.ids.total() > kRowsForEarlyStopping;
  resolved.parameters.early_stopping = resolved.stops_early ? "true" : "false";
  if (!parameters.class_weight.empty() && !resolved.loss->classification)
    return InvalidArgument("class_weight is for classes, but loss " +
                           std::string(resolved.loss->name) + " is for numbers. Leave it out.");
  return resolved;
}

namespace {

// One text for one meaning: the classes in order, those of factor 1 left out.
std::string ClassWeightText(const TrainParameters& parameters, const Dataset& train) {
  if (parameters.class_weight.empty() || parameters.class_weight == "balanced")
    return parameters.class_weight;
  nlohmann::ordered_json text = nlohmann::ordered_json::object();
  for (size_t k = 0; k < train.class_factors.size(); ++k)
    if (train.class_factors[k] != 1) text[ToString(train.classes[k])] = train.class_factors[k];
  return text.empty() ? "" : text.dump();
}

}  // namespace

Status ResolveTexts(const Dataset& train, Resolved& resolved) {
  TrainParameters& parameters = resolved.parameters;
  std::vector<FeatureKind> kinds;
  for (const FeatureBins& bins : train.mapper.features) kinds.push_back(bins.kind);
  RAMET_ASSIGN(resolved.constraints,
               ParseConstraints(parameters.monotonic_cst, parameters.interaction_cst,
                                train.feature_names, kinds));
  RAMET_RETURN_IF_ERROR(
      CheckOutputs(resolved.constraints, resolved.loss->num_outputs(train.classes.size())));
  parameters.class_weight = ClassWeightText(parameters, train);
  parameters.monotonic_cst = resolved.constraints.monotonic_text;
  parameters.interaction_cst = resolved.constraints.interaction_text;
  return {};
}

}  // namespace ramet
