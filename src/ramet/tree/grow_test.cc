// R1–R3: trees equal those of a naive grower, whatever is expanded when, on whatever threads and in
// whatever memory.
#include "ramet/tree/grow.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <mutex>
#include <numeric>
#include <set>

#include "ramet/collective/members_testing.h"
#include "ramet/split/testing.h"
#include "ramet/tree/testing.h"

namespace ramet {
namespace {

using Random = std::mt19937_64;

void ExpectEqual(const Grown& got, const Grown& expected) {
  EXPECT_EQ(got.grown.tree, expected.grown.tree);
  EXPECT_EQ(got.row_ids, expected.row_ids);
  ASSERT_EQ(got.grown.route.size(), expected.grown.route.size());
  for (size_t i = 0; i < got.grown.route.size(); ++i) {
    ASSERT_EQ(got.grown.route[i].feature, expected.grown.route[i].feature);
    ASSERT_EQ(got.grown.route[i].left, expected.grown.route[i].left);
    ASSERT_EQ(got.grown.route[i].left_bins, expected.grown.route[i].left_bins);
  }
}

TEST(TreeGrower, GrowsTheSameTreeHoweverItIsDone) {
  for (uint64_t seed = 0; seed < 25; ++seed) {
    Random random(seed);
    const Problem p = MakeProblem(50 + random() % 3000, 1 + random() % 12, random);
    GrowParameters parameters = RandomParameters(random);
    if (random() % 3 == 0) parameters.max_features = 0.5;
    if (random() % 2 == 0) ConstrainAtRandom(p, random, parameters);
    std::vector<uint32_t> sample;
    for (uint32_t row = 0; row < p.num_rows; ++row)
      if (random() % 4 > 0) sample.push_back(row);
    const std::vector<uint32_t>* rows = random() % 2 == 0 ? &sample : nullptr;
    Context plain = ContextOf(1, Isa::kScalar);
    plain.speculate = false;
    const Grown expected = Grow(p, parameters, plain, rows);
    for (const bool speculate : {false, true}) {
      for (const size_t budget : {size_t{0}, size_t{200'000}, size_t{1} << 30}) {
        for (const int threads : {1, 2, 3, 8}) {
          SCOPED_TRACE(testing::Message() << "seed " << seed << " speculate " << speculate
                                          << " budget " << budget << " threads " << threads);
          Context context = ContextOf(threads);
          context.speculate = speculate;
          context.histogram_budget_bytes = budget;
          ExpectEqual(Grow(p, parameters, context, rows), expected);
        }
      }
    }
    for (const Isa isa : SupportedIsas()) {
      SCOPED_TRACE(testing::Message() << "seed " << seed << " " << IsaName(isa));
      ExpectEqual(Grow(p, parameters, ContextOf(2, isa), rows), expected);
    }
  }
}

// The rows of one member.
Problem PartOf(const Problem& p, const std::vector<uint32_t>& own) {
  const size_t features = p.mapper.features.size();
  Problem part{own.size(), p.mapper, BinnedMatrix(own.size(), features), {}, {}};
  part.quantised.format = p.quantised.format;
  part.quantised.words = Buffer<uint64_t>(2 * own.size());
  for (size_t i = 0; i < own.size(); ++i) {
    for (size_t f = 0; f < features; ++f)
      part.bins.mutable_column(f)[i] = part.bins.mutable_row(i)[f] = p.bins.column(f)[own[i]];
    for (size_t w = 0; w < 2; ++w)
      part.quantised.words[2 * i + w] = p.quantised.words[2 * own[i] + w];
  }
  return part;
}

TEST(TreeGrower, GrowsTheSameTreeWhoeverHoldsTheRows) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const Problem p = MakeProblem(50 + random() % 3000, 1 + random() % 12, random);
    GrowParameters parameters = RandomParameters(random);
    if (random() % 3 == 0) parameters.max_features = 0.5;
    if (random() % 2 == 0) ConstrainAtRandom(p, random, parameters);
    std::vector<bool> sampled(p.num_rows, true);
    const bool samples = random() % 2 == 0;
    std::vector<uint32_t> sample;
    for (uint32_t row = 0; row < p.num_rows; ++row) {
      if (samples) sampled[row] = random() % 4 > 0;
      if (sampled[row]) sample.push_back(row);
    }
    const Grown expected = Grow(p, parameters, ContextOf(1), samples ? &sample : nullptr);
    const size_t members = 2 + random() % 4;
    const auto dealt = DealRows(p.num_rows, members, random);
    Context like = ContextOf(1 + static_cast<int>(random() % 2));
    like.speculate = random() % 4 > 0;
    like.histogram_budget_bytes = random() % 3 == 0 ? random() % 400'000 : size_t{1} << 30;
    std::vector<std::vector<uint32_t>> rows_of_leaf(expected.grown.leaves.size());
    std::mutex mutex;
    RunMembers(members, like, [&](const Context& context, size_t rank) {
      const Problem part = PartOf(p, dealt[rank]);
      std::vector<uint32_t> own_sample;
      for (uint32_t i = 0; i < dealt[rank].size(); ++i)
        if (sampled[dealt[rank][i]]) own_sample.push_back(i);
      const Grown got = Grow(part, parameters, context, samples ? &own_sample : nullptr);
      ASSERT_TRUE(context.collective->status().ok());
      ASSERT_EQ(got.grown.tree, expected.grown.tree);
      ASSERT_EQ(got.grown.leaves.size(), expected.grown.leaves.size());
      const std::lock_guard lock(mutex);
      for (size_t leaf = 0; leaf < rows_of_leaf.size(); ++leaf) {
        ASSERT_EQ(got.grown.leaves[leaf].node, expected.grown.leaves[leaf].node);
        for (size_t i = got.grown.leaves[leaf].begin; i < got.grown.leaves[leaf].end; ++i)
          rows_of_leaf[leaf].push_back(dealt[rank][got.row_ids[i]]);
      }
    });
    for (size_t leaf = 0; leaf < rows_of_leaf.size(); ++leaf) {
      std::sort(rows_of_leaf[leaf].begin(), rows_of_leaf[leaf].end());
      const LeafRows& rows = expected.grown.leaves[leaf];
      EXPECT_TRUE(std::equal(rows_of_leaf[leaf].begin(), rows_of_leaf[leaf].end(),
                             expected.row_ids.begin() + static_cast<std::ptrdiff_t>(rows.begin),
                             expected.row_ids.begin() + static_cast<std::ptrdiff_t>(rows.end)));
    }
  }
}

size_t DepthOf(const Tree& tree) {
  std::vector<size_t> depth(tree.nodes.size(), 0);
  size_t deepest = 0;
  for (size_t i = 0; i < tree.nodes.size(); ++i) {
    deepest = std::max(deepest, depth[i]);
    if (tree.nodes[i].is_leaf()) continue;
    depth[tree.nodes[i].left] = depth[tree.nodes[i].left + 1] = depth[i] + 1;
  }
  return deepest;
}

TEST(TreeGrower, KeepsItsLimitsAndItsBooks) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const Problem p = MakeProblem(30 + random() % 2000, 1 + random() % 8, random);
    const GrowParameters parameters = RandomParameters(random);
    const Grown result = Grow(p, parameters, ContextOf(2));
    const Tree& tree = result.grown.tree;
    const std::vector<LeafRows>& leaves = result.grown.leaves;
    EXPECT_LE(leaves.size(), parameters.max_leaf_nodes);
    EXPECT_EQ(tree.nodes.size(), 2 * leaves.size() - 1);
    EXPECT_EQ(result.grown.route.size(), tree.nodes.size());
    if (parameters.max_depth > 0) {
      EXPECT_LE(DepthOf(tree), parameters.max_depth);
    }
    EXPECT_EQ(tree.nodes[0].count, p.num_rows);

