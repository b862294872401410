#include "ramet/tree/grow.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <memory>
#include <set>

#include "ramet/base/hash.h"
#include "ramet/collective/collective.h"
#include "ramet/parallel/parallel.h"

namespace ramet {
namespace {

// Rows in one batch of expansions beyond which more would not occupy more threads.
constexpr size_t kRowsPerBatch = 1 << 17;
// Rows of a member that take as long to work on as one more batch would be waited for.
constexpr size_t kRowsWorthAWait = 1 << 14;

// Adds the time of a scope to a counter.
class Timer {
 public:
  explicit Timer(std::atomic<int64_t>& total)
      : total_(total), begin_(std::chrono::steady_clock::now()) {}
  ~Timer() {
    total_ += std::chrono::duration_cast<std::chrono::nanoseconds>(
                  std::chrono::steady_clock::now() - begin_)
                  .count();
  }

 private:
  std::atomic<int64_t>& total_;
  std::chrono::steady_clock::time_point begin_;
};

constexpr uint64_t kRootPath = 1;
uint64_t ChildPath(uint64_t parent, bool right) {
  return Mix64(parent * 2 + (right ? 1 : 0) + 0x632be59bd9b4e019ull);
}

}  // namespace

struct TreeGrower::Leaf {
  int32_t node = 0;
  uint64_t path = kRootPath;
  size_t depth = 0;
  size_t begin = 0, end = 0;          // own rows of the partition
  NodeSums sums;                      // of all members' rows
  Monotone monotone;                  // bounds of values in it
  std::vector<uint32_t> above;        // with interaction constraints: features above it, ascending
  Split split;                        // the best one, if any
  Histogram histogram;                // empty if it was not needed or was evicted
  int32_t to_build = -1;              // place in the exchange, where it comes from rows
  std::unique_ptr<Leaf> left, right;  // once expanded

  size_t rows() const { return end - begin; }
  bool expanded() const { return left != nullptr; }
};

// Order of acceptance (R2).
struct TreeGrower::BestFirst {
  bool operator()(const std::unique_ptr<Leaf>& a, const std::unique_ptr<Leaf>& b) const {
    if (a->split.gain != b->split.gain) return a->split.gain > b->split.gain;
    return a->path < b->path;
  }
};

struct TreeGrower::Growth {
  const QuantisedGradients& gradients;
  uint64_t feature_key;
  GrownTree result;
  std::multiset<std::unique_ptr<Leaf>, BestFirst> open;  // leaves that have a split
  size_t num_leaves = 1;
};

TreeGrower::TreeGrower(const Context& context, const BinMapper& mapper, const BinnedMatrix& bins,
                       const GrowParameters& parameters)
    : context_(context),
      mapper_(mapper),
      bins_(bins),
      parameters_(parameters),
      histograms_(context, mapper, bins),
      partition_(context.isa, bins.num_rows()) {}

bool TreeGrower::MaySplit(const Leaf& leaf) const {
  return (parameters_.max_depth == 0 || leaf.depth < parameters_.max_depth) &&
         leaf.sums.count >= 2 * std::max<uint64_t>(1, parameters_.split.min_samples_leaf);
}

// What the node may be split by, ascending; empty: all features. A share of them is drawn as
// scikit-learn draws it: anew for each node, of those that the interactions allow, rounded up.
std::vector<uint32_t> TreeGrower::ChooseFeatures(const Growth& growth, const Leaf& leaf) const {
  const bool all = parameters_.interactions.none();
  if (all && parameters_.max_features >= 1) return {};
  std::vector<uint32_t> features =
      AllowedFeatures(parameters_.interactions, mapper_.features.size(), leaf.above);
  if (parameters_.max_features >= 1) return features;
  // Those with the smallest hashes of (tree, path, feature).
  const uint64_t key = Mix64(growth.feature_key ^ leaf.path);
  std::vector<std::pair<uint64_t, uint32_t>> order;
  for (const uint32_t f : features) order.emplace_back(CounterHash(key, f), f);
  const size_t count =
      std::clamp<size_t>(static_cast<size_t>(std::ceil(parameters_.max_features *
                                                       static_cast<double>(features.size()))),
                         1, features.size());
  std::nth_element(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count - 1),
                   order.end());
  features.clear();
  for (size_t i = 0; i < count; ++i) features.push_back(order[i].second);
  std::sort(features.begin(), features.end());
  return features;
}

// The best split among the own features, as a score.
void TreeGrower::FindScore(Growth& growth, Leaf& leaf) {
  const Timer timer(times_.split_ns);
  leaf.split =
      FindBestScore(context_, histograms_.layout(), growth.gradients.format, leaf.histogram,
                    leaf.sums, parameters_.split, ChooseFeatures(growth, leaf), leaf.monotone);
}

