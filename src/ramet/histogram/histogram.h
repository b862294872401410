// Histograms of one tree node: for every feature and bin, how many rows, and their exact sums of
// gradients and hessians.
//
//   bins (rows x features, uint8) + quantised gradients (words) + the node's rows ──► Histogram
//   (cells of all features)
//
// Rows are added in blocks small enough that one 64-bit add per row and feature updates a whole
// cell (quantise.h) in a scratch histogram that stays near the core; blocks are then widened into
// the node's cells.
//
// Invariants
//   H1. Sums are integers. They do not depend on the order in which rows are added, nor on who adds
//   them. H2. A block never has more rows than a word's fields can count (CellFormat::max_rows).
//   H3. parent == left + right, exactly. So the larger child is always had by subtraction.
//
// Cost: one read-modify-write per row and feature, about 0.5 ns where rows and words are
// prefetched; bound by the store port.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "ramet/base/buffer.h"
#include "ramet/bins/bins.h"
#include "ramet/histogram/quantise.h"
#include "ramet/parallel/context.h"

namespace ramet {

// Where each feature's cells lie: feature f of [first_feature, end_feature) has cells [begin(f),
// begin(f + 1)), one per bin, the missing one first.
class HistogramLayout {
 public:
  // Of all features.
  explicit HistogramLayout(const BinMapper& mapper);
  // Of some features of another layout, whose cells begin at 0 again.
  HistogramLayout(const HistogramLayout& all, size_t first_feature, size_t end_feature);

  size_t first_feature() const { return first_feature_; }
  size_t end_feature() const { return first_feature_ + num_features(); }
  size_t num_features() const { return begins_.size() - 1; }
  size_t num_cells() const { return begins_.back(); }
  size_t begin(size_t feature) const { return begins_[feature - first_feature_]; }
  size_t num_bins(size_t feature) const { return begin(feature + 1) - begin(feature); }
  bool categorical(size_t feature) const { return categorical_[feature - first_feature_]; }

 private:
  size_t first_feature_ = 0;
  std::vector<size_t> begins_;
  std::vector<bool> categorical_;
};

// Sums over some rows, in steps of the CellFormat.
struct NodeSums {
  int64_t gradient = 0;
  uint64_t hessian = 0;
  uint64_t count = 0;
  NodeSums operator+(const NodeSums& o) const {
    return {gradient + o.gradient, hessian + o.hessian, count + o.count};
  }
  NodeSums operator-(const NodeSums& o) const {
    return {gradient - o.gradient, hessian - o.hessian, count - o.count};
  }
  bool operator==(const NodeSums&) const = default;
};

// Cells as three arrays.
class Histogram {
 public:
  Histogram() = default;
  explicit Histogram(size_t num_cells);
  static size_t Bytes(size_t num_cells);

  bool empty() const { return storage_.empty(); }
  size_t num_cells() const { return num_cells_; }
  int64_t* gradients() { return reinterpret_cast<int64_t*>(storage_.data()); }
  uint64_t* hessians() { return storage_.data() + padded_; }
  uint32_t* counts() { return reinterpret_cast<uint32_t*>(storage_.data() + 2 * padded_); }
  const int64_t* gradients() const { return reinterpret_cast<const int64_t*>(storage_.data()); }
  const uint64_t* hessians() const { return storage_.data() + padded_; }
  const uint32_t* counts() const {
    return reinterpret_cast<const uint32_t*>(storage_.data() + 2 * padded_);
  }
  NodeSums cell(size_t i) const { return {gradients()[i], hessians()[i], counts()[i]}; }

 private:
  size_t num_cells_ = 0;
  size_t padded_ = 0;  // more cells, of whole cache lines: a histogram of no cells is not empty
  Buffer<uint64_t> storage_;
};

// parent -= child (H3), of equally many cells. O(cells).
void Subtract(const Context& context, Histogram& parent, const Histogram& child);

// The rows of a node: positions in the table, ascending; or all rows [0, count) if `ids` is null.
struct RowSet {
  const uint32_t* ids = nullptr;
  size_t count = 0;
};

// Makes histograms, and keeps what that needs between calls: scratch per thread, and freed
// histograms. Thread-safe: several nodes may be built at once.
class HistogramBuilder {
 public:
  HistogramBuilder(const Context& context, const BinnedMatrix& bins, HistogramLayout layout);
  ~HistogramBuilder();

  const HistogramLayout& layout() const { return layout_; }

  // The histogram of `rows`. O(rows x features). Runs on all threads when it is worth it.
  Histogram Build(const QuantisedGradients& gradients, RowSet rows);
  // Gives a histogram's memory back for reuse.
  void Recycle(Histogram histogram);
  // Histograms that are out.
  size_t num_in_use() const;

  // The node's sums, from the cells of any one feature.
  NodeSums Total(const Histogram& histogram) const;

 private:
  struct Impl;
  Histogram Acquire();
  const Context& context_;
  const BinnedMatrix& bins_;
  HistogramLayout layout_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ramet
