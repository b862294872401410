// The rows that early stopping watches, their scores, and the metric on them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ramet/bins/dataset.h"
#include "ramet/loss/loss.h"
#include "ramet/metric/metric.h"

namespace ramet {

// Computes a metric from scores kept as outputs x rows.
class Watch {
 public:
  // All rows of a data set, or those of `rows` (ascending) if it is not empty.
  Watch(const Dataset& data, std::span<const uint32_t> rows, const Metric& metric,
        size_t num_outputs);

  // `scores`: outputs x data.num_rows.
  double Compute(const Context& context, std::span<const double> scores);

 private:
  const Metric& metric_;
  size_t num_outputs_;
  size_t num_rows_;
  std::vector<uint32_t> rows_;
  std::vector<double> labels_;  // of rows_
  std::vector<float> weights_;  // of rows_
  const Dataset& data_;
  std::vector<double> row_major_;  // scores as metrics take them
};

// When to stop: no improvement beyond `tol` for `patience` rounds.
class EarlyStopping {
 public:
  EarlyStopping(const Metric& metric, double tol, size_t patience)
      : sign_(metric.higher_is_better ? 1 : -1), tol_(tol), patience_(patience) {}
  // The metric after the next round.
  void Add(double value);
  size_t best_round() const { return best_round_; }
  bool ShouldStop() const { return round_ - best_round_ >= patience_; }

 private:
  double sign_, tol_;
  size_t patience_;
  size_t round_ = 0, best_round_ = 0;
  double best_ = 0;
};

}  // namespace ramet
