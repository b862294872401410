#include "ramet/boost/residuals.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "ramet/metric/ranking.h"
#include "ramet/parallel/parallel.h"

namespace ramet {
namespace {

constexpr int64_t kQuantileUnits = 1'000'000'000'000;
constexpr size_t kRowsPerTask = 1 << 15;
constexpr size_t kRowsAhead = 16;  // prefetched
constexpr int kDigitBits = 11;
constexpr size_t kFewRecords = 64;  // sorted

// Records between two keys, inclusive, and their weight.
struct Extent {
  uint64_t least = UINT64_MAX, greatest = 0;
  int64_t weight = 0;
};
using DigitCounts = std::array<int64_t, size_t{1} << kDigitBits>;

double ValueOf(uint64_t key) {
  return std::bit_cast<double>(key >> 63 ? key & ~(uint64_t{1} << 63) : ~key);
}

// Finds the value of a rank, narrowing down the records that may hold it digit by digit.
template <class Record>
class Selection {
 public:
  Selection(std::span<Record> records, const Extent& extent)
      : records_(records),
        base_(extent.least),
        shift_(std::max(
            0, static_cast<int>(std::bit_width(extent.greatest - extent.least)) - kDigitBits)) {}

  // The middle of the values at two ranks of weight, low <= high <= low + 1, from 1 to the total.
  double MiddleOf(int64_t low, int64_t high) {
    while (records_.size() > kFewRecords && !one_key_) Narrow(low);
    if (!one_key_)
      std::sort(records_.begin(), records_.end(),
                [](const Record& a, const Record& b) { return a.key < b.key; });
    int64_t weight = weight_below_;
    auto record = records_.begin();
    while ((weight += record->weight()) < low) ++record;
    const double value = ValueOf(record->key);
    while (weight < high && ++record != records_.end()) weight += record->weight();
    const double next = ValueOf(weight < high ? least_above_ : record->key);
    return value == next ? value : 0.5 * value + 0.5 * next;
  }

 private:
  size_t DigitOf(const Record& record) const {
    return static_cast<size_t>((record.key - base_) >> shift_);
  }

  // Keeps the records of the digit that holds rank `low`.
  void Narrow(int64_t low) {
    const DigitCounts counts = CountDigits();
    size_t digit = 0;
    for (; weight_below_ + counts[digit] < low; ++digit) weight_below_ += counts[digit];
    Keep(digit);
    base_ += static_cast<uint64_t>(digit) << shift_;
    one_key_ = shift_ == 0;
    shift_ = std::max(0, shift_ - kDigitBits);
  }

  DigitCounts CountDigits() const {
    return ParallelReduce<DigitCounts>(
        0, records_.size(), kRowsPerTask, DigitCounts{},
        [&](DigitCounts& counts, size_t begin, size_t end) {
          for (size_t i = begin; i < end; ++i) counts[DigitOf(records_[i])] += records_[i].weight();
        },
        [](DigitCounts& into, const DigitCounts& from) {
          for (size_t digit = 0; digit < from.size(); ++digit) into[digit] += from[digit];
        });
  }

  // Each piece moves its own to its front, then the pieces move together.
  void Keep(size_t digit) {
    struct Piece {
      size_t begin = 0, kept = 0;
      uint64_t least_above = UINT64_MAX;
    };
    std::vector<Piece> pieces((records_.size() + kRowsPerTask - 1) / kRowsPerTask);
    ParallelFor(0, records_.size(), kRowsPerTask, [&](size_t begin, size_t end) {
      Piece piece{begin, 0, UINT64_MAX};
      for (size_t i = begin; i < end; ++i) {
        const Record record = records_[i];
        const size_t its = DigitOf(record);
        records_[begin + piece.kept] = record;
        piece.kept += its == digit && record.weight() != 0;
        if (its > digit && record.weight() != 0)
          piece.least_above = std::min(piece.least_above, record.key);
      }
      pieces[begin / kRowsPerTask] = piece;
    });
    size_t kept = 0;
    for (const Piece& piece : pieces) {
      std::copy_n(records_.begin() + static_cast<std::ptrdiff_t>(piece.begin), piece.kept,
                  records_.begin() + static_cast<std::ptrdiff_t>(kept));
      kept += piece.kept;
      least_above_ = std::min(least_above_, piece.least_above);
    }
    records_ = records_.first(kept);
  }

