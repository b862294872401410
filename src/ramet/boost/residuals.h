// Exact weighted quantiles (design rule 5b): base scores and leaf values of losses that are least
// at a quantile of the targets.
//
//   label - score of each row ──► ordered integers, leaf by leaf ──radix selection over counts of
//   weight──► the leaf's value
//
// Members narrow all leaves in step, by the merged weights of their records' digits, while that is
// cheaper than the records themselves; then each leaf's records that are left go to one member.
// A member sends a row's record once at most, 8 bytes (16 with weights), 80 bytes a leaf, and of
// leaves of more than 4,096 rows in all 32 KiB a step, of which there are one or two (at most six):
// with 4 members and 255 leaves, 7 exchanges and 1.6 MB of 1M rows, 6.3 MB of 8M.
//
// The quantile q of weighted values: in ascending order, the middle between the first value whose
// cumulative weight is at least q x total and the first whose cumulative weight is above it. Most
// often both are one value. So a row of weight w counts as w rows, q = 1/2 is the median that takes
// the middle of two, and no other value has a smaller pinball loss. (scikit-learn's medians without
// weights are these; its other quantiles without weights lie between two rows by interpolation, and
// those with weights take the first value.)
//
// Invariants
//   S1. Counts are sums of integer weights (metric/integer_weights.h): the result depends neither
//   on the order of rows nor on threads, and counts of parts of the rows add up to those of all:
//   also not on which member holds which rows.
//   S2. q is read to 12 decimals and q x total is an integer ratio: of 100 rows 0.55 is exactly row
//   55, though the double nearest to 0.55 is above it.
//   S3. Rows of weight zero count nowhere. Of no rows the quantile is 0.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ramet/base/buffer.h"
#include "ramet/boost/leaves.h"
#include "ramet/boost/rows.h"
#include "ramet/boost/selection.h"
#include "ramet/metric/integer_weights.h"

namespace ramet {

class ResidualQuantiles {
 public:
  // `weights`: empty if all are 1. All must outlive this.
  ResidualQuantiles(const Context& context, double quantile, std::span<const double> labels,
                    std::span<const float> weights);

  // Of the labels of these rows and the other members'.
  double OfLabels(const RowSelection& rows) const;
  // Of label - score over each leaf's rows, of all members; kNoLeaf rows count nowhere. O(rows),
  // about 8 ns a row and thread; 8 bytes of scratch a row, 16 with weights, are kept.
  std::vector<double> OfLeaves(size_t num_leaves, std::span<const LeafIndex> leaf_of_row,
                               std::span<const double> scores);

  // A value as an integer in the order of the values, and its weight.
  struct Plain {
    uint64_t key;
    int64_t weight() const { return 1; }
  };
  struct Weighted {
    uint64_t key;
    int64_t integer_weight;
    int64_t weight() const { return integer_weight; }
  };

 private:
  template <class Record>
  std::vector<double> OfLeaves(size_t num_leaves, std::span<const LeafIndex> leaf_of_row,
                               std::span<const double> scores, Buffer<Record>& records) const;
  template <class Record>
  double OfLabels(const RowSelection& rows) const;

  const Context& context_;
  int64_t quantile_;  // in kQuantileUnits
  std::span<const double> labels_;
  IntegerWeights weights_;
  Buffer<Plain> plain_;
  Buffer<Weighted> weighted_;
};

}  // namespace ramet
