#include "ramet/metric/ranking.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "ramet/base/buffer.h"
#include "ramet/collective/collective.h"
#include "ramet/metric/integer_weights.h"
#include "ramet/metric/kernels.h"
#include "ramet/metric/radix_sort.h"
#include "ramet/metric/weighted_mean.h"

namespace ramet {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

constexpr size_t kRowsPerOwner = size_t{1} << 19;
constexpr size_t kSampledRows = 1 << 12;

// Calls visit(row, weight) for all rows on all threads; false if some member has a score with
// weight that is NaN.
template <class Visit>
bool VisitRows(const Context& context, const OneAgainstRest& rows, const Visit& visit) {
  const IntegerWeights weights(context, rows.weights);
  const auto either = [](char& into, const char& from) { into |= from; };
  char nan_seen = ParallelReduce<char>(
      0, rows.labels.size(), kMetricGrain, 0,
      [&](char& piece, size_t begin, size_t end) {
        for (size_t row = begin; row < end; ++row) {
          const int64_t weight = weights[row];
          piece |= weight != 0 && std::isnan(rows.scores[row]);
          visit(row, weight);
        }
      },
      either);
  AllReduce(context, nan_seen, either);
  return !nan_seen;
}

// Calls visit(key, positives, negatives) for the groups of equal keys, in order.
template <class Visit>
void VisitGroups(std::span<const SortRecord> sorted, const Visit& visit) {
  for (size_t i = 0; i < sorted.size();) {
    const uint64_t key = sorted[i].key;
    int64_t positives = 0, negatives = 0;
    for (; i < sorted.size() && sorted[i].key == key; ++i) {
      positives += std::max<int64_t>(sorted[i].value, 0);
      negatives -= std::min<int64_t>(sorted[i].value, 0);
    }
    visit(key, positives, negatives);
  }
}

// Joins equal keys to a record a side, in place: after few rounds many scores are equal.
std::span<const SortRecord> Joined(Buffer<SortRecord>& sorted) {
  SortRecord* end = sorted.begin();
  VisitGroups(sorted.span(), [&](uint64_t key, int64_t positives, int64_t negatives) {
    if (positives > 0) *end++ = {key, positives};
    if (negatives > 0) *end++ = {key, -negatives};
  });
  return {sorted.begin(), end};
}

// Owner i has the keys from border i - 1 to below border i. Equal keys have one owner.
std::vector<uint64_t> Borders(const Context& context, std::span<const SortRecord> sorted,
                              size_t owners, size_t all_rows) {
  std::vector<uint64_t> sample;
  const size_t step = all_rows / kSampledRows + 1;
  for (size_t i = step / 2; i < sorted.size(); i += step) sample.push_back(sorted[i].key);
  sample = AllGather(context, std::span<const uint64_t>(sample));
  std::sort(sample.begin(), sample.end());
  std::vector<uint64_t> borders;
  for (size_t owner = 1; owner < owners; ++owner)
    borders.push_back(sample.empty() ? 0 : sample[SliceBegin(sample.size(), owners, owner)]);
  return borders;
}

// Sorted records, to the owners of their keys. This member's then are all those of its range,
// sorted.
Buffer<SortRecord> ToOwners(const Context& context, Buffer<SortRecord> sorted, size_t owners,
                            size_t all_rows) {
  const size_t members = NumMembers(context), own = RankOf(context);
  if (members == 1) return sorted;
  const std::span<const SortRecord> joined = Joined(sorted);
  const std::vector<uint64_t> borders = Borders(context, joined, owners, all_rows);
  std::vector<std::span<const SortRecord>> parts(members);
  auto begin = joined.begin();
  for (size_t owner = 0; owner < owners; ++owner) {
    const auto end = owner < borders.size()
                         ? std::partition_point(begin, joined.end(),
                                                [&](const SortRecord& record) {
                                                  return record.key < borders[owner];
                                                })
                         : joined.end();
    parts[owner] = {begin, end};
    begin = end;
  }
  std::vector<Bytes> outgoing;
  for (const auto& part : parts) outgoing.push_back(std::as_bytes(part));
  std::vector<Message> incoming;
  if (!context.collective->Exchange(outgoing, incoming)) return sorted;
  size_t count = parts[own].size();
  for (const Message& message : incoming) count += message.size() / sizeof(SortRecord);
  if (count > all_rows) {
    context.collective->Fail(IoError("the members sent more scores than they have rows."));
    return sorted;
  }
  Buffer<SortRecord> records(count);
  SortRecord* end = records.begin();
  for (size_t member = 0; member < members; ++member) {
    const std::span<const SortRecord> part =
        member == own ? parts[own] : internal::Elements<SortRecord>(incoming[member]);
    end = std::copy(part.begin(), part.end(), end);
  }
  return RadixSort(std::move(records));
}

bool VisitBySort(const Context& context, const OneAgainstRest& rows, size_t all_rows,
                 std::span<std::byte> state, GroupVisitor visit) {
  Buffer<SortRecord> records(rows.labels.size());
  // The sign of the weight tells the side: positive rows above 0. Descending: bits are inverted.
  const bool valid = VisitRows(context, rows, [&](size_t row, int64_t weight) {
    records[row] = {~OrderedBits(rows.scores[row]),
                    rows.labels[row] == rows.positive ? weight : -weight};
  });
  if (!valid) return false;
  const size_t owners = std::min(NumMembers(context), all_rows / kRowsPerOwner + 1);
  records = ToOwners(context, RadixSort(std::move(records)), owners, all_rows);
  for (size_t owner = 0; owner < owners; ++owner) {
    if (owner == RankOf(context))
      VisitGroups(records.span(), [&](uint64_t, int64_t positives, int64_t negatives) {
        visit(positives, negatives);
      });
    const std::vector<std::byte> states = AllGather<std::byte>(context, state);
    if (states.size() == state.size() * NumMembers(context))
      std::copy_n(states.begin() + static_cast<std::ptrdiff_t>(owner * state.size()), state.size(),
                  state.begin());
  }
  return true;
}

bool VisitByCells(const Context& context, const OneAgainstRest& rows, GroupVisitor visit) {
  std::vector<int64_t> cells(2 * kNumScoreCells);  // negatives, positives of each
  const bool valid = VisitRows(context, rows, [&](size_t row, int64_t weight) {
    const size_t side = rows.labels[row] == rows.positive;
    std::atomic_ref(cells[2 * ScoreCell(rows.scores[row]) + side])
        .fetch_add(weight, std::memory_order_relaxed);
  });
  if (!valid) return false;
  AllSum(context, std::span(cells));
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

bool VisitScoreGroups(const Context& context, const OneAgainstRest& rows, size_t max_rows_to_sort,
                      std::span<std::byte> state, GroupVisitor visit) {
  uint64_t all_rows = rows.labels.size();
  AllSum(context, std::span(&all_rows, 1));
  return all_rows <= max_rows_to_sort ? VisitBySort(context, rows, all_rows, state, visit)
                                      : VisitByCells(context, rows, visit);
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
