// Parameters with nothing left to be chosen: "auto" settled by the data, names looked up, texts in
// one form. They are what a model's body keeps.
#pragma once

#include "ramet/boost/boost.h"
#include "ramet/boost/constraints.h"
#include "ramet/boost/watch.h"
#include "ramet/loss/loss.h"

namespace ramet {

struct Resolved {
  TrainParameters parameters;  // what the body keeps
  const Loss* loss = nullptr;
  Measuring measuring;
  bool stops_early = false;
  Constraints constraints = {};
};

// What can be settled before the data are binned, and is the same for all members. `own_gradients`:
// the caller brings the gradients. Errors: an impossible parameter, a loss or metric that does not
// fit the label.
Result<Resolved> Resolve(const TrainParameters& parameters, const Dataset& train,
                         const Measuring& measuring, bool own_gradients);

// The rest: constraints ask which features are categorical, so the data must be binned.
Status ResolveTexts(const Dataset& train, Resolved& resolved);

ScoreKind KindOf(const Resolved& resolved, size_t num_outputs);

}  // namespace ramet
