#include "ramet/metric/integer_weights.h"

#include <cmath>

#include "ramet/collective/collective.h"
#include "ramet/parallel/parallel.h"

namespace ramet {
namespace {

constexpr size_t kRowsPerTask = 1 << 14;

}  // namespace

IntegerWeights::IntegerWeights(const Context& context, std::span<const float> weights)
    : weights_(weights) {
  const auto greater = [](float& into, const float& from) { into = std::max(into, from); };
  // Below 0 for members without weights, who may just have no rows.
  float largest = ParallelReduce<float>(
      0, weights.size(), kRowsPerTask, -1,
      [&](float& piece, size_t begin, size_t end) {
        for (size_t i = begin; i < end; ++i) piece = std::max(piece, weights[i]);
      },
      greater);
  AllReduce(context, largest, greater);
  all_one_ = largest < 0;
  if (all_one_) return;
  const FixedPoint scale = FixedPoint::For(largest);
  ExactSum sum = ParallelReduce<ExactSum>(
      0, weights.size(), kRowsPerTask, {},
      [&](ExactSum& piece, size_t begin, size_t end) {
        for (size_t i = begin; i < end; ++i) piece.Add(scale.Quantise(weights[i]));
      },
      [](ExactSum& into, const ExactSum& from) { into.Add(from); });
  AllReduce(context, sum, [](ExactSum& into, const ExactSum& from) { into.Add(from); });
  // A step for which the total stays at or below 2^61: FixedPoint allows 2^50 for its argument.
  scale_ = FixedPoint::For(std::max<double>(largest, std::ldexp(scale.ToDouble(sum), -11)));
}

}  // namespace ramet
