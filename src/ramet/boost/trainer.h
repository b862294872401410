// The state of a training run, and one round of it. `Train` (boost.h) is the loop around it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "ramet/boost/boost.h"
#include "ramet/boost/constraints.h"
#include "ramet/boost/leaves.h"
#include "ramet/boost/residuals.h"
#include "ramet/boost/rows.h"
#include "ramet/histogram/quantise.h"
#include "ramet/loss/loss.h"
#include "ramet/tree/grow.h"

namespace ramet {

class Trainer {
 public:
  // Scores start at the base scores of `model`, or at the data sets' initial_scores where there are
  // some. `eval_data`: sets whose scores are kept too. `own_gradients`: in place of the loss's, or
  // empty.
  Trainer(const Context& context, const TrainParameters& parameters, const Loss& loss,
          const Dataset& train, std::vector<const Dataset*> eval_data, const HoldOut& hold_out,
          Model& model, const GradientFunction& own_gradients = {},
          const Constraints& constraints = {});

  // Adds the model's trees from `first_tree` on to the scores of all rows, in order (G3).
  Status Replay(size_t first_tree);
  // Gradients of the current scores. An error names the row whose gradient is not finite.
  Status ComputeGradients();
  // Grows one tree per output on the current gradients, adds them to the model and to the scores of
  // all rows, and computes the next gradients (unless this was the last round). Does nothing to the
  // model when cancelled before the trees are whole; what fails after that leaves a whole round.
  Status Round(size_t round, bool last, double learning_rate);

  std::span<const double> train_scores() const { return scores_; }
  std::span<const double> eval_scores(size_t set) const { return eval_scores_[set]; }
  const StepTimes& steps() const { return steps_; }

 private:
  void ChooseRows(size_t round);
  // One tree for output k: its structure and values; leaf_of_row_ says where each row is.
  GrownTree GrowTree(size_t round, size_t k);
  void SetLeafValues(GrownTree& grown, size_t k);
  Status UpdateScores(bool next_gradients);
  Status ComputeOwnGradients();
  void UpdateEvalScores(const std::vector<GrownTree>& trees);
  Error NonFiniteGradient() const;

  const Context& context_;
  const TrainParameters& parameters_;
  const Loss& loss_;
  const Dataset& train_;
  std::vector<const Dataset*> eval_data_;
  Model& model_;
  GradientFunction own_gradients_;
  std::vector<int8_t> monotonic_;  // Constraints::monotonic
  size_t num_rows_, num_outputs_;

  std::vector<float> weights_;  // the training weights, zero for held-out rows; empty: all 1
  RowSelection candidates_;     // rows that may be trained on
  bool uses_all_rows_ = true;   // in the current round
  std::vector<double> scores_;  // outputs x rows
  std::vector<std::vector<double>> eval_scores_;
  Buffer<GradientHessian> gradients_;  // outputs x rows
  GradientRange range_;
  QuantisedGradients quantised_;
  std::vector<LeafIndex> leaf_of_row_;                   // outputs x rows
  std::vector<std::vector<double>> leaf_values_;         // of the current round's trees
  double learning_rate_ = 0;                             // of the current round
  std::optional<ResidualQuantiles> residual_quantiles_;  // leaf values, where the loss has such
  TreeGrower grower_;
  StepTimes steps_;
};

}  // namespace ramet
