#include "ramet/metric/auc.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "ramet/base/buffer.h"
#include "ramet/base/exact_sum.h"
#include "ramet/metric/kernels.h"
#include "ramet/metric/metrics.h"
#include "ramet/metric/radix_sort.h"
#include "ramet/metric/weighted_mean.h"

namespace ramet {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// Weights as integers (A1).
class IntegerWeights {
 public:
  explicit IntegerWeights(std::span<const float> weights) : weights_(weights) {
    const float largest = ParallelReduce<float>(
        0, weights.size(), kMetricGrain, 0,
        [&](float& piece, size_t begin, size_t end) {
          for (size_t i = begin; i < end; ++i) piece = std::max(piece, weights[i]);
        },
        [](float& into, const float& from) { into = std::max(into, from); });
    const FixedPoint scale = FixedPoint::For(largest);
    const ExactSum sum = ParallelReduce<ExactSum>(
        0, weights.size(), kMetricGrain, {},
        [&](ExactSum& piece, size_t begin, size_t end) {
          for (size_t i = begin; i < end; ++i) piece.Add(scale.Quantise(weights[i]));
        },
        [](ExactSum& into, const ExactSum& from) { into.Add(from); });
    // A step for which the total stays at or below 2^61: FixedPoint allows 2^50 for its argument.
    scale_ = FixedPoint::For(std::max<double>(largest, std::ldexp(scale.ToDouble(sum), -11)));
  }
  int64_t operator[](size_t row) const {
    return weights_.empty() ? 1 : scale_.Quantise(weights_[row]);
  }

 private:
  std::span<const float> weights_;
  FixedPoint scale_;
};

// Adds up groups of equal score in ascending order.
struct PairCounter {
  int64_t positives = 0;
  int64_t negatives = 0;
  int128_t twice_pairs = 0;  // 2 x (pairs in the right order + half the ties)

  void AddGroup(int64_t group_positives, int64_t group_negatives) {
    twice_pairs +=
        static_cast<int128_t>(group_positives) * (int128_t{2} * negatives + group_negatives);
    positives += group_positives;
    negatives += group_negatives;
  }
  double Auc() const {
    if (positives == 0 || negatives == 0) return kNaN;
    const int128_t all = int128_t{2} * positives * negatives;
    return static_cast<double>(twice_pairs) / static_cast<double>(all);
  }
};

struct Rows {
  std::span<const double> scores;
  std::span<const double> labels;
  double positive;
  const IntegerWeights& weights;
};

// Unsigned integers in the order of the scores; -0 and +0 are one score.
uint64_t OrderedBits(double score) {
  const uint64_t bits = std::bit_cast<uint64_t>(score + 0.0);
  return bits >> 63 ? ~bits : bits | uint64_t{1} << 63;
}

// Calls visit(row, weight) for rows [0, n) on all threads; false if a score with weight is NaN.
template <class Visit>
bool VisitRows(const Rows& rows, const Visit& visit) {
  const char nan_seen = ParallelReduce<char>(
      0, rows.labels.size(), kMetricGrain, 0,
      [&](char& piece, size_t begin, size_t end) {
        for (size_t row = begin; row < end; ++row) {
          const int64_t weight = rows.weights[row];
          piece |= weight != 0 && std::isnan(rows.scores[row]);
          visit(row, weight);
        }
      },
      [](char& into, const char& from) { into |= from; });
  return !nan_seen;
}

double AucBySort(const Rows& rows) {
  Buffer<SortRecord> records(rows.labels.size());
  // The sign of the weight tells the side: positive rows above 0.
  const bool valid = VisitRows(rows, [&](size_t row, int64_t weight) {
    records[row] = {OrderedBits(rows.scores[row]),
                    rows.labels[row] == rows.positive ? weight : -weight};
  });
  if (!valid) return kNaN;
  records = RadixSort(std::move(records));

  PairCounter pairs;
  for (size_t i = 0; i < records.size();) {
    const uint64_t key = records[i].key;
    int64_t positives = 0, negatives = 0;
    for (; i < records.size() && records[i].key == key; ++i) {
      positives += std::max<int64_t>(records[i].value, 0);
      negatives -= std::min<int64_t>(records[i].value, 0);
    }
    pairs.AddGroup(positives, negatives);
  }
  return pairs.Auc();
}

double AucByCells(const Rows& rows) {
  std::vector<std::atomic<int64_t>> cells(2 * kNumScoreCells);  // negatives, positives of each
  const bool valid = VisitRows(rows, [&](size_t row, int64_t weight) {
    const size_t side = rows.labels[row] == rows.positive;
    cells[2 * ScoreCell(rows.scores[row]) + side].fetch_add(weight, std::memory_order_relaxed);
  });
  if (!valid) return kNaN;
  PairCounter pairs;
  for (size_t cell = 0; cell < kNumScoreCells; ++cell)
    pairs.AddGroup(cells[2 * cell + 1], cells[2 * cell]);
  return pairs.Auc();
}

// The mean of the classes' AUCs by log p(class), over the classes for which it is defined.
double MacroAuc(const Context& context, const Evaluation& evaluation) {
  const size_t num_rows = evaluation.labels.size();
  const size_t outputs = evaluation.num_outputs;
  Buffer<double> largest(num_rows), log_sum(num_rows), log_probability(num_rows);
  ParallelFor(0, num_rows, kMetricGrain, [&](size_t begin, size_t end) {
    LogSumExp(context.isa, evaluation.raw_scores.data() + begin * outputs, outputs, end - begin,
              largest.data() + begin, log_sum.data() + begin);
  });
  double sum = 0;
  size_t defined = 0;
  for (size_t k = 0; k < outputs; ++k) {
    ParallelFor(0, num_rows, kMetricGrain, [&](size_t begin, size_t end) {
      for (size_t row = begin; row < end; ++row)
        log_probability[row] =
            (evaluation.raw_scores[row * outputs + k] - largest[row]) - log_sum[row];
    });
    const double auc = OneAgainstRestAuc(log_probability.span(), evaluation.labels,
                                         static_cast<double>(k), evaluation.weights);
    if (std::isnan(auc)) continue;
    sum += auc;
    ++defined;
  }
  return defined == 0 ? kNaN : sum / static_cast<double>(defined);
}

}  // namespace

uint32_t ScoreCell(double score) {
  constexpr double kScale = 4;
  constexpr double kHalf = kNumScoreCells / 2;
  // 1 - c / (c + |s|) rises from 0 to 1; each operation, rounded to nearest, keeps the order.
  const double share = 1 - kScale / (kScale + std::fabs(score));
  const uint32_t step = static_cast<uint32_t>(std::min(kHalf - 1, share * kHalf));
  return score < 0 ? kNumScoreCells / 2 - 1 - step : kNumScoreCells / 2 + step;
}

double OneAgainstRestAuc(std::span<const double> scores, std::span<const double> labels,
                         double positive, std::span<const float> weights, size_t max_rows_to_sort) {
  const IntegerWeights integer_weights(weights);
  const Rows rows{scores, labels, positive, integer_weights};
  return labels.size() <= max_rows_to_sort ? AucBySort(rows) : AucByCells(rows);
}

double Auc(const Context& context, const Evaluation& evaluation) {
  double auc = kNaN;
  RunOnThreads(context, [&] {
    auc = evaluation.num_outputs > 1
              ? MacroAuc(context, evaluation)
              : OneAgainstRestAuc(evaluation.raw_scores, evaluation.labels, 1, evaluation.weights);
  });
  return auc;
}

}  // namespace ramet
