// The vector kernels of the metrics: the same bits on every instruction set.
#pragma once

#include <cstddef>

#include "ramet/base/isa.h"

namespace ramet {

// out[i] = log(1 + exp(-margin)), where margin is scores[i] for labels[i] == 1 and -scores[i]
// otherwise: minus the log-probability of the label under a binary model.
void BinaryLogLoss(Isa isa, const double* scores, const double* labels, size_t count, double* out);

// The softmax's denominator of `count` rows of `num_outputs` scores, in two parts that cancel
// nothing: the row's largest score, and log sum_j exp(score_j - largest), j in ascending order.
void LogSumExp(Isa isa, const double* scores, size_t num_outputs, size_t count, double* largest,
               double* log_sum);

// Deviances (deviance.cc) of `scores`, which are predictions or, with `log_scale`, their
// logarithms. NaN where a label or prediction is outside the domain.
void PoissonDeviance(Isa isa, const double* scores, bool log_scale, const double* labels,
                     size_t count, double* out);
void GammaDeviance(Isa isa, const double* scores, bool log_scale, const double* labels,
                   size_t count, double* out);

}  // namespace ramet
