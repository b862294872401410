// Gradient boosting: the training loop.
//
//   Dataset ─► base score ─► rounds: gradients ─► quantise ─► grow tree(s) ─► leaf values ─► scores
//   ─► metric ─► Model
//
// Invariants
//   G1. The model's body is a function of (rows in order, parameters, initial model, validation
//   rows, algorithm version).
//       Context and TrainOptions never change it.
//   G2. Training n rounds, then continuing for m from the saved model on the same data, gives the
//   model of n + m rounds. G3. A row's score is base + the sum of its leaves in tree order, as
//   float64: it can be replayed from the model.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ramet/bins/dataset.h"
#include "ramet/boost/parameters.h"
#include "ramet/model/model.h"
#include "ramet/parallel/context.h"

namespace ramet {

// What a round tells whoever watches.
struct RoundReport {
  size_t round = 0;    // 1-based, rounds of an initial model included
  size_t rounds = 0;   // planned
  double seconds = 0;  // since training began
  bool has_validation = false;
  std::string metric_name;
  double validation_metric = 0;  // where there is validation
};

// Wall-clock seconds by step, for people who tune.
struct StepTimes {
  double quantise = 0, partition = 0, histogram = 0, split = 0, leaves = 0;
  double scores = 0;  // scores and the next round's gradients: one pass
  double metric = 0;
};

struct TrainOptions {
  // Continue from this model: `max_iter` counts its rounds too. Both data sets must have been made
  // with ContinueFrom().
  const Model* initial_model = nullptr;
  std::string checkpoint_path;   // empty: no checkpoints
  size_t checkpoint_every = 10;  // rounds
  std::function<void(const RoundReport&)> on_round;
};

struct TrainResult {
  Model model;
  std::vector<double> validation_history;  // metric after each round, where there is validation
  std::string metric_name;
  size_t best_round = 0;  // the model holds rounds 1 to best_round
  bool stopped_early = false;
  double seconds = 0;
  StepTimes steps;
};

// Trains on `train`. Early stopping (parameters.early_stopping) watches `validation`, or without
// one the hashed fraction `validation_fraction` of the training rows. Cancelled: an Error of
// kCancelled; with a checkpoint path, the trees so far are in that file. Other errors: impossible
// parameters, a loss that does not fit the labels, a non-finite gradient (names the row), an
// initial model of other features.
Result<TrainResult> Train(const Context& context, const TrainParameters& parameters,
                          const Dataset& train, const Dataset* validation = nullptr,
                          const TrainOptions& options = {});

// How a Dataset must be made for these parameters.
BinningParameters BinningOf(const TrainParameters& parameters);

// What MakeDataset must call so that training can continue from `initial_model` (which must outlive
// the call): checks that its features and classes are the data's and computes the rows' scores from
// the raw values. `validation`: the set is one to watch.
BeforeBinning ContinueFrom(const Context& context, const TrainParameters& parameters,
                           const Model& initial_model, bool validation);

}  // namespace ramet
