// Losses: from raw scores and labels to gradients.
//
//   raw scores (outputs x rows, float64) + labels + weights ──► gradient, hessian (float32 per row and output)
//
// A loss is one small file (logistic.cc, squared_error.cc, softmax.cc): a Highway expression for gradient and hessian,
// a link function and a base score; register it in loss.cc.
//
// Invariants
//   L1. Gradients are IEEE float64 arithmetic in a fixed order, rounded once to float32: equal on every instruction set.
//   L2. A row of weight w contributes w times its gradient and hessian; a row of weight 0 contributes zeros.
//   L3. The largest magnitudes are exact maxima over all rows (order-free): they set the scale of quantisation.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "ramet/base/exact_sum.h"
#include "ramet/base/result.h"
#include "ramet/parallel/context.h"

namespace ramet {

struct GradientHessian {
  float gradient;
  float hessian;
};

// Rows [begin, begin + count) of one output, or of all outputs for losses that couple them.
struct LossBlock {
  size_t begin = 0, count = 0, num_rows = 0, num_outputs = 1;
  const double* scores = nullptr;   // outputs x num_rows: output k of row i is scores[k * num_rows + i]
  const double* labels = nullptr;   // num_rows
  const float* weights = nullptr;   // num_rows, or null: all 1
  GradientHessian* out = nullptr;   // outputs x num_rows, as scores
};

struct Loss {
  std::string_view name;
  bool classification;
  // Outputs per row for a number of classes (1 class count is 0 for regression).
  size_t (*num_outputs)(size_t num_classes);
  // Every hessian is the row's weight (squared error): without weights, hessian sums are counts.
  bool constant_hessian;
  std::string_view default_metric;
  // Writes gradients and hessians of a block.
  void (*gradients)(Isa isa, const LossBlock& block);
  // Scores before the first tree, one per output, from order-free statistics of labels and weights (weight-sum per
  // class, or weighted mean of the targets in the one entry).
  std::vector<double> (*base_scores)(std::span<const double> statistics);
  // Raw scores of one row (num_outputs of them) to the response, in place: predicted value, or probabilities.
  // `response` has num_classes entries for classification, 1 for regression.
  void (*respond)(const double* raw_scores, size_t num_outputs, double* response);
};

std::span<const Loss* const> AllLosses();
// An error lists the known names.
Result<const Loss*> FindLoss(std::string_view name);

}  // namespace ramet