    // Leaves' ranges part the rows; every row is routed to its own.
    size_t covered = 0;
    std::vector<uint32_t> seen = result.row_ids;
    std::sort(seen.begin(), seen.end());
    for (uint32_t row = 0; row < p.num_rows; ++row) ASSERT_EQ(seen[row], row);
    for (const LeafRows& leaf : leaves) {
      covered += leaf.end - leaf.begin;
      const Node& node = tree.nodes[static_cast<size_t>(leaf.node)];
      ASSERT_TRUE(node.is_leaf());
      ASSERT_EQ(node.count, leaf.end - leaf.begin);
      ASSERT_TRUE(leaves.size() == 1 || node.count >= parameters.split.min_samples_leaf);
      for (size_t i = leaf.begin; i < leaf.end; ++i)
        ASSERT_EQ(RouteRow(result.grown.route, p.bins.row(result.row_ids[i])), leaf.node);
    }
    EXPECT_EQ(covered, p.num_rows);
    // Children are adjacent, after their parent, and share its rows.
    for (size_t i = 0; i < tree.nodes.size(); ++i) {
      if (tree.nodes[i].is_leaf()) continue;
      const size_t left = static_cast<size_t>(tree.nodes[i].left);
      ASSERT_GT(left, i);
      ASSERT_EQ(tree.nodes[left].count + tree.nodes[left + 1].count, tree.nodes[i].count);
    }
  }
}

