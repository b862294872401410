#include "ramet/metric/weighted_mean.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "ramet/base/buffer.h"
#include "ramet/base/exact_sum.h"
#include "ramet/collective/collective.h"

namespace ramet {
namespace {

// Magnitudes as bit patterns: their order is that of the numbers, with NaN above infinity, so that
// the maximum shows every special value.
struct Maxima {
  uint64_t term = 0;
  uint64_t weight = 0;

  void Merge(const Maxima& other) {
    term = std::max(term, other.term);
    weight = std::max(weight, other.weight);
  }
};

// What all members' rows say together. A member without rows has no weights either, so whether
// there are any is not its to tell.
struct Totals {
  Maxima maxima;
  uint64_t rows = 0;
  uint64_t weighted = 0;  // members with weights
};

uint64_t MagnitudeBits(double x) { return std::bit_cast<uint64_t>(x) & ~(uint64_t{1} << 63); }

struct Sums {
  ExactSum terms;
  ExactSum weights;

  void Merge(const Sums& other) {
    terms.Add(other.terms);
    weights.Add(other.weights);
  }
};

template <class T>
ExactSum SumOnScale(const FixedPoint& scale, const T* values, size_t count) {
  ExactSum sum;
  for (size_t begin = 0; begin < count; begin += ExactSum::kRowsPerLimb) {
    const size_t end = std::min(count, begin + ExactSum::kRowsPerLimb);
    int64_t limb = 0;
    for (size_t i = begin; i < end; ++i) limb += scale.Quantise(values[i]);
    sum.Add(limb);
  }
  return sum;
}

// values[i] becomes weight x value.
Maxima WeighTerms(std::span<const float> weights, size_t begin, size_t end, double* terms) {
  Maxima maxima;
  if (weights.empty()) {
    for (size_t i = begin; i < end; ++i)
      maxima.term = std::max(maxima.term, MagnitudeBits(terms[i]));
    return maxima;
  }
  for (size_t i = begin; i < end; ++i) {
    const double weight = weights[i];
    terms[i] = weight == 0 ? 0 : weight * terms[i];
    maxima.term = std::max(maxima.term, MagnitudeBits(terms[i]));
    maxima.weight = std::max(maxima.weight, MagnitudeBits(weight));
  }
  return maxima;
}

double Mean(const Context& context, size_t num_rows, std::span<const float> weights,
            RowValues values) {
  Buffer<double> terms(num_rows);
  Totals totals{{}, num_rows, !weights.empty()};
  totals.maxima = ParallelReduce<Maxima>(
      0, num_rows, kMetricGrain, {},
      [&](Maxima& piece, size_t begin, size_t end) {
        values(begin, end, terms.data() + begin);
        piece = WeighTerms(weights, begin, end, terms.data());
      },
      [](Maxima& into, const Maxima& from) { into.Merge(from); });
  AllReduce(context, totals, [](Totals& into, const Totals& from) {
    into.maxima.Merge(from.maxima);
    into.rows += from.rows;
    into.weighted += from.weighted;
  });
  const bool weighted = totals.weighted > 0;
  const double max_term = std::bit_cast<double>(totals.maxima.term);
  const double max_weight = weighted ? std::bit_cast<double>(totals.maxima.weight) : 1;
  if (totals.rows == 0 || max_weight == 0) return std::numeric_limits<double>::quiet_NaN();
  if (!std::isfinite(max_term)) return max_term;

  const FixedPoint term_scale = FixedPoint::For(max_term);
  const FixedPoint weight_scale = FixedPoint::For(max_weight);
  Sums sums = ParallelReduce<Sums>(
      0, num_rows, kMetricGrain, {},
      [&](Sums& piece, size_t begin, size_t end) {
        piece.terms = SumOnScale(term_scale, terms.data() + begin, end - begin);
        if (!weights.empty())
          piece.weights = SumOnScale(weight_scale, weights.data() + begin, end - begin);
      },
      [](Sums& into, const Sums& from) { into.Merge(from); });
  AllReduce(context, sums, [](Sums& into, const Sums& from) { into.Merge(from); });
  const double weight_sum =
      weighted ? weight_scale.ToDouble(sums.weights) : static_cast<double>(totals.rows);
  return term_scale.ToDouble(sums.terms) / weight_sum;
}

}  // namespace

double WeightedMean(const Context& context, size_t num_rows, std::span<const float> weights,
                    RowValues values) {
  double mean = 0;
  RunOnThreads(context, [&] { mean = Mean(context, num_rows, weights, values); });
  return mean;
}

}  // namespace ramet
