// Which rows take part: by hash, the same on any number of threads, about as many as asked for.
#include "ramet/boost/rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "ramet/boost/watch.h"
#include "ramet/parallel/parallel.h"

namespace ramet {
namespace {

using Rows = std::vector<uint32_t>;

TrainParameters ParametersOf(double validation_fraction, int64_t random_state) {
  TrainParameters parameters;
  parameters.validation_fraction = validation_fraction;
  parameters.random_state = random_state;
  return parameters;
}

template <class F>
auto OnThreads(int threads, const F& f) {
  Context context;
  context.threads = threads;
  decltype(f()) result;
  RunOnThreads(context, [&] { result = f(); });
  return result;
}

// Within five standard deviations of n draws of probability p.
void ExpectShare(size_t count, size_t n, double p) {
  EXPECT_NEAR(static_cast<double>(count), p * static_cast<double>(n),
              5 * std::sqrt(p * (1 - p) * static_cast<double>(n)) + 1);
}

constexpr size_t kRows = 200'000;
const RowIds kIds(kRows);

Rows Sampled(double subsample, uint64_t seed, uint64_t round, const RowSelection& candidates = {}) {
  return SampleRound(kIds, candidates, subsample, seed, round).rows;
}

TEST(SampleRound, TakesTheShareOfRowsThatItIsAskedFor) {
  for (const double subsample : {1e-3, 0.3, 0.5, 0.9, 1.0}) {
    SCOPED_TRACE(subsample);
    const Rows rows = Sampled(subsample, 1, 2);
    ExpectShare(rows.size(), kRows, subsample);
    EXPECT_TRUE(std::is_sorted(rows.begin(), rows.end()));
    for (const int threads : {2, 8})
      EXPECT_EQ(OnThreads(threads, [&] { return Sampled(subsample, 1, 2); }), rows);
  }
}

TEST(SampleRound, DecidesEachRowAlone) {
  const Rows all = Sampled(0.4, 5, 6);
  // Of fewer rows, and of some rows only: the same decisions.
  Rows first_part;
  std::copy_if(all.begin(), all.end(), std::back_inserter(first_part),
               [](uint32_t row) { return row < 1000; });
  EXPECT_EQ(SampleRound(RowIds(1000), {}, 0.4, 5, 6).rows, first_part);
  std::mt19937_64 random(1);
  Rows candidates, expected;
  for (uint32_t row = 0; row < kRows; ++row)
    if (random() % 3 == 0) candidates.push_back(row);
  std::set_intersection(all.begin(), all.end(), candidates.begin(), candidates.end(),
                        std::back_inserter(expected));
  EXPECT_EQ(Sampled(0.4, 5, 6, {false, candidates}), expected);
}

TEST(SampleRound, RoundsAndSeedsAreIndependent) {
  const Rows a = Sampled(0.5, 1, 1);
  for (const Rows& b : {Sampled(0.5, 1, 2), Sampled(0.5, 2, 1)}) {
    Rows both;
    std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
    ExpectShare(both.size(), kRows, 0.25);
  }
}

TEST(HoldOut, PartsRowsInTwo) {
  std::mt19937_64 random(3);
  std::vector<float> weights;
  for (size_t i = 0; i < kRows; ++i) weights.push_back(static_cast<float>(random() % 3));
  for (const double fraction : {0.01, 0.1, 0.7}) {
    SCOPED_TRACE(fraction);
    const HoldOut hold_out(ParametersOf(fraction, 9), true);
    const Rows held = HeldOutRows(kIds, hold_out).rows;
    const Rows trained = TrainingRows(kIds, {}, hold_out).rows;
    ExpectShare(held.size(), kRows, fraction);
    EXPECT_EQ(held.size() + trained.size(), kRows);
    for (const uint32_t row : held) ASSERT_TRUE(hold_out.Contains(row));
    for (const uint32_t row : trained) ASSERT_FALSE(hold_out.Contains(row));
    EXPECT_EQ(OnThreads(3, [&] { return TrainingRows(kIds, {}, hold_out).rows; }), trained);
    Rows weighted;
    std::copy_if(trained.begin(), trained.end(), std::back_inserter(weighted),
                 [&](uint32_t row) { return weights[row] != 0; });
    EXPECT_EQ(TrainingRows(kIds, weights, hold_out).rows, weighted);
  }
  EXPECT_NE(HeldOutRows(kIds, HoldOut(ParametersOf(0.1, 1), true)),
            HeldOutRows(kIds, HoldOut(ParametersOf(0.1, 2), true)));
}

TEST(HoldOut, DisabledHoldsNothingOut) {
  const HoldOut hold_out(ParametersOf(0.5, 1), false);
  EXPECT_EQ(HeldOutRows(kIds, hold_out), (RowSelection{false, {}}));
  EXPECT_TRUE(TrainingRows(kIds, {}, hold_out).all);
  const std::vector<float> weights = {1, 0, 2};
  EXPECT_EQ(TrainingRows(RowIds(3), weights, hold_out), (RowSelection{false, {0, 2}}));
  EXPECT_TRUE(TrainingRows(RowIds(3), std::vector<float>{1, 3, 2}, hold_out).all);
  EXPECT_EQ(TrainingRows(RowIds(3), std::vector<float>{0, 0, 0}, hold_out),
            (RowSelection{false, {}}));
}

TEST(MeasuredRows, AreAllUpToAMostAndAboutThatManyAbove) {
  const Context context;
  const size_t most = kMostMeasuredRows;
  const auto measured = [&](size_t num_rows, const RowSelection& rows) {
    return MeasuredRows(context, RowIds(num_rows), rows);
  };
  EXPECT_TRUE(measured(most, {}).all);
  EXPECT_EQ(measured(3 * most, {false, {7, 9}}), (RowSelection{false, {7, 9}}));
  const Rows sample = measured(5 * most, {}).rows;
  EXPECT_TRUE(std::is_sorted(sample.begin(), sample.end()));
  EXPECT_NEAR(static_cast<double>(sample.size()), static_cast<double>(most), 5 * std::sqrt(most));
  RowSelection odd{false, Rows(2 * most)};
  for (size_t i = 0; i < odd.rows.size(); ++i) odd.rows[i] = static_cast<uint32_t>(2 * i + 1);
  const Rows of_odd = measured(5 * most, odd).rows;
  EXPECT_NEAR(static_cast<double>(of_odd.size()), static_cast<double>(most), 5 * std::sqrt(most));
  for (const uint32_t row : of_odd) ASSERT_EQ(row % 2, 1u);
}

// Rounds until a stop is called for, and the best one; values[0] is before the first round.
std::pair<size_t, size_t> StopOf(bool higher_is_better, double tol, size_t patience,
                                 const std::vector<double>& values) {
  Curve curve;
  curve.higher_is_better = higher_is_better;
  for (const double value : values) {
    curve.values.push_back(value);
    if (ShouldStop(curve, tol, patience)) break;
  }
  return {curve.values.size() - 1, BestRound(curve)};
}

TEST(EarlyStopping, StopsWhenNoneOfTheLastRoundsImproves) {
  using Pair = std::pair<size_t, size_t>;
  EXPECT_EQ(StopOf(false, 0, 2, {3, 2, 1, 1, 1, 0}), (Pair{4, 2}));  // equal is no improvement
  EXPECT_EQ(StopOf(false, 0, 3, {3, 2, 1, 1, 1, 0}), (Pair{5, 5}));
  EXPECT_EQ(StopOf(false, 0, 1, {1, 2}), (Pair{1, 1}));
  EXPECT_EQ(StopOf(true, 0, 2, {0.5, 0.6, 0.7, 0.6, 0.65, 0.9}), (Pair{4, 2}));
  EXPECT_EQ(StopOf(true, 0, 10, {0.5, 0.6, 0.7}), (Pair{2, 2}));
}

TEST(EarlyStopping, SmallChangesAddUpOverTheLastRounds) {
  using Pair = std::pair<size_t, size_t>;
  EXPECT_EQ(StopOf(false, 1, 3, {10, 9.5, 9, 8.5, 8, 7.5, 7}), (Pair{6, 6}));
  EXPECT_EQ(StopOf(false, 1, 2, {10, 9.5, 9, 8.5}), (Pair{2, 2}));  // by exactly tol
}

TEST(EarlyStopping, ANumberIsBetterThanNone) {
  using Pair = std::pair<size_t, size_t>;
  const double nan = std::nan("");
  EXPECT_EQ(StopOf(true, 0, 3, {nan, 0.5, nan, nan, nan}), (Pair{4, 1}));
}

}  // namespace
}  // namespace ramet
