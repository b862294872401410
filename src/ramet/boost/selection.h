// Finds the value at a quantile of weighted records, digit by digit of their keys.
//
//   records ──weight of each digit──► the digit that holds the rank ──► its records … ──► few:
//   sorted
//
// The records may be one member's part of them: extents and weights of digits are sums and bounds,
// so merged ones narrow every member's part as the whole is narrowed.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "ramet/base/exact_sum.h"
#include "ramet/parallel/parallel.h"

namespace ramet {

// A quantile is a multiple of 10^-12.
inline constexpr int64_t kQuantileUnits = 1'000'000'000'000;

// Records between two keys, inclusive, and their weight.
struct Extent {
  uint64_t least = UINT64_MAX, greatest = 0;
  int64_t weight = 0;
  uint64_t records = 0;

  void Merge(const Extent& other) {
    least = std::min(least, other.least);
    greatest = std::max(greatest, other.greatest);
    weight += other.weight;
    records += other.records;
  }
};

inline constexpr int kDigitBits = 11;
using DigitWeights = std::array<int64_t, size_t{1} << kDigitBits>;

// Record: `key` in the order of the values (OrderedBits, ranking.h) and `weight()`.
template <class Record>
class Selection {
 public:
  // Reorders and overwrites the records.
  Selection(int64_t quantile, std::span<Record> records) : quantile_(quantile), records_(records) {}

  std::span<const Record> records() const { return records_; }  // those that may hold the ranks
  uint64_t least_above() const { return least_above_; }         // key of the first one above them
  bool one_key() const { return one_key_; }                     // those have

  Extent ExtentOfRecords() const {
    return ParallelReduce<Extent>(
        0, records_.size(), kRowsPerTask, {},
        [&](Extent& piece, size_t begin, size_t end) {
          Extent extent;
          for (const Record& record : records_.subspan(begin, end - begin)) {
            extent.least = std::min(extent.least, record.key);
            extent.greatest = std::max(extent.greatest, record.key);
            extent.weight += record.weight();
          }
          extent.records = end - begin;
          piece = extent;
        },
        [](Extent& into, const Extent& from) { into.Merge(from); });
  }

  // `all`: the extent of the records of all members.
  void Begin(const Extent& all) {
    begun_ = true;
    SetRange(all);
    if (all.weight == 0) return;
    const int128_t share = static_cast<int128_t>(quantile_) * all.weight;
    const int64_t whole = static_cast<int64_t>(share / kQuantileUnits);
    low_ = std::max<int64_t>(1, whole + (share % kQuantileUnits != 0));
    high_ = std::clamp(whole + 1, low_, all.weight);
  }

  DigitWeights WeighDigits() const {
    const auto digit_of = DigitOf();
    return ParallelReduce<DigitWeights>(
        0, records_.size(), kRowsPerTask, DigitWeights{},
        [&](DigitWeights& weights, size_t begin, size_t end) {
          for (const Record& record : records_.subspan(begin, end - begin))
            weights[digit_of(record)] += record.weight();
        },
        [](DigitWeights& into, const DigitWeights& from) {
          for (size_t digit = 0; digit < from.size(); ++digit) into[digit] += from[digit];
        });
  }

  // Keeps the records of the digit that holds the rank. `weights`: of all members' records.
  void Narrow(const DigitWeights& weights) {
    size_t digit = 0;
    int64_t below = weight_below_;
    for (; below + weights[digit] < low_ && digit + 1 < weights.size(); ++digit)
      below += weights[digit];
    weight_below_ = below;
    weight_inside_ = weights[digit];
    Keep(digit);
    base_ += static_cast<uint64_t>(digit) << shift_;
    one_key_ = shift_ == 0;
    shift_ = std::max(0, shift_ - kDigitBits);
  }

  // From a part of the records to all members'.
  void TakeAll(std::span<Record> records, uint64_t least_above) {
    records_ = records;
    least_above_ = least_above;
    if (!one_key_) SetRange(ExtentOfRecords());
  }

  // The middle of the values at the quantile's two ranks, which are one or neighbours; 0 of no
  // weight. All members' records must be here.
  double Middle() {
    if (!begun_) Begin(ExtentOfRecords());
    if (low_ == 0) return 0;
    while (records_.size() > kFewRecords && !one_key_) Narrow(WeighDigits());
    const Place at =
        one_key_ ? Place{base_, weight_below_ + weight_inside_ < high_ ? least_above_ : base_}
                 : PlaceInSorted();
    const double value = ValueOf(at.key), next = ValueOf(at.next);
    return value == next ? value : 0.5 * value + 0.5 * next;
  }

 private:
  static constexpr size_t kRowsPerTask = 1 << 15;
  static constexpr size_t kFewRecords = 64;  // sorted

  // Keys at the two ranks.
  struct Place {
    uint64_t key, next;
  };

  static double ValueOf(uint64_t key) {
    return std::bit_cast<double>(key >> 63 ? key & ~(uint64_t{1} << 63) : ~key);
  }

  auto DigitOf() const {
    return [base = base_, shift = shift_](const Record& record) {
      return static_cast<size_t>((record.key - base) >> shift);
    };
  }

  void SetRange(const Extent& extent) {
    base_ = extent.least;
    shift_ =
        std::max(0, static_cast<int>(std::bit_width(extent.greatest - extent.least)) - kDigitBits);
  }

  Place PlaceInSorted() {
    std::sort(records_.begin(), records_.end(),
              [](const Record& a, const Record& b) { return a.key < b.key; });
    size_t i = 0;
    int64_t weight = weight_below_;
    while (i < records_.size() && (weight += records_[i].weight()) < low_) ++i;
    if (i == records_.size()) return {};  // after a failure of the members: records are missing
    const uint64_t key = records_[i].key;
    while (weight < high_ && ++i < records_.size()) weight += records_[i].weight();
    return {key, weight < high_ ? least_above_ : records_[i].key};
  }

  // Each piece moves its own to its front, then the pieces move together.
  void Keep(size_t digit) {
    struct Piece {
      size_t begin = 0, kept = 0;
      uint64_t least_above = UINT64_MAX;
    };
    const auto digit_of = DigitOf();
    std::vector<Piece> pieces((records_.size() + kRowsPerTask - 1) / kRowsPerTask);
    ParallelFor(0, records_.size(), kRowsPerTask, [&](size_t begin, size_t end) {
      Piece piece{begin, 0, UINT64_MAX};
      Record* const records = records_.data();
      for (size_t i = begin; i < end; ++i) {
        const Record record = records[i];
        const size_t its = digit_of(record);
        records[begin + piece.kept] = record;
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

  int64_t quantile_;  // in kQuantileUnits
  std::span<Record> records_;
  bool begun_ = false, one_key_ = false;
  int64_t low_ = 0, high_ = 0;                    // the ranks, from 1; 0: there is no weight
  uint64_t base_ = 0;                             // of the keys that records_ may have
  int shift_ = 0;                                 // of the next digit
  int64_t weight_below_ = 0, weight_inside_ = 0;  // of all members' records
  uint64_t least_above_ = UINT64_MAX;
};

}  // namespace ramet
