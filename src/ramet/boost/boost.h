// Gradient boosting: the training loop.
//
//   Dataset ─► base score ─► rounds: gradients ─► quantise ─► grow tree(s) ─► leaf values ─► scores
//   ─► metrics ─► Model
//
// Invariants
//   G1. The model's body is a function of (rows in order, parameters, initial model, the first
//   evaluation set where training stops early, algorithm version) and of the caller's functions in
//   TrainOptions, where there are some. Nothing else in TrainOptions and Context changes it.
//   G2. Training n rounds, then continuing for m from the saved model on the same data, gives the
//   model of n + m rounds. G3. A row's score is base + the sum of its leaves in tree order, as
//   float64: it can be replayed from the model.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "ramet/bins/dataset.h"
#include "ramet/boost/parameters.h"
#include "ramet/metric/metric.h"
#include "ramet/model/model.h"
#include "ramet/parallel/context.h"

namespace ramet {

// Rows to measure on after each round.
struct EvalSet {
  std::string name;
  const Dataset* data = nullptr;
};
// What the rows held out for early stopping, and those trained on, are called.
inline constexpr std::string_view kHeldOutSet = "validation", kTrainingSet = "train";

// A metric as training measures it: one of metric.h, or the caller's own.
struct Measure {
  std::string name;
  bool higher_is_better = false;
  std::function<Result<double>(const Context&, const Evaluation&)> compute;
  // Needs the rows of all members, in the order of their ids, and is computed by each of them; else
  // `compute` merges what it finds in the rows that are held here.
  bool whole = false;
};

// What is measured after each round.
struct Measuring {
  std::vector<Measure> metrics;  // early stopping watches the first; empty: parameters.metric
  // Also on the rows that are trained on, or about 200,000 of them (rows.h): more would cost a
  // good part of training, and tell nothing new.
  bool training_rows = false;
};

// One metric on one set of rows.
struct Curve {
  std::string set, metric;
  bool higher_is_better = false;
  std::vector<double> values;  // entry r: after r rounds, those of an initial model included
};

// What a round tells whoever watches.
struct RoundReport {
  size_t round = 0;    // 1-based, rounds of an initial model included
  size_t rounds = 0;   // planned
  double seconds = 0;  // since training began
  double learning_rate = 0;
  bool validates = false;  // curves as in TrainResult
  std::span<const Curve> curves;
  const Model* model = nullptr;  // with the trees so far
};

// Wall-clock seconds by step, for people who tune.
struct StepTimes {
  double quantise = 0, partition = 0, histogram = 0, split = 0, leaves = 0;
  double exchange = 0;  // of histograms with other members, waiting for them included
  double scores = 0;    // scores and the next round's gradients: one pass
  double metric = 0;
};

struct TrainResult {
  Model model;
  // Every set (evaluation sets in order, or the held-out rows; then the training rows) with every
  // metric: set-major.
  std::vector<Curve> curves;
  // True if curves[0] is of rows that were not trained on: early stopping watches it.
  bool validates = false;
  size_t best_round = 0;       // where curves[0] is best; all rounds where nothing validates
  bool stopped_early = false;  // by early stopping
  bool stopped = false;        // by on_round, here or on another member
  double seconds = 0;
  StepTimes steps;
};

// The gradient and hessian (rows x outputs) of a loss of the caller's own, at raw scores (rows x
// outputs, row-major), before weights: those are applied to what it returns.
using GradientFunction =
    std::function<Status(std::span<const double> labels, std::span<const double> raw_scores,
                         std::span<double> gradients, std::span<double> hessians)>;

struct TrainOptions {
  // Continue from this model: `max_iter` counts its rounds too. All data sets must have been made
  // with ContinueFrom().
  const Model* initial_model = nullptr;
  std::string checkpoint_path;   // empty: no checkpoints
  size_t checkpoint_every = 10;  // rounds
  Measuring measuring;
  // Called after each round; true stops training there. An error ends it.
  std::function<Result<bool>(const RoundReport&)> on_round;
  // The learning rate of a round (1-based), in place of the parameter.
  std::function<Result<double>(size_t round)> learning_rate;
  // In place of the loss's own gradients; the loss still gives base scores and responses.
  GradientFunction gradients;
  // Where the rounds so far go when training ends with an error (a cancellation, a lost member, a
  // function of the caller's).
  TrainResult* rounds_so_far = nullptr;
  // Go on from these rounds of the same training, an initial model's included: what a member that
  // was lost and others had done together (`rounds_so_far` of any of them). Scores are replayed on
  // the binned rows.
  const TrainResult* resume = nullptr;
};

// Trains on `train`. With a collective in the context, all members call this with the same
// parameters and options, each with its own rows (Dataset::ids), and get the same result; if one is
// lost, the others get an Error of kIo that says so. Early stopping (parameters.early_stopping)
// watches the first of `eval_sets`, or without one the hashed fraction `validation_fraction` of the
// training rows; it stops when none of the last `n_iter_no_change` rounds was better by more than
// `tol` than the round before them (as scikit-learn). Cancelled: an Error of kCancelled; with a
// checkpoint path, the trees so far are in that file. Other errors: impossible parameters, a loss
// that does not fit the labels, a non-finite gradient (names the row), an initial model of other
// features.
Result<TrainResult> Train(const Context& context, const TrainParameters& parameters,
                          const Dataset& train, std::span<const EvalSet> eval_sets = {},
                          const TrainOptions& options = {});

// How a Dataset must be made for these parameters.
BinningParameters BinningOf(const TrainParameters& parameters);

// Which data set is made.
enum class DataRole {
  kTraining,              // without evaluation sets beside it: early stopping holds rows out
  kTrainingWithEvalSets,  // no row is held out
  kEvalSet,
};

// What MakeDataset must call so that training can continue from `initial_model` (which must outlive
// the call): checks that its features and classes are the data's, computes the rows' scores from
// the raw values, and the curves of the initial model's rounds.
BeforeBinning ContinueFrom(const Context& context, const TrainParameters& parameters,
                           const Model& initial_model, DataRole role,
                           const Measuring& measuring = {});

}  // namespace ramet