// A leaf of the naive grower: its rows, and the best split of them.
struct NaiveLeaf {
  size_t node, depth;
  std::vector<uint32_t> rows;
  std::vector<uint32_t> above;  // features of the splits above it
  double lower, upper;
  TestNode test;
  Split split;
};

// Features that share a group with all those above.
std::vector<uint32_t> AllowedBelow(const GrowParameters& parameters, size_t num_features,
                                   const std::vector<uint32_t>& above) {
  std::vector<uint32_t> allowed;
  for (uint32_t f = 0; f < num_features; ++f) {
    std::set<uint32_t> path(above.begin(), above.end());
    path.insert(f);
    bool ok = parameters.interactions.groups.empty();
    for (const auto& group : parameters.interactions.groups)
      ok |= std::all_of(path.begin(), path.end(), [&](uint32_t g) {
        return std::find(group.begin(), group.end(), g) != group.end();
      });
    const size_t most = parameters.interactions.max_path_features;
    if (ok && (most == 0 || path.size() <= most)) allowed.push_back(f);
  }
  return allowed;
}

NaiveLeaf MakeLeaf(const Problem& p, const GrowParameters& parameters, size_t node, size_t depth,
                   std::vector<uint32_t> rows, std::vector<uint32_t> above, double lower,
                   double upper) {
  NaiveLeaf leaf{node, depth, std::move(rows), std::move(above), lower, upper, {}, {}};
  TestNode& test = leaf.test;
  test.mapper = p.mapper;
  test.directions = parameters.monotonic;
  test.lower = lower;
  test.upper = upper;
  test.format = p.quantised.format;
  test.parameters = parameters.split;
  const HistogramLayout layout = test.layout();
  test.histogram = Histogram(layout.num_cells());
  std::fill_n(test.histogram.gradients(), layout.num_cells(), 0);
  std::fill_n(test.histogram.hessians(), layout.num_cells(), 0);
  std::fill_n(test.histogram.counts(), layout.num_cells(), 0);
  for (const uint32_t row : leaf.rows) {
    test.sums = test.sums + p.rows[row];
    for (size_t f = 0; f < p.mapper.features.size(); ++f) {
      const size_t cell = layout.begin(f) + p.bins.row(row)[f];
      test.histogram.gradients()[cell] += p.rows[row].gradient;
      test.histogram.hessians()[cell] += p.rows[row].hessian;
      test.histogram.counts()[cell] += 1;
    }
  }
  if (parameters.max_depth == 0 || depth < parameters.max_depth)
    leaf.split =
        NaiveSearch(test).Search(AllowedBelow(parameters, p.mapper.features.size(), leaf.above));
  return leaf;
}

// The leaves below an accepted split.
std::pair<NaiveLeaf, NaiveLeaf> SplitLeaf(const Problem& p, const GrowParameters& parameters,
                                          const NaiveLeaf& leaf, size_t first_child) {
  const size_t feature = static_cast<size_t>(leaf.split.feature);
  std::vector<uint32_t> left, right;
  for (const uint32_t row : leaf.rows)
    (leaf.split.left_bins.Contains(p.bins.row(row)[feature]) ? left : right).push_back(row);
  std::vector<uint32_t> above = leaf.above;
  above.push_back(static_cast<uint32_t>(feature));
  const auto value = [&](const NodeSums& sums) {
    const double g = static_cast<double>(sums.gradient) * leaf.test.format.gradient_step();
    const double h = static_cast<double>(sums.hessian) * leaf.test.format.hessian_step();
    return std::clamp(-g / (h + parameters.split.l2_regularization), leaf.lower, leaf.upper);
  };
  const double middle = (value(leaf.split.left) + value(leaf.test.sums - leaf.split.left)) / 2;
  const int direction = parameters.monotonic.empty() ? 0 : parameters.monotonic[feature];
  return {MakeLeaf(p, parameters, first_child, leaf.depth + 1, left, above,
                   direction < 0 ? middle : leaf.lower, direction > 0 ? middle : leaf.upper),
          MakeLeaf(p, parameters, first_child + 1, leaf.depth + 1, right, above,
                   direction > 0 ? middle : leaf.lower, direction < 0 ? middle : leaf.upper)};
}

