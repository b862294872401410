#include "ramet/boost/parameters.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "ramet/base/edit_distance.h"

namespace ramet {
namespace {

using P = TrainParameters;
constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kTiny = std::numeric_limits<double>::min();

constexpr std::array kParameters = {
    ParameterInfo{
        "loss", &P::loss, 0, 0,
        "auto, log_loss (logistic for 2 classes, softmax for more), squared_error, absolute_error, "
        "quantile, poisson, gamma; auto is log_loss for classes, squared_error for numbers"},
    ParameterInfo{"quantile", &P::quantile, 0, 1, "which quantile loss quantile predicts"},
    ParameterInfo{"max_iter", &P::max_iter, 1, 1e6,
                  "rounds of boosting, those of an initial model included"},
    ParameterInfo{"learning_rate", &P::learning_rate, kTiny, 1e3,
                  "factor on every tree's leaf values"},
    ParameterInfo{"max_leaf_nodes", &P::max_leaf_nodes, 0, 65535,
                  "leaves of a tree at most, 2 or more; 0: no limit but 65535"},
    ParameterInfo{"max_depth", &P::max_depth, 0, 1e6,
                  "edges from the root to a leaf at most; 0: unlimited"},
    ParameterInfo{"min_samples_leaf", &P::min_samples_leaf, 1, 4e9,
                  "rows of a leaf at least (counted exactly)"},
    ParameterInfo{"min_child_weight", &P::min_child_weight, 0, kInf,
                  "sum of hessians of a leaf at least"},
    ParameterInfo{
        "l2_regularization", &P::l2_regularization, 0, kInf,
        "added to a leaf's sum of hessians (leaf values of absolute_error and quantile ignore it)"},
    ParameterInfo{"min_split_gain", &P::min_split_gain, 0, kInf,
                  "a split must gain more than this"},
    ParameterInfo{"subsample", &P::subsample, kTiny, 1,
                  "share of the rows that a round uses, chosen by hash"},
    ParameterInfo{"max_features", &P::max_features, kTiny, 1,
                  "share of the features that a split chooses from"},
    ParameterInfo{"max_bins", &P::max_bins, 2, 255,
                  "bins of a numeric feature at most, besides that of missing values"},
    ParameterInfo{"max_categories_one_vs_rest", &P::max_categories_one_vs_rest, 0, 255,
                  "nodes with at most so many categories split one from the rest"},
    ParameterInfo{"categorical_smoothing", &P::categorical_smoothing, 0, kInf,
                  "added to a category's sum of hessians when categories are put in order"},
    ParameterInfo{"categorical_l2", &P::categorical_l2, 0, kInf,
                  "more l2 for splits between several categories"},
    ParameterInfo{"max_categories_per_split", &P::max_categories_per_split, 1, 255,
                  "categories that a split picks from either end of their order, at most"},
    ParameterInfo{"min_samples_category", &P::min_samples_category, 0, 4e9,
                  "categories with fewer rows in a node are not picked"},
    ParameterInfo{
        "min_samples_category_group", &P::min_samples_category_group, 0, 4e9,
        "splits between several categories grow in steps of so many rows, and leave so many"},
    ParameterInfo{"class_weight", &P::class_weight, 0, 0,
                  "factors on the weights of rows by class: balanced, or {\"class\": weight, ...}; "
                  "left out: all 1"},
    ParameterInfo{"monotonic_cst", &P::monotonic_cst, 0, 0,
                  "predictions rise (1) or fall (-1) with a feature: dose:1,age:-1 (or positions)"},
    ParameterInfo{"interaction_cst", &P::interaction_cst, 0, 0,
                  "features that may meet on a path: no_interactions, pairwise, or groups [[0,1],"
                  "[2]] of positions or names"},
    ParameterInfo{"early_stopping", &P::early_stopping, 0, 0,
                  "stop when the metric on rows not trained on no longer improves: true, false, or "
                  "auto (above 10,000 rows)"},
    ParameterInfo{"n_iter_no_change", &P::n_iter_no_change, 1, 1e6,
                  "rounds without improvement before stopping"},
    ParameterInfo{"tol", &P::tol, 0, kInf, "a smaller change of the metric is no improvement"},
    ParameterInfo{"validation_fraction", &P::validation_fraction, kTiny, 0.999,
                  "share of the rows held out for early stopping where there is no validation set"},
    ParameterInfo{"keep_best", &P::keep_best, 0, 1,
                  "with early stopping, keep the rounds up to the best one only"},
    ParameterInfo{"metric", &P::metric, 0, 0,
                  "for early stopping: auto (the loss's own); of classes logloss, auc, accuracy, "
                  "average_precision; of numbers rmse, mae, r2, mean_pinball_loss, "
                  "mean_poisson_deviance, mean_gamma_deviance"},
    ParameterInfo{"random_state", &P::random_state, 0, 9e18, "seed of all sampling and rounding"},
};

Result<const ParameterInfo*> Find(std::string_view name) {
  const ParameterInfo* nearest = &kParameters[0];
  for (const ParameterInfo& info : kParameters) {
    if (info.name == name) return &info;
    if (EditDistance(info.name, name) < EditDistance(nearest->name, name)) nearest = &info;
  }
  return InvalidArgument("parameter \"" + std::string(name) + "\" is not known. Did you mean \"" +
                         std::string(nearest->name) + "\"?");
}

std::string Shortest(double value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  return std::string(text, end);
}

template <class T>
Status Parse(const ParameterInfo& info, std::string_view text, std::string_view type, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size()) return {};
  return InvalidArgument(std::string(info.name) + ": \"" + std::string(text) + "\" is not " +
                         std::string(type) + ".");
}

Status CheckRange(const ParameterInfo& info, double value, const std::string& text) {
  if (value >= info.minimum && value <= info.maximum) return {};
  const bool above_zero = info.minimum == kTiny;
  return InvalidArgument(
      std::string(info.name) + " is " + text + ". Use a value " +
      (above_zero ? "above 0" : "from " + Shortest(info.minimum)) +
      (info.maximum == kInf ? " up, finite." : " to " + Shortest(info.maximum) + "."));
}

Status CheckOne(const ParameterInfo& info, const TrainParameters& parameters) {
  if (info.name == "max_leaf_nodes" && parameters.max_leaf_nodes == 1)
    return InvalidArgument("max_leaf_nodes is 1. Use 2 or more, or 0 for no limit but 65535.");
  if (const auto* integer = std::get_if<int64_t P::*>(&info.member))
    return CheckRange(info, static_cast<double>(parameters.*(*integer)),
                      std::to_string(parameters.*(*integer)));
  if (const auto* real = std::get_if<double P::*>(&info.member)) {
    const double value = parameters.*(*real);
    if (std::isinf(value) || std::isnan(value))
      return InvalidArgument(std::string(info.name) + " is " + Shortest(value) +
                             ". Use a finite number.");
    return CheckRange(info, value, Shortest(value));
  }
  if (info.name == "early_stopping") {
    const std::string& value = parameters.early_stopping;
    if (value != "auto" && value != "true" && value != "false")
      return InvalidArgument("early_stopping: \"" + value + "\" is none of auto, true, false.");
  }
  return {};
}

}  // namespace

