// The histograms of some nodes over the rows of all members, features dealt among them.
//
//   each member's rows ──Build──► cells of all features ──Exchange──► own features' cells, summed
//
// Every member adds up the cells of its own slice of features, so a histogram crosses the network
// once, members share the search for splits, and none holds more than its slice. Alone, the slice
// is all features and nothing is exchanged.
//
// Invariants
//   X1. Sums are those over all members' rows (H1): exact, whoever has which rows.
//   X2. Features are dealt by the numbers of their bins alone, so that members agree without
//   talking. X3. Cells travel in the fewest bytes that hold any sum of the node's row count: 8 (the
//   packed word, up to 4,095 rows), 12 (up to 2^20 - 1 rows of packed gradients), else 20.
//
// Cost: a node of R rows and C cells sends and receives 8 to 20 C (members - 1) / members bytes.
#pragma once

#include <span>
#include <vector>

#include "ramet/collective/collective.h"
#include "ramet/histogram/histogram.h"

namespace ramet {

class HistogramExchange {
 public:
  HistogramExchange(const Context& context, const BinMapper& mapper, const BinnedMatrix& bins);
  ~HistogramExchange();

  // Of the own features.
  const HistogramLayout& layout() const { return own_; }

  // Begins with some nodes, of which these are the rows that all members have together.
  void Begin(const CellFormat& format, std::span<const uint64_t> rows);
  // Adds the rows that this member has. Thread-safe for different nodes. Returns their sums.
  void Build(size_t node, const QuantisedGradients& gradients, RowSet rows);
  // Once all are built: from one thread, outside of parallel loops.
  void Exchange();
  // The node's histogram. Thread-safe for different nodes.
  Histogram Take(size_t node);

  // Sums over this member's rows, which must have been built since Begin.
  NodeSums LocalSums(size_t node) const { return local_sums_[node]; }

  // Gives a histogram's memory back for reuse.
  void Recycle(Histogram histogram);
  // Bytes of the histograms that are out, as if members had equal slices: the same on all of them.
  size_t bytes_in_use() const;
  size_t bytes_of_one() const;

 private:
  enum class Width { kPacked, kMiddle, kFull };
  struct Place {  // of one node in the messages
    Width width;
    size_t cell_bytes_before;  // of one cell, in the nodes before it
  };
  static size_t BytesOf(Width width);
  size_t Offset(size_t node, size_t cells) const;
  void Encode(size_t node, Histogram& local);

  const Context& context_;
  HistogramBuilder builder_;
  std::vector<size_t> feature_begins_;  // of each member's slice, and the end
  std::vector<size_t> cell_begins_;     // of the same
  HistogramLayout own_;
  std::vector<Place> places_;
  std::vector<Histogram> histograms_;
  std::vector<NodeSums> local_sums_;
  std::vector<Message> outgoing_, incoming_;
  struct Pool;
  std::unique_ptr<Pool> pool_;  // of slices
};

// Where each member's features begin, and the end: slices of nearly equal numbers of cells (X2).
std::vector<size_t> DealFeatures(const HistogramLayout& layout, size_t members);

}  // namespace ramet
