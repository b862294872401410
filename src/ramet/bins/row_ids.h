// Which rows of the whole table a member holds (design rule 1: a row is known by its position in
// it).
//
//   local row:    0 1 2 3 4 | 5 6 7          a run per part of consecutive rows
//   row id:       10 … 14   | 40 41 42       ascending, so that local order is the table's
//
// Alone, a row's id is its position.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "ramet/base/result.h"

namespace ramet {

class RowIds {
 public:
  struct Run {
    uint64_t first = 0;  // id of its first row
    size_t count = 0;
  };

  RowIds() = default;
  // All rows of a table of `num_rows`.
  explicit RowIds(size_t num_rows) : total_(num_rows) {
    if (num_rows > 0) runs_.push_back({0, 0, num_rows});
    size_ = num_rows;
  }
  // Runs of a table of `total` rows, ascending and apart.
  RowIds(const std::vector<Run>& runs, uint64_t total) : total_(total) {
    for (const Run& run : runs) {
      if (run.count == 0) continue;
      RAMET_CHECK(runs_.empty() || run.first >= runs_.back().id + runs_.back().count);
      runs_.push_back({size_, run.first, run.count});
      size_ += run.count;
    }
    RAMET_CHECK(runs_.empty() || runs_.back().id + runs_.back().count <= total_);
  }

  size_t size() const { return size_; }      // rows held
  uint64_t total() const { return total_; }  // rows of the whole table
  bool holds_all() const { return size_ == total_; }

  // O(log runs).
  uint64_t operator[](size_t row) const {
    const Place& place = *Find(row);
    return place.id + (row - place.begin);
  }

  // Calls visit(begin, end, id of begin) for the pieces of local rows [begin, end) within one run
  // each.
  template <class Visit>
  void VisitRuns(size_t begin, size_t end, const Visit& visit) const {
    if (begin >= end) return;
    for (auto place = Find(begin); begin < end; ++place) {
      const size_t piece_end = std::min(end, place->begin + place->count);
      visit(begin, piece_end, place->id + (begin - place->begin));
      begin = piece_end;
    }
  }

 private:
  struct Place {
    size_t begin;  // local row
    uint64_t id;
    size_t count;
  };
  std::vector<Place>::const_iterator Find(size_t row) const {
    return std::prev(
        std::upper_bound(runs_.begin(), runs_.end(), row,
                         [](size_t value, const Place& place) { return value < place.begin; }));
  }

  std::vector<Place> runs_;
  size_t size_ = 0;
  uint64_t total_ = 0;
};

}  // namespace ramet
