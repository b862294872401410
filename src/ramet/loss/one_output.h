// What losses of numbers share: one score a row, and the two links from it to the prediction.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include "ramet/base/isa.h"
#include "ramet/base/math.h"

namespace ramet {

inline size_t OneOutput(size_t) { return 1; }

// Identity link: the score is the prediction.
inline std::vector<double> BaseScoreOfIdentity(std::span<const double> statistic) {
  return {statistic[0]};
}
inline void RespondByIdentity(const double* raw_scores, size_t, double* response) {
  response[0] = raw_scores[0];
}

// Log link: the prediction is exp(score). A mean of 0 has the log of the smallest normal number.
inline std::vector<double> BaseScoreOfLogLink(std::span<const double> mean) {
  return {Log(std::max(mean[0], std::numeric_limits<double>::min()))};
}
inline void RespondByLogLink(const double* raw_scores, size_t, double* response) {
  response[0] = Exp(raw_scores[0]);
}
void RespondRowsByLogLink(Isa isa, const double* raw_scores, size_t rows, double* response);

}  // namespace ramet
