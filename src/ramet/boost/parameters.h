// The model parameters of gradient boosting: one struct, its defaults, and a table that describes
// it.
//
// Command-line flags, parameter files, the model file and (later) Python's signatures are made from
// or checked against this table, so that a default is written once. Names and meanings are
// scikit-learn's where it has one.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ramet/base/result.h"

namespace ramet {

struct TrainParameters {
  // auto | log_loss | logistic | softmax | squared_error | absolute_error | quantile | poisson |
  // gamma
  std::string loss = "auto";
  double quantile = 0.5;  // of loss quantile
  int64_t max_iter = 100;
  double learning_rate = 0.1;
  int64_t max_leaf_nodes = 31;  // 0: unlimited
  int64_t max_depth = 0;        // 0: unlimited
  int64_t min_samples_leaf = 20;
  double min_child_weight = 1e-3;
  double l2_regularization = 0;
  double min_split_gain = 0;
  double subsample = 1.0;
  double max_features = 1.0;
  int64_t max_bins = 255;
  int64_t max_categories_one_vs_rest = 4;
  double categorical_smoothing = 10;
  double categorical_l2 = 10;
  int64_t max_categories_per_split = 32;
  int64_t min_samples_category = 10;
  int64_t min_samples_category_group = 100;
  std::string class_weight;             // "" | balanced | {"class": weight, …}
  std::string monotonic_cst;            // "" | feature:1,feature:-1, by position or name
  std::string interaction_cst;          // "" | pairwise | no_interactions | [[feature, …], …]
  std::string early_stopping = "auto";  // auto (above 10,000 rows) | true | false
  int64_t n_iter_no_change = 10;
  double tol = 1e-7;
  double validation_fraction = 0.1;
  bool keep_best = false;
  std::string metric =
      "auto";  // for early stopping: auto (the loss's own) | logloss | auc | accuracy | rmse | mae
  int64_t random_state = 0;
};

struct ParameterInfo {
  using Member = std::variant<int64_t TrainParameters::*, double TrainParameters::*,
                              bool TrainParameters::*, std::string TrainParameters::*>;
  std::string_view name;  // snake_case; the command's flag has dashes
  Member member;
  double minimum, maximum;  // numbers: allowed range, inclusive
  std::string_view help;    // one line, with the unit or the meaning of special values
};

// In the order of the struct.
std::span<const ParameterInfo> AllParameters();

// Sets one parameter from text ("0.1", "true", "logistic"). Errors: an unknown name (with the
// nearest known one), a value that is not of the type, out of range.
Status SetParameter(TrainParameters& parameters, std::string_view name, std::string_view value);
// The value as text, in the shortest form that reads back equal.
std::string GetParameter(const TrainParameters& parameters, std::string_view name);

// Ranges of each, and of pairs (max_leaf_nodes >= 2, …).
Status Validate(const TrainParameters& parameters);

// All parameters as (name, text), sorted by name: what the model's body keeps.
std::vector<std::pair<std::string, std::string>> ToText(const TrainParameters& parameters);

}  // namespace ramet
