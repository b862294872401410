// What a metric of numbers compares with the targets: predictions, not raw scores.
#pragma once

#include "ramet/loss/loss.h"
#include "ramet/metric/metric.h"

namespace ramet {

inline bool HasLogLink(const Evaluation& evaluation) {
  return evaluation.loss != nullptr && evaluation.loss->log_link;
}

// Predictions of rows [begin, end): the raw scores themselves, or their exponentials, written to
// `block` (room for end - begin).
inline const double* Predictions(const Context& context, const Evaluation& evaluation, size_t begin,
                                 size_t end, double* block) {
  const double* scores = evaluation.raw_scores.data() + begin;
  if (!HasLogLink(evaluation)) return scores;
  evaluation.loss->respond_rows(context.isa, scores, end - begin, block);
  return block;
}

}  // namespace ramet
