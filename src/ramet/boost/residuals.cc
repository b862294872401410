#include "ramet/boost/residuals.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <utility>

#include "ramet/metric/ranking.h"
#include "ramet/parallel/parallel.h"

namespace ramet {
namespace {

constexpr int64_t kQuantileUnits = 1'000'000'000'000;
constexpr size_t kRowsPerTask = 1 << 15;
constexpr size_t kMaxChunks = 64;
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

ResidualQuantiles::ResidualQuantiles(const Context& context, double quantile,
                                     std::span<const double> labels, std::span<const float> weights)
    : context_(context),
      quantile_(std::llround(quantile * static_cast<double>(kQuantileUnits))),
      labels_(labels),
      weights_(context, weights) {}

template <class Record>
double ResidualQuantiles::Of(std::span<Record> records) const {
  const Extent extent = ParallelReduce<Extent>(
      0, records.size(), kRowsPerTask, {},
      [&](Extent& piece, size_t begin, size_t end) {
        for (size_t i = begin; i < end; ++i) {
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
  return Selection<Record>(records, extent).MiddleOf(low, high);
}

template <class Record>
double ResidualQuantiles::OfLabels(const RowSelection& rows) const {
  Buffer<Record> records(rows.count(labels_.size()));
  ParallelFor(0, records.size(), kRowsPerTask, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const size_t row = rows[i];
      Set(records[i], OrderedBits(labels_[row]), weights_[row]);
    }
  });
  return Of(records.span());
}

double ResidualQuantiles::OfLabels(const RowSelection& rows) const {
  return weights_.all_one() ? OfLabels<Plain>(rows) : OfLabels<Weighted>(rows);
}

// Every chunk of rows first counts its rows of each leaf, then writes them where the leaf's rows of
// the chunks before it end: reads are in order, and a leaf's next place is in the first-level
// cache.
template <class Record>
std::vector<double> ResidualQuantiles::OfLeaves(size_t num_leaves,
                                                std::span<const LeafIndex> leaf_of_row,
                                                std::span<const double> scores,
                                                Buffer<Record>& records) const {
  const size_t num_rows = leaf_of_row.size();
  const size_t chunk_rows = std::max(kRowsPerTask, (num_rows + kMaxChunks - 1) / kMaxChunks);
  const size_t chunks = (num_rows + chunk_rows - 1) / chunk_rows;
  std::vector<uint32_t> places(chunks * num_leaves);
  ParallelFor(0, num_rows, chunk_rows, [&](size_t begin, size_t end) {
    uint32_t* counts = places.data() + begin / chunk_rows * num_leaves;
    for (size_t row = begin; row < end; ++row)
      if (leaf_of_row[row] != kNoLeaf) ++counts[leaf_of_row[row]];
  });
  std::vector<uint32_t> leaf_begin = {0};
  for (size_t leaf = 0; leaf < num_leaves; ++leaf) {
    uint32_t place = leaf_begin.back();
    for (size_t i = leaf; i < places.size(); i += num_leaves)
      place += std::exchange(places[i], place);
    leaf_begin.push_back(place);
  }
  if (records.size() < leaf_begin.back()) records = Buffer<Record>(leaf_begin.back());
  ParallelFor(0, num_rows, chunk_rows, [&](size_t begin, size_t end) {
    uint32_t* place = places.data() + begin / chunk_rows * num_leaves;
    for (size_t row = begin; row < end; ++row)
      if (leaf_of_row[row] != kNoLeaf)
        Set(records[place[leaf_of_row[row]]++], OrderedBits(labels_[row] - scores[row]),
            weights_[row]);
  });
  std::vector<double> values(num_leaves);
  ParallelFor(0, num_leaves, 1, [&](size_t leaf, size_t) {
    values[leaf] =
        Of(records.span().subspan(leaf_begin[leaf], leaf_begin[leaf + 1] - leaf_begin[leaf]));
  });
  return values;
}

std::vector<double> ResidualQuantiles::OfLeaves(size_t num_leaves,
                                                std::span<const LeafIndex> leaf_of_row,
                                                std::span<const double> scores) {
  return weights_.all_one() ? OfLeaves(num_leaves, leaf_of_row, scores, plain_)
                            : OfLeaves(num_leaves, leaf_of_row, scores, weighted_);
}

}  // namespace ramet