// Scores of all members' features become splits.
void TreeGrower::SettleSplits(const Growth& growth, std::span<Leaf* const> leaves) {
  std::vector<Split> splits;
  for (const Leaf* leaf : leaves) splits.push_back(leaf->split);
  AllReduce(context_, std::span(splits), [](Split& into, const Split& from) {
    if (Better(from, into)) into = from;
  });
  for (size_t i = 0; i < leaves.size(); ++i)
    leaves[i]->split = SplitOfScore(splits[i], growth.gradients.format, leaves[i]->sums,
                                    parameters_.split, leaves[i]->monotone);
}

// R4.
void TreeGrower::PassConstraints(const Growth& growth, Leaf& parent) const {
  Leaf &left = *parent.left, &right = *parent.right;
  if (!parameters_.interactions.none()) {
    left.above = parent.above;
    const uint32_t feature = static_cast<uint32_t>(parent.split.feature);
    const auto place = std::lower_bound(left.above.begin(), left.above.end(), feature);
    if (place == left.above.end() || *place != feature) left.above.insert(place, feature);
    right.above = left.above;
  }
  if (parameters_.monotonic.empty()) return;
  left.monotone = right.monotone = parent.monotone;
  const int direction = parameters_.monotonic[static_cast<size_t>(parent.split.feature)];
  if (direction == 0) return;
  const auto value = [&](const Leaf& child) {
    return BoundedValue(growth.gradients.format, child.sums, parameters_.split, parent.monotone);
  };
  const double middle = (value(left) + value(right)) / 2;
  (direction > 0 ? left : right).monotone.upper = middle;
  (direction > 0 ? right : left).monotone.lower = middle;
}

void TreeGrower::MakeRoot(Growth& growth, Leaf& root) {
  root.end = partition_.size();
  uint64_t rows = root.rows();
  AllSum(context_, std::span(&rows, 1));
  {
    const Timer timer(times_.histogram_ns);
    histograms_.Begin(growth.gradients.format, std::span(&rows, 1));
    histograms_.Build(0, growth.gradients, {use_all_ ? nullptr : partition_.ids(), root.rows()});
    histograms_.Exchange();
    root.histogram = histograms_.Take(0);
  }
  root.sums = histograms_.LocalSums(0);
  AllReduce(context_, root.sums, [](NodeSums& into, const NodeSums& from) { into = into + from; });
  root.monotone.directions = parameters_.monotonic;
  if (!MaySplit(root)) return;
  FindScore(growth, root);
  Leaf* const leaf = &root;
  SettleSplits(growth, std::span(&leaf, 1));
}

// What is known of the children before their rows are touched.
void TreeGrower::MakeChildren(const Growth& growth, Leaf& leaf) const {
  leaf.left = std::make_unique<Leaf>();
  leaf.right = std::make_unique<Leaf>();
  Leaf &left = *leaf.left, &right = *leaf.right;
  left.sums = leaf.split.left;
  right.sums = leaf.sums - leaf.split.left;
  left.depth = right.depth = leaf.depth + 1;
  left.path = ChildPath(leaf.path, false);
  right.path = ChildPath(leaf.path, true);
  PassConstraints(growth, leaf);
}

void TreeGrower::DivideRows(Growth& growth, Leaf& leaf) {
  Leaf &left = *leaf.left, &right = *leaf.right;
  {
    const Timer timer(times_.partition_ns);
    const size_t feature = static_cast<size_t>(leaf.split.feature);
    const size_t middle =
        partition_.Split(leaf.begin, leaf.end, bins_.column(feature), leaf.split.left_bins);
    left.begin = leaf.begin;
    left.end = right.begin = middle;
    right.end = leaf.end;
  }
  RAMET_CHECK(NumMembers(context_) > 1 || left.rows() == left.sums.count);
  for (Leaf* child : {&left, &right}) {
    if (child->to_build < 0) continue;
    const Timer timer(times_.histogram_ns);
    histograms_.Build(static_cast<size_t>(child->to_build), growth.gradients,
                      {partition_.ids() + child->begin, child->rows()});
  }
}

// The children's histograms and best splits, once their sums are there.
void TreeGrower::FillHistograms(Growth& growth, Leaf& leaf) {
  Leaf* built = nullptr;
  Leaf* by_subtraction = nullptr;
  {
    const Timer timer(times_.histogram_ns);
    for (Leaf* child : {leaf.left.get(), leaf.right.get()}) {
      if (child->to_build >= 0) {
        built = child;
        child->histogram = histograms_.Take(static_cast<size_t>(child->to_build));
      } else if (MaySplit(*child)) {
        by_subtraction = child;
      }
    }
    if (by_subtraction != nullptr) {
      Subtract(context_, leaf.histogram, built->histogram);
      by_subtraction->histogram = std::move(leaf.histogram);
    }
  }
  histograms_.Recycle(std::exchange(leaf.histogram, Histogram()));
  for (Leaf* child : {leaf.left.get(), leaf.right.get()})
    if (MaySplit(*child)) FindScore(growth, *child);
}

