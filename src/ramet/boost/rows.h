// Which rows take part: in training at all, in one round, in early stopping's validation. All by
// hash (design rule 2).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ramet/boost/parameters.h"

namespace ramet {

// True if the row is held out for validation under these parameters (early stopping without a
// validation set).
class HoldOut {
 public:
  HoldOut(const TrainParameters& parameters, bool enabled);
  bool enabled() const { return enabled_; }
  bool Contains(uint64_t row) const;

 private:
  bool enabled_;
  uint64_t key_;
  double fraction_;
};

// Rows held out, ascending.
std::vector<uint32_t> HeldOutRows(size_t num_rows, const HoldOut& hold_out);

// Rows that are trained on: of non-zero weight and not held out, ascending. Empty means all rows.
std::vector<uint32_t> TrainingRows(size_t num_rows, std::span<const float> weights,
                                   const HoldOut& hold_out);

// The rows that one round uses, ascending: of `candidates` (all `num_rows` rows if empty), each
// with probability `subsample`.
std::vector<uint32_t> SampleRound(size_t num_rows, std::span<const uint32_t> candidates,
                                  double subsample, uint64_t seed, uint64_t round);

// The training rows that metrics are computed on, ascending: `rows` (all `num_rows` if empty), or
// about kMostMeasuredRows of them where there are more. Empty means all.
inline constexpr size_t kMostMeasuredRows = 200'000;
std::vector<uint32_t> MeasuredRows(size_t num_rows, std::vector<uint32_t> rows);

}  // namespace ramet
