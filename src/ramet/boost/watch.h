// The rows that training measures on, and when to stop because of what was measured.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ramet/bins/dataset.h"
#include "ramet/boost/boost.h"
#include "ramet/boost/rows.h"
#include "ramet/boost/whole_rows.h"
#include "ramet/loss/loss.h"

namespace ramet {

// What scores are of.
struct ScoreKind {
  const Loss* loss = nullptr;
  LossParameters parameters;
  size_t num_outputs = 1;
};

// Computes metrics from scores kept as outputs x rows. All members watch the same sets, also those
// that hold no row of them.
class Watch {
 public:
  // Some of the rows of a data set that are held here. `set`: its name.
  Watch(std::string_view set, const Dataset& data, RowSelection rows, const ScoreKind& kind);

  const std::string& set() const { return set_; }
  // One value per metric, the same for all members: of all their rows. `scores`: outputs x
  // data.num_rows.
  Result<std::vector<double>> Compute(const Context& context, std::span<const Measure> metrics,
                                      std::span<const double> scores);

 private:
  Evaluation Held(std::span<const double> scores);
  Result<double> OfWhole(const Context& context, const Measure& metric, const Evaluation& held);

  std::string set_;
  const Dataset& data_;
  RowSelection rows_;
  ScoreKind kind_;
  size_t num_rows_;
  std::vector<double> labels_;     // of rows_
  std::vector<float> weights_;     // of rows_
  std::vector<double> row_major_;  // scores as metrics take them
  std::optional<WholeRows> whole_rows_;
};

// What is watched on one data set in its role: of the training set the rows held out and, if asked
// for, those trained on.
std::vector<Watch> WatchesOn(const Context& context, const Dataset& data, DataRole role,
                             std::string_view name, const HoldOut& hold_out,
                             const Measuring& measuring, const ScoreKind& kind);

// scikit-learn's rule: none of the last `patience` values is better than the one before them by
// more than `tol`.
bool ShouldStop(const Curve& curve, double tol, size_t patience);

// The round (from 1) with the best value, the first of equals; 0 if there is no round.
size_t BestRound(const Curve& curve);

}  // namespace ramet
