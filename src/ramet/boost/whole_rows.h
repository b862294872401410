// The rows of all members at each of them, in the order of their ids: for metrics of the caller's
// own, which cannot be merged. Takes room for all rows; only what is measured on should be so.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ramet/metric/metric.h"

namespace ramet {

class WholeRows {
 public:
  // Gathers labels and weights. `ids`: of the rows of `held`, which are here.
  WholeRows(const Context& context, std::span<const uint64_t> ids, const Evaluation& held);

  // Gathers the scores: `held` with all rows, until the next call. An error if members failed.
  Result<Evaluation> Gather(const Context& context, const Evaluation& held);

 private:
  // `width` values of each row that is here, of all rows in order.
  template <class T>
  std::vector<T> InOrder(const Context& context, std::span<const T> held, size_t width) const;

  std::vector<size_t> order_;  // of the gathered rows
  std::vector<double> labels_, raw_scores_;
  std::vector<float> weights_;
};

}  // namespace ramet
