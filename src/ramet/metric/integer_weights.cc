#include "ramet/metric/integer_weights.h"

#include <cmath>

#include "ramet/parallel/parallel.h"

namespace ramet {
namespace {

constexpr size_t kRowsPerTask = 1 << 14;

}  // namespace

IntegerWeights::IntegerWeights(std::span<const float> weights) : weights_(weights) {
  const float largest = ParallelReduce<float>(
      0, weights.size(), kRowsPerTask, 0,
      [&](float& piece, size_t begin, size_t end) {
        for (size_t i = begin; i < end; ++i) piece = std::max(piece, weights[i]);
      },
      [](float& into, const float& from) { into = std::max(into, from); });
  const FixedPoint scale = FixedPoint::For(largest);
  const ExactSum sum = ParallelReduce<ExactSum>(
      0, weights.size(), kRowsPerTask, {},
      [&](ExactSum& piece, size_t begin, size_t end) {
        for (size_t i = begin; i < end; ++i) piece.Add(scale.Quantise(weights[i]));
      },
      [](ExactSum& into, const ExactSum& from) { into.Add(from); });
  // A step for which the total stays at or below 2^61: FixedPoint allows 2^50 for its argument.
  scale_ = FixedPoint::For(std::max<double>(largest, std::ldexp(scale.ToDouble(sum), -11)));
}

}  // namespace ramet
