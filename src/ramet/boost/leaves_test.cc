// Leaves' rows and exact sums: against naive ones, on any number of threads.
#include "ramet/boost/leaves.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "ramet/parallel/parallel.h"

namespace ramet {
namespace {

using Random = std::mt19937_64;
__extension__ typedef __float128 Quad;

Context OnThreads(int threads) {
  Context context;
  context.threads = threads;
  return context;
}

TEST(SumLeaves, AreExactToTheAddendsRounding) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const size_t num_rows = 1 + random() % 100'000,
                 num_leaves = 1 + random() % (seed % 4 == 0 ? 3 : 300);
    const float scale = std::ldexp(1.0f, static_cast<int>(random() % 240) - 120);
    std::uniform_real_distribution<float> uniform(-1, 1);
    std::vector<GradientHessian> gradients(num_rows);
    std::vector<LeafIndex> leaves(num_rows);
    GradientRange range;
    std::vector<Quad> g_sums(num_leaves, 0), h_sums(num_leaves, 0);
    for (size_t i = 0; i < num_rows; ++i) {
      // Large ones that cancel, and small ones that must not be lost.
      gradients[i] = {uniform(random) * scale * (random() % 2 == 0 ? 1.0f : 0x1p-20f),
                      std::fabs(uniform(random)) * scale};
      if (seed % 5 == 0) gradients[i] = {i % 2 == 0 ? scale : -scale, scale};
      leaves[i] = random() % 10 == 0 ? kNoLeaf : static_cast<LeafIndex>(random() % num_leaves);
      range.max_gradient = std::max(range.max_gradient, std::fabs(gradients[i].gradient));
      range.max_hessian = std::max(range.max_hessian, gradients[i].hessian);
      if (leaves[i] == kNoLeaf) continue;
      g_sums[leaves[i]] += gradients[i].gradient;
      h_sums[leaves[i]] += gradients[i].hessian;
    }
    const std::vector<LeafSums> expected = SumLeaves(Context(), num_leaves, leaves, gradients, range);
    ASSERT_EQ(expected.size(), num_leaves);
    for (size_t leaf = 0; leaf < num_leaves; ++leaf) {
      // Half a step of 2^-45 of the largest an addend, and one rounding of the sum.
      const double steps = static_cast<double>(num_rows) * 0x1p-46;
      const double g = static_cast<double>(g_sums[leaf]), h = static_cast<double>(h_sums[leaf]);
      ASSERT_LE(std::fabs(expected[leaf].gradient - g),
                steps * range.max_gradient + std::fabs(g) * 0x1p-52);
      ASSERT_LE(std::fabs(expected[leaf].hessian - h),
                steps * range.max_hessian + std::fabs(h) * 0x1p-52);
    }
    for (const int threads : {2, 8}) {
      RunOnThreads(OnThreads(threads), [&] {
        const std::vector<LeafSums> got = SumLeaves(Context(), num_leaves, leaves, gradients, range);
        for (size_t leaf = 0; leaf < num_leaves; ++leaf) {
          ASSERT_EQ(got[leaf].gradient, expected[leaf].gradient);
          ASSERT_EQ(got[leaf].hessian, expected[leaf].hessian);
        }
      });
    }
  }
}

TEST(NewtonSteps, AreMinusGradientByHessianAndZeroWhereThatIsUndefined) {
  const std::vector<LeafSums> sums = {{6, 2}, {-6, 1}, {5, 0}, {0, 0}};
  EXPECT_EQ(NewtonSteps(sums, 0), (std::vector<double>{-3, 6, 0, 0}));
  EXPECT_EQ(NewtonSteps(sums, 1), (std::vector<double>{-2, 3, -5, 0}));
}

TEST(SumLeaves, OfNothingButZeros) {
  const std::vector<GradientHessian> zeros(10, {0, 0});
  const std::vector<LeafIndex> leaves(10, 0);
  const std::vector<LeafSums> sums = SumLeaves(Context(), 2, leaves, zeros, GradientRange());
  ASSERT_EQ(sums.size(), 2u);
  for (const LeafSums& leaf : sums) {
    EXPECT_EQ(leaf.gradient, 0);
    EXPECT_EQ(leaf.hessian, 0);
  }
}

// Root: feature 0, bins 1 and 2 left; its right child: feature 1, the missing bin left. Leaves are
// nodes 1, 3 and 4.
GrownTree ThreeLeaves() {
  GrownTree grown;
  grown.route.resize(5);
  grown.route[0] = {0, 1, {}};
  grown.route[0].left_bins.Insert(1);
  grown.route[0].left_bins.Insert(2);
  grown.route[2] = {1, 3, {}};
  grown.route[2].left_bins.Insert(0);
  return grown;
}

TEST(Leaves, OfUsedRowsComeFromThePartitionAndOfOthersFromTheRoute) {
  Random random(1);
  constexpr size_t kRows = 70'000;
  BinnedMatrix bins(kRows, 2);
  std::vector<LeafIndex> expected;
  std::vector<std::vector<uint32_t>> used(3);
  for (uint32_t row = 0; row < kRows; ++row) {
    for (size_t f = 0; f < 2; ++f) bins.mutable_row(row)[f] = static_cast<uint8_t>(random() % 4);
    const uint8_t first = bins.row(row)[0], second = bins.row(row)[1];
    expected.push_back(first == 1 || first == 2 ? 0 : second == 0 ? 1 : 2);
    if (random() % 2 == 0) used[expected.back()].push_back(row);
  }
  GrownTree grown = ThreeLeaves();
  std::vector<uint32_t> ids;
  const int32_t nodes[] = {1, 3, 4};
  for (size_t leaf = 0; leaf < 3; ++leaf) {
    grown.leaves.push_back({nodes[leaf], ids.size(), ids.size() + used[leaf].size()});
    ids.insert(ids.end(), used[leaf].begin(), used[leaf].end());
  }
  RunOnThreads(OnThreads(2), [&] {
    std::vector<LeafIndex> leaves(kRows, 77);
    AssignLeaves(grown, ids.data(), /*all_rows=*/false, leaves);
    std::sort(ids.begin(), ids.end());
    for (uint32_t row = 0; row < kRows; ++row)
      ASSERT_EQ(leaves[row],
                std::binary_search(ids.begin(), ids.end(), row) ? expected[row] : kNoLeaf);
    RouteUnusedRows(grown, bins, leaves);
    ASSERT_EQ(leaves, expected);
  });
}

}  // namespace
}  // namespace ramet
