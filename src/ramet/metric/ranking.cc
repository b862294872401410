#include "ramet/metric/ranking.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "ramet/base/buffer.h"
#include "ramet/metric/integer_weights.h"
#include "ramet/metric/kernels.h"
#include "ramet/metric/radix_sort.h"
#include "ramet/metric/weighted_mean.h"

namespace ramet {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

using GroupVisitor = FunctionRef<void(int64_t positives, int64_t negatives)>;

// Calls visit(row, weight) for all rows on all threads; false if a score with weight is NaN.
template <class Visit>
bool VisitRows(const OneAgainstRest& rows, const Visit& visit) {
  const IntegerWeights weights(rows.weights);
  const char nan_seen = ParallelReduce<char>(
      0, rows.labels.size(), kMetricGrain, 0,
      [&](char& piece, size_t begin, size_t end) {
        for (size_t row = begin; row < end; ++row) {
          const int64_t weight = weights[row];
          piece |= weight != 0 && std::isnan(rows.scores[row]);
          visit(row, weight);
        }
      },
      [](char& into, const char& from) { into |= from; });
  return !nan_seen;
}

bool VisitBySort(const OneAgainstRest& rows, GroupVisitor visit) {
  Buffer<SortRecord> records(rows.labels.size());
  // The sign of the weight tells the side: positive rows above 0. Descending: bits are inverted.
  const bool valid = VisitRows(rows, [&](size_t row, int64_t weight) {
    records[row] = {~OrderedBits(rows.scores[row]),
                    rows.labels[row] == rows.positive ? weight : -weight};
  });
  if (!valid) return false;
  records = RadixSort(std::move(records));
  for (size_t i = 0; i < records.size();) {
    const uint64_t key = records[i].key;
    int64_t positives = 0, negatives = 0;
    for (; i < records.size() && records[i].key == key; ++i) {
      positives += std::max<int64_t>(records[i].value, 0);
      negatives -= std::min<int64_t>(records[i].value, 0);
    }
    visit(positives, negatives);
  }
  return true;
}

bool VisitByCells(const OneAgainstRest& rows, GroupVisitor visit) {
  std::vector<std::atomic<int64_t>> cells(2 * kNumScoreCells);  // negatives, positives of each
  const bool valid = VisitRows(rows, [&](size_t row, int64_t weight) {
    const size_t side = rows.labels[row] == rows.positive;
    cells[2 * ScoreCell(rows.scores[row]) + side].fetch_add(weight, std::memory_order_relaxed);
  });
  if (!valid) return false;
  for (size_t cell = kNumScoreCells; cell-- > 0;) visit(cells[2 * cell + 1], cells[2 * cell]);
  return true;
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

uint64_t OrderedBits(double x) {
  const uint64_t bits = std::bit_cast<uint64_t>(x + 0.0);
  return bits >> 63 ? ~bits : bits | uint64_t{1} << 63;
}

bool VisitScoreGroups(const OneAgainstRest& rows, size_t max_rows_to_sort, GroupVisitor visit) {
  return rows.labels.size() <= max_rows_to_sort ? VisitBySort(rows, visit)
                                                : VisitByCells(rows, visit);
}

double OfEachClass(const Context& context, const Evaluation& evaluation,
                   FunctionRef<double(const OneAgainstRest&)> measure) {
  const size_t outputs = evaluation.num_outputs;
  if (outputs == 1)
    return measure({evaluation.raw_scores, evaluation.labels, 1, evaluation.weights});
  const size_t num_rows = evaluation.labels.size();
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
    const double value = measure(
        {log_probability.span(), evaluation.labels, static_cast<double>(k), evaluation.weights});
    if (std::isnan(value)) continue;
    sum += value;
    ++defined;
  }
  return defined == 0 ? kNaN : sum / static_cast<double>(defined);
}

}  // namespace ramet
