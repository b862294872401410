#include "ramet/boost/whole_rows.h"

#include <algorithm>
#include <numeric>

#include "ramet/collective/collective.h"

namespace ramet {

WholeRows::WholeRows(const Context& context, std::span<const uint64_t> ids,
                     const Evaluation& held) {
  const std::vector<uint64_t> all_ids = AllGather(context, ids);
  order_.resize(all_ids.size());
  std::iota(order_.begin(), order_.end(), size_t{0});
  std::sort(order_.begin(), order_.end(),
            [&](size_t a, size_t b) { return all_ids[a] < all_ids[b]; });
  labels_ = InOrder(context, held.labels, 1);
  weights_ = InOrder(context, held.weights, 1);
}

template <class T>
std::vector<T> WholeRows::InOrder(const Context& context, std::span<const T> held,
                                  size_t width) const {
  const std::vector<T> gathered = AllGather(context, held);
  // There are no weights, or the members have failed.
  if (gathered.size() != order_.size() * width) return {};
  std::vector<T> ordered;
  ordered.reserve(gathered.size());
  for (const size_t row : order_) {
    const auto begin = gathered.begin() + static_cast<std::ptrdiff_t>(row * width);
    ordered.insert(ordered.end(), begin, begin + static_cast<std::ptrdiff_t>(width));
  }
  return ordered;
}

Result<Evaluation> WholeRows::Gather(const Context& context, const Evaluation& held) {
  raw_scores_ = InOrder(context, held.raw_scores, held.num_outputs);
  if (context.Cancelled()) return CancelledError("training was stopped");
  Evaluation whole = held;
  whole.labels = labels_;
  whole.weights = weights_;
  whole.raw_scores = raw_scores_;
  return whole;
}

}  // namespace ramet
