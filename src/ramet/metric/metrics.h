// The functions behind the registry (metric.cc), one file each: add a metric here, there, and in
// its own file.
#pragma once

#include "ramet/metric/metric.h"

namespace ramet {

// Classification: raw scores are logits. One output: p(class 1) = sigmoid(score); several: softmax.
double LogLoss(const Context& context, const Evaluation& evaluation);
double Auc(const Context& context, const Evaluation& evaluation);
double Accuracy(const Context& context, const Evaluation& evaluation);
double AveragePrecision(const Context& context, const Evaluation& evaluation);

// Regression: of predictions (predictions.h).
double MeanSquaredError(const Context& context, const Evaluation& evaluation);
double RootMeanSquaredError(const Context& context, const Evaluation& evaluation);
double MeanAbsoluteError(const Context& context, const Evaluation& evaluation);
double R2(const Context& context, const Evaluation& evaluation);
double MeanPinballLoss(const Context& context, const Evaluation& evaluation);
double MeanPoissonDeviance(const Context& context, const Evaluation& evaluation);
double MeanGammaDeviance(const Context& context, const Evaluation& evaluation);

}  // namespace ramet
