// What `ramet train` says at the end, for people and for machines.
#pragma once

#include <string>

#include "ramet/boost/boost.h"

namespace ramet {

// Spent before training.
struct Seconds {
  double read = 0, bin = 0;
};

struct TrainSummary {
  const std::string& path;  // of the model
  size_t num_rows, num_features;
  const TrainResult& result;
  Seconds seconds;

  double RowsPerSecond() const {
    const auto rounds = static_cast<double>(result.model.num_rounds());
    return result.seconds > 0 ? static_cast<double>(num_rows) * rounds / result.seconds : 0;
  }
};

std::string SummaryText(const TrainSummary& summary);
std::string SummaryJson(const TrainSummary& summary);

}  // namespace ramet
