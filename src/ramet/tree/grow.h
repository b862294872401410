// Growing one tree: best first, with speculation (design section 3).
//
//   QuantisedGradients + rows ──► open leaves, each with its best split ──accept the best──► Tree
//   (structure)
//
// Splits are accepted in the order of their gain until `max_leaf_nodes`. A leaf's split depends on
// that leaf's rows alone, so the leaves that will probably be split soon are *expanded* together —
// rows partitioned, children's histograms built and searched — on all threads, before it is their
// turn. What is expanded in vain is thrown away.
//
// Invariants
//   R1. The tree is a function of the gradients' integers, the bins, the rows of all members and
//   the parameters. Not of what is expanded when, nor of who holds which rows: what is decided
//   depends on sums over all members, so that they all decide the same. R2. Order of acceptance:
//   higher gain, then smaller path key. A node's identity is its path from the root. R3. Nodes are
//   numbered in order of acceptance; children are adjacent and after their parent. R4. What
//   constraints ask of a node depends on its ancestors alone: the bounds of its values on the
//   midpoints of monotonic splits above it, its features on those above it.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "ramet/bins/bins.h"
#include "ramet/histogram/exchange.h"
#include "ramet/model/model.h"
#include "ramet/split/split.h"
#include "ramet/tree/interactions.h"
#include "ramet/tree/partition.h"

namespace ramet {

struct GrowParameters {
  SplitParameters split;
  size_t max_leaf_nodes = 31;
  size_t max_depth = 0;           // 0: unlimited
  double max_features = 1;        // share of the allowed features that a node chooses from
  std::vector<int8_t> monotonic;  // Monotone::directions
  Interactions interactions;
};

// A leaf's rows, of those that this member holds: [begin, end) of the partition.
struct LeafRows {
  int32_t node = 0;
  size_t begin = 0, end = 0;
};

// A node as rows of bins are routed by it.
struct RouteNode {
  int32_t feature = -1;  // -1: a leaf
  int32_t left = 0;
  BinSet left_bins;
};

struct GrownTree {
  Tree tree;                     // leaf values are 0
  std::vector<RouteNode> route;  // of the same nodes
  std::vector<LeafRows> leaves;  // in order of node
};

// The leaf (node index) that a row of bins falls into. O(depth).
inline int32_t RouteRow(std::span<const RouteNode> route, const uint8_t* bins) {
  int32_t node = 0;
  while (route[static_cast<size_t>(node)].feature >= 0) {
    const RouteNode& split = route[static_cast<size_t>(node)];
    node = split.left + (split.left_bins.Contains(bins[split.feature]) ? 0 : 1);
  }
  return node;
}

// Seconds of work inside nodes, added up over threads.
struct GrowTimes {
  std::atomic<int64_t> partition_ns = 0, histogram_ns = 0, split_ns = 0, exchange_ns = 0;
};

// Grows trees over the same bins; keeps its buffers between trees.
class TreeGrower {
 public:
  TreeGrower(const Context& context, const BinMapper& mapper, const BinnedMatrix& bins,
             const GrowParameters& parameters);

  // The rows that trees are grown on from now on: all, or these (ascending).
  void UseAllRows() { use_all_ = true; }
  void UseRows(std::span<const uint32_t> rows) {
    use_all_ = false;
    sample_.assign(rows.begin(), rows.end());
  }

  // `feature_key`: the stream of this tree's column sampling. Returns what it has when the context
  // is cancelled.
  GrownTree Grow(const QuantisedGradients& gradients, uint64_t feature_key);

  // Row ids of the last tree's leaves.
  const uint32_t* row_ids() const { return partition_.ids(); }
  const GrowTimes& times() const { return times_; }

 private:
  struct Leaf;
  struct BestFirst;
  struct Growth;

  void MakeRoot(Growth& growth, Leaf& root);
  void Expand(Growth& growth, std::span<Leaf* const> batch);
  void MakeChildren(const Growth& growth, Leaf& leaf) const;
  void DivideRows(Growth& growth, Leaf& leaf);
  void FillHistograms(Growth& growth, Leaf& leaf);
  void FindScore(Growth& growth, Leaf& leaf);
  void SettleSplits(const Growth& growth, std::span<Leaf* const> leaves);
  std::vector<uint32_t> ChooseFeatures(const Growth& growth, const Leaf& leaf) const;
  void PassConstraints(const Growth& growth, Leaf& parent) const;
  std::vector<Leaf*> Frontier(const Growth& growth, size_t& expanded) const;
  std::vector<Leaf*> ChooseBatch(const Growth& growth) const;
  void AcceptBest(Growth& growth);
  bool MaySplit(const Leaf& leaf) const;
  void SetSplitNode(const Split& split, Node& node, Tree& tree) const;

  const Context& context_;
  const BinMapper& mapper_;
  const BinnedMatrix& bins_;
  GrowParameters parameters_;
  HistogramExchange histograms_;
  RowPartition partition_;
  bool use_all_ = true;
  std::vector<uint32_t> sample_;
  GrowTimes times_;
};

}  // namespace ramet