void TreeGrower::Expand(Growth& growth, std::span<Leaf* const> batch) {
  // Which histograms come from rows: the smaller child's, where the larger one's is had by
  // subtraction (H3), else those that are needed.
  std::vector<uint64_t> rows;
  std::vector<Leaf*> searched;
  for (Leaf* leaf : batch) {
    MakeChildren(growth, *leaf);
    const bool left_is_smaller = leaf->left->sums.count <= leaf->right->sums.count;
    Leaf& smaller = left_is_smaller ? *leaf->left : *leaf->right;
    Leaf& larger = left_is_smaller ? *leaf->right : *leaf->left;
    const bool subtracts = MaySplit(larger) && !leaf->histogram.empty();
    for (Leaf* child : {&smaller, &larger}) {
      if (MaySplit(*child)) searched.push_back(child);
      if (child == &smaller ? !subtracts && !MaySplit(smaller) : subtracts || !MaySplit(larger))
        continue;
      child->to_build = static_cast<int32_t>(rows.size());
      rows.push_back(child->sums.count);
    }
  }
  histograms_.Begin(growth.gradients.format, rows);
  const bool alone = NumMembers(context_) == 1;
  ParallelFor(0, batch.size(), 1, [&](size_t i, size_t) {
    DivideRows(growth, *batch[i]);
    if (alone) FillHistograms(growth, *batch[i]);
  });
  if (!alone) {
    const Timer timer(times_.exchange_ns);
    histograms_.Exchange();
  }
  if (!alone)
    ParallelFor(0, batch.size(), 1, [&](size_t i, size_t) { FillHistograms(growth, *batch[i]); });
  SettleSplits(growth, searched);
  for (Leaf* leaf : batch)
    for (Leaf* child : {leaf->left.get(), leaf->right.get()})
      if (!child->split.found() || histograms_.bytes_in_use() > context_.histogram_budget_bytes)
        histograms_.Recycle(std::exchange(child->histogram, Histogram()));
}

// Leaves that may be expanded, in the order in which they would be accepted as far as that is
// known: the open ones; among members, who pay for every batch with a wait for all of them, their
// descendants too, each after its ancestors. `expanded`: how many splits are known but not
// accepted.
std::vector<TreeGrower::Leaf*> TreeGrower::Frontier(const Growth& growth, size_t& expanded) const {
  struct Candidate {
    double gain;  // the least on the way to it
    uint64_t path;
    Leaf* leaf;
  };
  std::vector<Candidate> candidates;
  const bool deep = NumMembers(context_) > 1;
  const auto visit = [&](const auto& self, Leaf& leaf, double gain) -> void {
    if (!leaf.split.found()) return;
    gain = std::min(gain, leaf.split.gain);
    if (!leaf.expanded()) {
      candidates.push_back({gain, leaf.path, &leaf});
      return;
    }
    ++expanded;
    if (!deep) return;
    self(self, *leaf.left, gain);
    self(self, *leaf.right, gain);
  };
  for (const auto& leaf : growth.open) visit(visit, *leaf, leaf->split.gain);
  if (deep)
    std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
      return a.gain != b.gain ? a.gain > b.gain : a.path < b.path;
    });
  std::vector<Leaf*> frontier;
  for (const Candidate& candidate : candidates) frontier.push_back(candidate.leaf);
  return frontier;
}

std::vector<TreeGrower::Leaf*> TreeGrower::ChooseBatch(const Growth& growth) const {
  size_t expanded = 0;
  const std::vector<Leaf*> frontier = Frontier(growth, expanded);
  // Best first; the very best is always in. A leaf i places behind it is split if fewer than
  // (splits left - i) better ones turn up, so speculation stops at the number of splits left, or at
  // half of it where children may come in between.
  const size_t splits_left =
      std::max(parameters_.max_leaf_nodes - growth.num_leaves, expanded + 1) - expanded;
  const bool all_will_split = parameters_.max_depth != 0 && parameters_.max_depth < 48 &&
                              (size_t{1} << parameters_.max_depth) <= parameters_.max_leaf_nodes;
  // An expanded leaf holds one histogram more than before.
  const size_t held = histograms_.bytes_in_use();
  const size_t room =
      context_.histogram_budget_bytes - std::min(held, context_.histogram_budget_bytes);
  const size_t most =
      context_.speculate ? std::min(splits_left, room / histograms_.bytes_of_one() + 1) : 1;
  const bool alone = NumMembers(context_) == 1;
  const uint64_t enough = alone ? kRowsPerBatch : UINT64_MAX;
  const uint64_t cheap = alone ? 0 : kRowsWorthAWait * NumMembers(context_);
  std::vector<Leaf*> batch;
  uint64_t rows = 0;
  for (Leaf* leaf : frontier) {
    const bool doubtful = 2 * batch.size() >= splits_left + 1 && rows >= cheap;
    if (batch.size() >= most || (!all_will_split && (rows >= enough || doubtful))) break;
    batch.push_back(leaf);
    rows += leaf->sums.count;
  }
  return batch;
}

