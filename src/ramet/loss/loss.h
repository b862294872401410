// Losses: from raw scores and labels to gradients.
//
//   raw scores (outputs x rows, float64) + labels + weights ──► gradient, hessian (float32 per row
//   and output)
//
// A loss is one small file (logistic.cc, poisson.cc, quantile.cc): a Highway expression for
// gradient and hessian, a link function and a base score; register it in loss.cc.
//
// Invariants
//   L1. Gradients are IEEE float64 arithmetic in a fixed order, rounded once to float32: equal on
//   every instruction set. L2. A row of weight w contributes w times its gradient and hessian; a
//   row of weight 0 contributes zeros. L3. The largest magnitudes are exact maxima over all rows
//   (order-free): they set the scale of quantisation.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "ramet/base/exact_sum.h"
#include "ramet/base/result.h"
#include "ramet/bins/row_ids.h"
#include "ramet/parallel/context.h"

namespace ramet {

struct GradientHessian {
  float gradient;
  float hessian;
};

// What some losses ask for beside rows.
struct LossParameters {
  double quantile = 0.5;  // of loss quantile, from 0 to 1
};

// Rows [begin, begin + count) of all outputs.
struct LossBlock {
  size_t begin = 0, count = 0;
  size_t num_rows = 0, num_outputs = 1;
  const double* scores =
      nullptr;  // outputs x num_rows: output k of row i is scores[k * num_rows + i]
  const double* labels = nullptr;  // num_rows
  const float* weights = nullptr;  // num_rows, or null: all 1
  GradientHessian* out = nullptr;  // outputs x num_rows, as scores
  LossParameters parameters = {};
};

// Exact over a block; blocks combine by maximum and `and`.
struct GradientRange {
  float max_gradient = 0, max_hessian = 0;  // of magnitudes
  bool finite = true;
};

// Labels that a loss of numbers is defined for.
enum class LabelDomain {
  kAny,
  kNotNegative,  // and, to train on, not all of them 0
  kPositive,
};

struct Loss {
  std::string_view name;
  bool classification;
  // Scores per row for a number of classes (0 for regression); 0 where the loss cannot have that
  // many.
  size_t (*num_outputs)(size_t num_classes);
  std::string_view default_metric;
  // Writes gradients and hessians of a block.
  GradientRange (*gradients)(Isa isa, const LossBlock& block);
  // Scores before the first tree, one per output, from exact statistics of the labels: each class's
  // share of the weight, or one entry: the weighted quantile of the targets (least_at_quantile) or
  // else their weighted mean.
  std::vector<double> (*base_scores)(std::span<const double> statistics);
  // Raw scores of one row to its response: one predicted value, or the probability of each class.
  void (*respond)(const double* raw_scores, size_t num_outputs, double* response);
  // The same for many rows of one output, in vectors; null where row by row will do.
  void (*respond_rows)(Isa isa, const double* raw_scores, size_t rows, double* response) = nullptr;
  // The response is exp(raw score); of other losses of numbers it is the raw score itself.
  bool log_link = false;
  LabelDomain labels = LabelDomain::kAny;
  // A loss that has no second derivative and is least at a quantile of the targets: which one. A
  // leaf's value is then that quantile of its rows' residuals (boost/residuals.h), and no l2
  // regularization touches it, as in scikit-learn. Null: leaf values are Newton steps.
  double (*least_at_quantile)(const LossParameters& parameters) = nullptr;
};

std::span<const Loss* const> AllLosses();
// An error lists the known names.
Result<const Loss*> FindLoss(std::string_view name);

enum class LabelUse { kTraining, kEvaluation };

// An error names the first row of all members' (counted from 1) whose label is outside the loss's
// domain; rows of weight zero may hold anything. `weights`: empty if all are 1. O(rows).
Status CheckLabels(const Context& context, const Loss& loss, const RowIds& ids,
                   std::span<const double> labels, std::span<const float> weights, LabelUse use);

}  // namespace ramet
