// R1–R3: trees equal those of a naive grower, whatever is expanded when, on whatever threads and in
// whatever memory.
#include "ramet/tree/grow.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "ramet/parallel/parallel.h"
#include "ramet/split/testing.h"

namespace ramet {
namespace {

using Random = std::mt19937_64;

// Rows of bins with gradients that depend on them.
struct Problem {
  size_t num_rows;
  BinMapper mapper;
  BinnedMatrix bins;
  std::vector<NodeSums> rows;  // of one row each
  QuantisedGradients quantised;
};

Problem MakeProblem(size_t num_rows, size_t num_features, Random& random) {
  Problem p{num_rows, {}, BinnedMatrix(num_rows, num_features), {}, {}};
  std::vector<int64_t> signal(num_rows, 0);
  for (size_t f = 0; f < num_features; ++f) {
    FeatureBins feature;
    const bool categorical = random() % 3 == 0;
    const size_t size = 1 + random() % (random() % 2 == 0 ? 8 : 250);
    if (categorical) {
      feature.kind = FeatureKind::kCategorical;
      for (size_t i = 0; i < size; ++i) feature.categories.emplace_back(static_cast<int64_t>(i));
      feature.folded = random() % 2 == 0;
    } else {
      feature.has_values = true;
      for (size_t i = 0; i < size; ++i) feature.thresholds.push_back(static_cast<double>(i));
    }
    p.mapper.features.push_back(feature);
    const size_t bins = static_cast<size_t>(feature.num_bins());
    const bool missing = random() % 2 == 0;
    const int64_t slope = static_cast<int64_t>(random() % 4000);
    for (size_t row = 0; row < num_rows; ++row) {
      const uint8_t bin =
          static_cast<uint8_t>(missing && random() % 6 == 0 ? 0 : 1 + random() % (bins - 1));
      p.bins.mutable_column(f)[row] = p.bins.mutable_row(row)[f] = bin;
      signal[row] += bin % 3 == 0 ? slope : -slope;
    }
  }
  p.quantised.format = {false, 10, 12};
  p.quantised.words = Buffer<uint64_t>(2 * num_rows);
  for (size_t row = 0; row < num_rows; ++row) {
    const int64_t g = signal[row] + static_cast<int64_t>(random() % 8001) - 4000;
    const uint64_t h = 1 + random() % 4096;
    p.rows.push_back({g, h, 1});
    p.quantised.words[2 * row] = static_cast<uint64_t>(g);
    p.quantised.words[2 * row + 1] = (uint64_t{1} << 48) + h;
  }
  return p;
}

GrowParameters RandomParameters(Random& random) {
  GrowParameters parameters;
  parameters.max_leaf_nodes = 2 + random() % 40;
  parameters.max_depth = random() % 3 == 0 ? 1 + random() % 6 : 0;
  parameters.split.min_samples_leaf = 1 + random() % 20;
  parameters.split.min_child_weight = random() % 2 == 0 ? 0 : 1e-3;
  parameters.split.l2_regularization = random() % 2 == 0 ? 0 : 1;
  return parameters;
}

struct Grown {
  GrownTree grown;
  std::vector<uint32_t> row_ids;  // of each leaf ascending
};

Grown Grow(const Problem& p, const GrowParameters& parameters, const Context& context,
           const std::vector<uint32_t>* rows = nullptr) {
  Grown result;
  RunOnThreads(context, [&] {
    TreeGrower grower(context, p.mapper, p.bins, parameters);
    if (rows != nullptr) grower.UseRows(*rows);
    result.grown = grower.Grow(p.quantised, 99);
    result.row_ids.assign(grower.row_ids(),
                          grower.row_ids() + (rows == nullptr ? p.num_rows : rows->size()));
  });
  for (const LeafRows& leaf : result.grown.leaves)
    std::sort(result.row_ids.begin() + leaf.begin, result.row_ids.begin() + leaf.end);
  return result;
}

Context ContextOf(int threads, Isa isa = SupportedIsas().back()) {
  Context context;
  context.threads = threads;
  context.isa = isa;
  return context;
}

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
  Split split;
};

NaiveLeaf MakeLeaf(const Problem& p, const GrowParameters& parameters, size_t node, size_t depth,
                   std::vector<uint32_t> rows) {
  NaiveLeaf leaf{node, depth, std::move(rows), {}};
  if (parameters.max_depth != 0 && depth >= parameters.max_depth) return leaf;
  TestNode test;
  test.mapper = p.mapper;
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
  leaf.split = NaiveSearch(test).Search({});
  return leaf;
}

TEST(TreeGrower, EqualsANaiveBestFirstGrower) {
  size_t compared = 0;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const Problem p = MakeProblem(30 + random() % 400, 1 + random() % 5, random);
    const GrowParameters parameters = RandomParameters(random);
    const GrownTree grown = Grow(p, parameters, ContextOf(2)).grown;

    std::vector<uint32_t> all(p.num_rows);
    std::iota(all.begin(), all.end(), 0u);
    std::vector<NaiveLeaf> open = {MakeLeaf(p, parameters, 0, 0, all)};
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
      const NaiveLeaf leaf = *best;
      open.erase(best);
      if (tie) break;  // which of equal leaves comes first is the hash's choice
      ASSERT_LT(leaf.node, grown.tree.nodes.size());
      const Node& node = grown.tree.nodes[leaf.node];
      ASSERT_EQ(node.feature, leaf.split.feature);
      ASSERT_EQ(node.gain, leaf.split.gain);
      ASSERT_EQ(node.missing_left, leaf.split.missing_left);
      ASSERT_EQ(static_cast<size_t>(node.left), nodes);
      ASSERT_EQ(grown.route[leaf.node].left_bins, leaf.split.left_bins);
      std::vector<uint32_t> left, right;
      for (const uint32_t row : leaf.rows) {
        const bool goes_left =
            leaf.split.left_bins.Contains(p.bins.row(row)[static_cast<size_t>(node.feature)]);
        (goes_left ? left : right).push_back(row);
      }
      open.push_back(MakeLeaf(p, parameters, nodes, leaf.depth + 1, left));
      open.push_back(MakeLeaf(p, parameters, nodes + 1, leaf.depth + 1, right));
      nodes += 2;
    }
    if (tie) continue;
    ASSERT_EQ(grown.tree.nodes.size(), nodes);
    ++compared;
  }
  EXPECT_GT(compared, 50u);
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

TEST(TreeGrower, ColumnSamplingDependsOnTheKeyAlone) {
  Random random(7);
  const Problem p = MakeProblem(1000, 12, random);
  GrowParameters parameters;
  parameters.max_features = 0.25;
  const Context context = ContextOf(1);
  TreeGrower grower(context, p.mapper, p.bins, parameters);
  const Tree first = grower.Grow(p.quantised, 1).tree, second = grower.Grow(p.quantised, 2).tree;
  EXPECT_NE(first, second);
  EXPECT_EQ(grower.Grow(p.quantised, 1).tree, first);
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