void TreeGrower::SetSplitNode(const Split& split, Node& node, Tree& tree) const {
  const FeatureBins& bins = mapper_.features[static_cast<size_t>(split.feature)];
  node.feature = split.feature;
  node.gain = split.gain;
  node.missing_left = split.missing_left;
  if (!split.categorical) {
    // After the last bin: all present values go left, missing ones right.
    const size_t threshold = static_cast<size_t>(split.last_left_bin) - 1;
    node.threshold = threshold < bins.thresholds.size() ? bins.thresholds[threshold]
                                                        : std::numeric_limits<double>::infinity();
    return;
  }
  CategorySet set;
  const size_t num_categories = bins.categories.size();
  set.bits.assign((num_categories + 63) / 64, 0);
  for (size_t i = 0; i < num_categories; ++i)
    if (split.left_bins.Contains(i + 1)) set.bits[i / 64] |= uint64_t{1} << (i % 64);
  set.others_left = bins.folded ? split.left_bins.Contains(num_categories + 1) : split.missing_left;
  node.category_set = static_cast<int32_t>(tree.category_sets.size());
  tree.category_sets.push_back(std::move(set));
}

void TreeGrower::AcceptBest(Growth& growth) {
  const std::unique_ptr<Leaf> leaf = std::move(growth.open.extract(growth.open.begin()).value());
  Tree& tree = growth.result.tree;
  SetSplitNode(leaf->split, tree.nodes[static_cast<size_t>(leaf->node)], tree);
  const int32_t first_child = static_cast<int32_t>(tree.nodes.size());
  tree.nodes[static_cast<size_t>(leaf->node)].left = first_child;
  growth.result.route[static_cast<size_t>(leaf->node)] = {leaf->split.feature, first_child,
                                                          leaf->split.left_bins};
  growth.result.route.resize(growth.result.route.size() + 2);
  ++growth.num_leaves;
  int32_t node = first_child;
  for (std::unique_ptr<Leaf>* child : {&leaf->left, &leaf->right}) {
    (*child)->node = node++;
    tree.nodes.push_back({});
    tree.nodes.back().count = (*child)->sums.count;
    if ((*child)->split.found())
      growth.open.insert(std::move(*child));
    else
      growth.result.leaves.push_back({(*child)->node, (*child)->begin, (*child)->end});
  }
}

GrownTree TreeGrower::Grow(const QuantisedGradients& gradients, uint64_t feature_key) {
  if (use_all_)
    partition_.ResetToAll(bins_.num_rows());
  else
    partition_.Reset(sample_);
  Growth growth{gradients, feature_key, {}, {}, 1};
  auto root = std::make_unique<Leaf>();
  MakeRoot(growth, *root);
  growth.result.tree.nodes.push_back({});
  growth.result.route.resize(1);
  growth.result.tree.nodes[0].count = root->sums.count;
  if (root->split.found())
    growth.open.insert(std::move(root));
  else
    growth.result.leaves.push_back({0, 0, partition_.size()});
  if (root != nullptr) histograms_.Recycle(std::exchange(root->histogram, Histogram()));

  while (!growth.open.empty() && growth.num_leaves < parameters_.max_leaf_nodes &&
         !context_.Cancelled()) {
    if (!(*growth.open.begin())->expanded()) {
      Expand(growth, ChooseBatch(growth));
      if (context_.Cancelled()) break;
    }
    AcceptBest(growth);
  }
  // What is still open stays a leaf; what was expanded in vain is dropped.
  const auto drop = [&](const auto& self, Leaf* unused) -> void {
    if (unused == nullptr) return;
    histograms_.Recycle(std::exchange(unused->histogram, Histogram()));
    self(self, unused->left.get());
    self(self, unused->right.get());
  };
  for (const auto& leaf : growth.open) {
    growth.result.leaves.push_back({leaf->node, leaf->begin, leaf->end});
    drop(drop, leaf.get());
  }
  std::sort(growth.result.leaves.begin(), growth.result.leaves.end(),
            [](const LeafRows& a, const LeafRows& b) { return a.node < b.node; });
  return std::move(growth.result);
}

}  // namespace ramet