std::span<const ParameterInfo> AllParameters() { return kParameters; }

Status SetParameter(TrainParameters& parameters, std::string_view name, std::string_view value) {
  RAMET_ASSIGN(const ParameterInfo* info, Find(name));
  TrainParameters changed = parameters;
  if (const auto* integer = std::get_if<int64_t P::*>(&info->member)) {
    RAMET_RETURN_IF_ERROR(Parse(*info, value, "a whole number", changed.*(*integer)));
  } else if (const auto* real = std::get_if<double P::*>(&info->member)) {
    RAMET_RETURN_IF_ERROR(Parse(*info, value, "a number", changed.*(*real)));
  } else if (const auto* flag = std::get_if<bool P::*>(&info->member)) {
    if (value != "true" && value != "false")
      return InvalidArgument(std::string(info->name) + ": \"" + std::string(value) +
                             "\" is neither true nor false.");
    changed.*(*flag) = value == "true";
  } else {
    changed.*std::get<std::string P::*>(info->member) = std::string(value);
  }
  RAMET_RETURN_IF_ERROR(CheckOne(*info, changed));
  parameters = changed;
  return {};
}

std::string GetParameter(const TrainParameters& parameters, std::string_view name) {
  const Result<const ParameterInfo*> found = Find(name);
  RAMET_CHECK(found.ok());
  const ParameterInfo& info = **found;
  if (const auto* integer = std::get_if<int64_t P::*>(&info.member))
    return std::to_string(parameters.*(*integer));
  if (const auto* real = std::get_if<double P::*>(&info.member))
    return Shortest(parameters.*(*real));
  if (const auto* flag = std::get_if<bool P::*>(&info.member))
    return parameters.*(*flag) ? "true" : "false";
  return parameters.*std::get<std::string P::*>(info.member);
}

Status Validate(const TrainParameters& parameters) {
  for (const ParameterInfo& info : kParameters) RAMET_RETURN_IF_ERROR(CheckOne(info, parameters));
  return {};
}

std::vector<std::pair<std::string, std::string>> ToText(const TrainParameters& parameters) {
  std::vector<std::pair<std::string, std::string>> text;
  for (const ParameterInfo& info : kParameters)
    text.emplace_back(info.name, GetParameter(parameters, info.name));
  std::sort(text.begin(), text.end());
  return text;
}

}  // namespace ramet
