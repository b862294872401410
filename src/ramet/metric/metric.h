// Metrics: how good predictions are, exactly (design rule 8).
//
//   raw scores (rows x outputs) + labels + weights ──► double, the same for any number of threads
//   or members
//
// Sums go through ExactSum. AUC and average precision are computed by exact sort up to 2^22 rows,
// above that by exact counts over 2^20 fixed cells of the score; the choice depends on the row
// count alone. Rows are those of all members (collective.h), each of which gives its own and gets
// the value of all. Ties in the score count one half. Metrics of numbers compare predictions: the
// raw scores as the loss responds to them.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ramet/base/result.h"
#include "ramet/loss/loss.h"
#include "ramet/parallel/context.h"

namespace ramet {

struct Evaluation {
  std::span<const double> raw_scores;  // rows x outputs, row-major
  size_t num_outputs = 1;
  std::span<const double> labels;       // regression: targets; classification: class indices
  std::span<const float> weights;       // empty: all 1. Rows of weight zero count nowhere
  const Loss* loss = nullptr;           // what the raw scores are of; null: predictions themselves
  LossParameters loss_parameters = {};  // mean_pinball_loss takes its quantile from here
};

struct Metric {
  std::string_view name;  // "logloss", "auc", "rmse", "mean_poisson_deviance", …
  bool higher_is_better;
  bool classification;  // for classification losses only, else for regression only
  // NaN where undefined (AUC with one class, a deviance of a negative prediction), never an error.
  double (*compute)(const Context& context, const Evaluation& evaluation);
};

std::span<const Metric> AllMetrics();
// An error lists the known names.
Result<const Metric*> FindMetric(std::string_view name);

}  // namespace ramet
