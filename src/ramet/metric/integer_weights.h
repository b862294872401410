// Weights as integers, so that counts of weight are exact and order-free.
//
// Invariants
//   I1. A weight is a multiple of a step that depends on the exact maximum and sum of all members'
//   weights alone, fine enough for a total of 2^61; without weights every row is 1.
//   I2. A weight above 0 is at least one step, and 0 is 0.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "ramet/base/exact_sum.h"
#include "ramet/parallel/context.h"

namespace ramet {

class IntegerWeights {
 public:
  // `weights`: empty if all are 1; must outlive this. O(rows), on the threads of the caller, and up
  // to two exchanges.
  IntegerWeights(const Context& context, std::span<const float> weights);

  // Of all members, also those without rows.
  bool all_one() const { return all_one_; }
  int64_t operator[](size_t row) const {
    if (weights_.empty()) return 1;
    return weights_[row] == 0 ? 0 : std::max<int64_t>(1, scale_.Quantise(weights_[row]));
  }

 private:
  std::span<const float> weights_;
  FixedPoint scale_;
  bool all_one_;
};

}  // namespace ramet