  std::span<Record> records_;
  uint64_t base_;  // of the keys that records_ may have
  int shift_;      // of the next digit
  bool one_key_ = false;
  int64_t weight_below_ = 0;           // of records below those of records_
  uint64_t least_above_ = UINT64_MAX;  // key of the first record above them
};

void Set(ResidualQuantiles::Plain& record, uint64_t key, int64_t) { record = {key}; }
void Set(ResidualQuantiles::Weighted& record, uint64_t key, int64_t weight) {
  record = {key, weight};
}

}  // namespace

ResidualQuantiles::ResidualQuantiles(double quantile, std::span<const double> labels,
                                     std::span<const float> weights)
    : quantile_(std::llround(quantile * static_cast<double>(kQuantileUnits))),
      labels_(labels),
      weights_(weights) {}

template <class Record>
double ResidualQuantiles::Of(const uint32_t* rows, const double* scores, size_t count,
                             Record* records) const {
  const Extent extent = ParallelReduce<Extent>(
      0, count, kRowsPerTask, {},
      [&](Extent& piece, size_t begin, size_t end) {
        for (size_t i = begin; i < end; ++i) {
          const size_t row = rows == nullptr ? i : rows[i];
          if (rows != nullptr && i + kRowsAhead < end) {
            __builtin_prefetch(&labels_[rows[i + kRowsAhead]]);
            if (scores != nullptr) __builtin_prefetch(&scores[rows[i + kRowsAhead]]);
          }
          const double residual = scores == nullptr ? labels_[row] : labels_[row] - scores[row];
          Set(records[i], OrderedBits(residual), weights_[row]);
          piece.least = std::min(piece.least, records[i].key);
          piece.greatest = std::max(piece.greatest, records[i].key);
          piece.weight += records[i].weight();
        }
      },
      [](Extent& into, const Extent& from) {
        into.least = std::min(into.least, from.least);
        into.greatest = std::max(into.greatest, from.greatest);
        into.weight += from.weight;
      });
  if (extent.weight == 0) return 0;
  const int128_t share = static_cast<int128_t>(quantile_) * extent.weight;
  const int64_t whole = static_cast<int64_t>(share / kQuantileUnits);
  const int64_t low = std::max<int64_t>(1, whole + (share % kQuantileUnits != 0));
  const int64_t high = std::clamp(whole + 1, low, extent.weight);
  return Selection<Record>({records, count}, extent).MiddleOf(low, high);
}

double ResidualQuantiles::OfLabels(std::span<const uint32_t> rows) {
  const size_t count = rows.empty() ? labels_.size() : rows.size();
  const uint32_t* ids = rows.empty() ? nullptr : rows.data();
  if (weights_.all_one()) return Of(ids, nullptr, count, Buffer<Plain>(count).data());
  return Of(ids, nullptr, count, Buffer<Weighted>(count).data());
}

std::vector<double> ResidualQuantiles::OfLeaves(std::span<const LeafRows> leaves,
                                                const uint32_t* row_ids,
                                                std::span<const double> scores) {
  size_t rows = 0;
  for (const LeafRows& leaf : leaves) rows = std::max(rows, leaf.end);
  std::vector<double> values(leaves.size());
  const auto of_leaves = [&](auto& records) {
    if (records.size() < rows) records = std::remove_cvref_t<decltype(records)>(rows);
    ParallelFor(0, leaves.size(), 1, [&](size_t leaf, size_t) {
      const LeafRows& range = leaves[leaf];
      values[leaf] = Of(row_ids + range.begin, scores.data(), range.end - range.begin,
                        records.data() + range.begin);
    });
  };
  if (weights_.all_one())
    of_leaves(plain_);
  else
    of_leaves(weighted_);
  return values;
}

}  // namespace ramet
