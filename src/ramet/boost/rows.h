// Which rows take part: in training at all, in one round, in early stopping's validation. All by a
// hash of the row's id (design rule 2), so a row takes part or not wherever it is held.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ramet/bins/row_ids.h"
#include "ramet/boost/parameters.h"
#include "ramet/parallel/context.h"

namespace ramet {

// Some of the rows that are held here, by their local position.
struct RowSelection {
  bool all = true;             // every one, `rows` is empty; else those of `rows`
  std::vector<uint32_t> rows;  // ascending

  // `num_rows`: rows that are held here.
  size_t count(size_t num_rows) const { return all ? num_rows : rows.size(); }
  size_t operator[](size_t i) const { return all ? i : rows[i]; }
  bool operator==(const RowSelection&) const = default;
};

// Rows selected by all members together.
uint64_t CountOfMembers(const Context& context, const RowIds& ids, const RowSelection& selection);

// True if the row is held out for validation under these parameters (early stopping without a
// validation set).
class HoldOut {
 public:
  HoldOut(const TrainParameters& parameters, bool enabled);
  bool enabled() const { return enabled_; }
  bool Contains(uint64_t row_id) const;

 private:
  bool enabled_;
  uint64_t key_;
  double fraction_;
};

// Rows held out.
RowSelection HeldOutRows(const RowIds& ids, const HoldOut& hold_out);

// Rows that are trained on: of non-zero weight and not held out. `weights`: empty if all are 1.
RowSelection TrainingRows(const RowIds& ids, std::span<const float> weights,
                          const HoldOut& hold_out);

// The rows that one round uses: of `candidates`, each with probability `subsample`.
RowSelection SampleRound(const RowIds& ids, const RowSelection& candidates, double subsample,
                         uint64_t seed, uint64_t round);

// The training rows that metrics are computed on: `rows`, or about kMostMeasuredRows of them where
// all members together have more.
inline constexpr size_t kMostMeasuredRows = 200'000;
RowSelection MeasuredRows(const Context& context, const RowIds& ids, RowSelection rows);

}  // namespace ramet