TEST(TreeGrower, EqualsANaiveBestFirstGrower) {
  size_t compared = 0;
  for (uint64_t seed = 0; seed < 120; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const Problem p = MakeProblem(30 + random() % 400, 1 + random() % 5, random);
    GrowParameters parameters = RandomParameters(random);
    if (seed % 2 == 1) ConstrainAtRandom(p, random, parameters);
    const GrownTree grown = Grow(p, parameters, ContextOf(2)).grown;

    std::vector<uint32_t> all(p.num_rows);
    std::iota(all.begin(), all.end(), 0u);
    constexpr double kInf = std::numeric_limits<double>::infinity();
    std::vector<NaiveLeaf> open;
    open.push_back(MakeLeaf(p, parameters, 0, 0, all, {}, -kInf, kInf));
    size_t nodes = 1;
    bool tie = false;
    while ((nodes + 1) / 2 < parameters.max_leaf_nodes) {
      const auto gain = [](const NaiveLeaf& a, const NaiveLeaf& b) {
        return a.split.gain < b.split.gain;
      };
      const auto best = std::max_element(open.begin(), open.end(), gain);
      if (best == open.end() || !best->split.found()) break;
      tie |= std::count_if(open.begin(), open.end(), [&](const NaiveLeaf& leaf) {
               return leaf.split.gain == best->split.gain;
             }) > 1;
      const NaiveLeaf leaf = std::move(*best);
      open.erase(best);
      if (tie) break;  // which of equal leaves comes first is the hash's choice
      ASSERT_LT(leaf.node, grown.tree.nodes.size());
      const Node& node = grown.tree.nodes[leaf.node];
      ASSERT_EQ(node.feature, leaf.split.feature);
      ASSERT_EQ(node.gain, leaf.split.gain);
      ASSERT_EQ(node.missing_left, leaf.split.missing_left);
      ASSERT_EQ(static_cast<size_t>(node.left), nodes);
      ASSERT_EQ(grown.route[leaf.node].left_bins, leaf.split.left_bins);
      auto [left, right] = SplitLeaf(p, parameters, leaf, nodes);
      open.push_back(std::move(left));
      open.push_back(std::move(right));
      nodes += 2;
    }
    if (tie) continue;
    ASSERT_EQ(grown.tree.nodes.size(), nodes);
    ++compared;
  }
  EXPECT_GT(compared, 100u);
}

TEST(TreeGrower, ModelSplitsSayWhatTheBinsSay) {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const Problem p = MakeProblem(500, 4, random);
    const GrownTree grown = Grow(p, RandomParameters(random), ContextOf(1)).grown;
    for (size_t i = 0; i < grown.tree.nodes.size(); ++i) {
      const Node& node = grown.tree.nodes[i];
      if (node.is_leaf()) continue;
      const FeatureBins& bins = p.mapper.features[static_cast<size_t>(node.feature)];
      const BinSet& left = grown.route[i].left_bins;
      ASSERT_EQ(left.Contains(0), node.missing_left);
      for (size_t bin = 1; bin < static_cast<size_t>(bins.num_bins()); ++bin) {
        bool goes_left = false;
        if (bins.kind == FeatureKind::kNumeric) {
          // Any value of the bin: here, its upper border.
          const double value = bin - 1 < bins.thresholds.size()
                                   ? bins.thresholds[bin - 1]
                                   : std::numeric_limits<double>::infinity();
          goes_left = value <= node.threshold;
        } else {
          const CategorySet& set = grown.tree.category_sets[static_cast<size_t>(node.category_set)];
          goes_left = bin - 1 < bins.categories.size() ? set.Contains(bin - 1) : set.others_left;
        }
        ASSERT_EQ(left.Contains(bin), goes_left) << "node " << i << " bin " << bin;
      }
    }
  }
}

TEST(TreeGrower, ATreeMayBeItsRootAlone) {
  Random random(7);
  const Problem p = MakeProblem(100, 3, random);
  GrowParameters parameters;
  parameters.split.min_samples_leaf = 51;
  const std::vector<uint32_t> none;
  for (const std::vector<uint32_t>* rows :
       {static_cast<const std::vector<uint32_t>*>(nullptr), &none}) {
    const Grown result = Grow(p, parameters, ContextOf(1), rows);
    EXPECT_EQ(result.grown.tree.nodes.size(), 1u);
    ASSERT_EQ(result.grown.leaves.size(), 1u);
    EXPECT_EQ(result.grown.leaves[0].end, rows == nullptr ? 100u : 0u);
  }
}

}  // namespace
}  // namespace ramet
