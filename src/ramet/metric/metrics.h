// The functions behind the registry (metric.cc), one file each: add a metric here, there, and in
// its own file.
#pragma once

#include "ramet/metric/metric.h"

namespace ramet {

// Classification: raw scores are logits. One output: p(class 1) = sigmoid(score); several: softmax.
double LogLoss(const Context& context, const Evaluation& evaluation);
double Auc(const Context& context, const Evaluation& evaluation);
double Accuracy(const Context& context, const Evaluation& evaluation);

// Regression: the raw score is the prediction.
double RootMeanSquaredError(const Context& context, const Evaluation& evaluation);
double MeanAbsoluteError(const Context& context, const Evaluation& evaluation);

}  // namespace ramet
