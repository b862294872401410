// Members with some of the rows each find the rows, quantiles, base scores and curves of one member
// with all rows, bit by bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <random>

#include "ramet/boost/base_score.h"
#include "ramet/boost/residuals.h"
#include "ramet/boost/rows.h"
#include "ramet/boost/watch.h"
#include "ramet/metric/testing.h"

namespace ramet {
namespace {

using Random = std::mt19937_64;
using Rows = std::vector<uint32_t>;

RowIds IdsOf(const Rows& rows, size_t total) {
  std::vector<RowIds::Run> runs;
  for (const uint32_t row : rows) {
    if (runs.empty() || runs.back().first + runs.back().count != row) runs.push_back({row, 0});
    ++runs.back().count;
  }
  return RowIds(runs, total);
}

// The part of a data set, without bins, that a member has.
Dataset PartOf(const Dataset& data, const Rows& rows) {
  Dataset part;
  part.num_rows = rows.size();
  part.ids = IdsOf(rows, data.num_rows);
  part.labels = Pick(data.labels, rows);
  part.weights = Pick(data.weights, rows);
  part.classes = data.classes;
  return part;
}

double RandomNumber(Random& random, int kind) {
  std::normal_distribution<double> normal;
  if (kind == 0) return static_cast<double>(random() % 3);
  if (kind == 1) return std::ldexp(normal(random), static_cast<int>(random() % 400) - 200);
  return normal(random);
}

Dataset RandomData(Random& random, size_t num_rows, size_t classes) {
  Dataset data;
  data.num_rows = num_rows;
  data.ids = RowIds(num_rows);
  for (size_t k = 0; k < classes; ++k) data.classes.emplace_back(static_cast<int64_t>(k));
  const int kind = static_cast<int>(random() % 3);
  const bool weighted = random() % 2, wide = random() % 2;
  for (size_t row = 0; row < num_rows; ++row) {
    data.labels.push_back(classes > 0 ? static_cast<double>(random() % classes)
                                      : std::fabs(RandomNumber(random, kind)));
    if (weighted)
      data.weights.push_back(static_cast<float>(random() % 3) *
                             std::exp2f(wide ? static_cast<float>(random() % 40) - 20 : 0));
  }
  return data;
}

size_t RandomCount(Random& random, size_t most) {
  return random() % std::array<size_t, 4>{3, 50, 3000, most}[random() % 4];
}

struct Same {
  bool operator()(double a, double b) const {
    return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b);
  }
  bool operator()(const std::vector<double>& a, const std::vector<double>& b) const {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), *this);
  }
};

struct Leaves {
  size_t count;
  double quantile;
  std::vector<LeafIndex> of_row;
  std::vector<double> scores;
};

// Some rows in no leaf, some leaves without rows.
Leaves RandomLeaves(Random& random, size_t num_rows) {
  Leaves leaves;
  leaves.count = 1 + random() % std::array<size_t, 3>{2, 40, 2000}[random() % 3];
  leaves.quantile = random() % 3 == 0 ? 0.5 : static_cast<double>(random() % 101) / 100;
  const bool used = random() % 2;
  const int kind = static_cast<int>(random() % 3);
  for (size_t row = 0; row < num_rows; ++row) {
    leaves.scores.push_back(RandomNumber(random, kind));
    const size_t leaf = (random() % leaves.count) * (random() % leaves.count) / leaves.count;
    leaves.of_row.push_back(used || random() % 4 ? static_cast<LeafIndex>(leaf) : kNoLeaf);
  }
  return leaves;
}

std::vector<double> QuantilesOf(const Context& context, const Dataset& data, const Leaves& leaves,
                                const Rows& rows) {
  const std::vector<double> labels = Pick(data.labels, rows), scores = Pick(leaves.scores, rows);
  const std::vector<float> weights = Pick(data.weights, rows);
  const std::vector<LeafIndex> of_row = Pick(leaves.of_row, rows);
  std::vector<double> values;
  RunOnThreads(context, [&] {
    values = ResidualQuantiles(context, leaves.quantile, labels, weights)
                 .OfLeaves(leaves.count, of_row, scores);
  });
  return values;
}

Rows AllRows(size_t num_rows) {
  Rows rows(num_rows);
  for (size_t row = 0; row < num_rows; ++row) rows[row] = static_cast<uint32_t>(row);
  return rows;
}

TEST(Members, FindTheQuantilesOfAllTheirRows) {
  for (uint64_t seed = 0; seed < 120; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const Dataset data = RandomData(random, RandomCount(random, 40'000), 0);
    const Leaves leaves = RandomLeaves(random, data.num_rows);
    Context like;
    like.threads = 1 + static_cast<int>(random() % 2);
    ExpectOfMembers(
        QuantilesOf({}, data, leaves, AllRows(data.num_rows)), data.num_rows, 1 + random() % 5,
        like, random,
        [&](const Context& context, const Rows& rows) {
          return QuantilesOf(context, data, leaves, rows);
        },
        Same());
  }
}

// More leaves of many rows than one exchange takes, and a leaf that needs several digits.
TEST(Members, FindTheQuantilesOfManyLargeLeaves) {
  for (const bool weighted : {false, true}) {
    Random random(weighted);
    Dataset data;
    Leaves leaves{weighted ? 3u : 530u, 0.35, {}, {}};
    data.num_rows = leaves.count * 4300;
    for (size_t row = 0; row < data.num_rows; ++row) {
      data.labels.push_back(std::bit_cast<double>(std::bit_cast<uint64_t>(1.0) +
                                                  random() % (weighted ? 20 : 1ull << 60)));
      if (weighted) data.weights.push_back(static_cast<float>(random() % 5));
      leaves.scores.push_back(0);
      leaves.of_row.push_back(static_cast<LeafIndex>(row % leaves.count));
    }
    ExpectOfMembers(
        QuantilesOf({}, data, leaves, AllRows(data.num_rows)), data.num_rows, 3, {}, random,
        [&](const Context& context, const Rows& rows) {
          return QuantilesOf(context, data, leaves, rows);
        },
        Same());
  }
}

// The median lies in the gap between two halves of the rows, the upper one's least value at one
// member only. The lower half is one value, or many near it.
TEST(Members, FindTheMiddleOfAGap) {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const size_t half = 3000;
    const bool tied = seed % 2;
    std::vector<double> labels = {1, 1e6};  // the two values nearest to the gap
    for (size_t i = 1; i < half; ++i) {
      labels.push_back(tied ? 1 : 1 - std::ldexp(static_cast<double>(i), -40));
      labels.push_back(1e6 + static_cast<double>(1 + random() % 100'000'000));
    }
    std::shuffle(labels.begin(), labels.end(), random);
    ExpectOfMembers((1 + 1e6) / 2, labels.size(), 2 + random() % 4, {}, random,
                    [&](const Context& context, const Rows& rows) {
                      const std::vector<double> own = Pick(labels, rows);
                      return ResidualQuantiles(context, 0.5, own, {}).OfLabels({});
                    },
                    Same());
  }
}

TEST(Members, BaseScoresAreThoseOfAllTheirRows) {
  for (const Loss* loss : AllLosses())
    for (uint64_t seed = 0; seed < 12; ++seed) {
      SCOPED_TRACE(testing::Message() << loss->name << ", seed " << seed);
      Random random(seed);
      const size_t classes = !loss->classification ? 0 : loss->num_outputs(2) == 1 ? 2 : 5;
      Dataset data = RandomData(random, 1 + RandomCount(random, 20'000), classes);
      if (!data.weights.empty()) data.weights[0] = 1;
      data.labels[0] = classes > 0 ? 1 : 0.5;
      TrainParameters parameters;
      parameters.validation_fraction = 0.4;
      const HoldOut hold_out(parameters, data.num_rows > 10 && random() % 2);
      const auto scores = [&](const Context& context, const Dataset& part) {
        return BaseScores(context, *loss, {0.7}, part,
                          TrainingRows(part.ids, part.weights, hold_out));
      };
      ExpectOfMembers(
          scores({}, data), data.num_rows, 1 + random() % 5, {}, random,
          [&](const Context& context, const Rows& rows) {
            return scores(context, PartOf(data, rows));
          },
          Same());
    }
}

// Which rows a member takes: those among its own that one member with all rows takes.
TEST(Members, TakeTheRowsThatOneMemberTakes) {
  for (uint64_t seed = 0; seed < 24; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const size_t num_rows = seed == 0 ? 3 * kMostMeasuredRows : RandomCount(random, 20'000);
    const Dataset data = RandomData(random, num_rows, 0);
    TrainParameters parameters;
    parameters.validation_fraction = 0.3;
    const HoldOut hold_out(parameters, random() % 2);
    const auto choices = [&](const Context& context, const Dataset& part) {
      const RowSelection training = TrainingRows(part.ids, part.weights, hold_out);
      std::array<Rows, 4> chosen;
      const std::array<RowSelection, 4> selections = {training, HeldOutRows(part.ids, hold_out),
                                                      SampleRound(part.ids, training, 0.6, 3, 7),
                                                      MeasuredRows(context, part.ids, training)};
      for (size_t i = 0; i < chosen.size(); ++i)
        for (size_t j = 0; j < selections[i].count(part.num_rows); ++j)
          chosen[i].push_back(static_cast<uint32_t>(part.ids[selections[i][j]]));
      return chosen;
    };
    const std::array<Rows, 4> expected = choices({}, data);
    ExpectOfMembers(
        true, num_rows, 1 + random() % 5, {}, random,
        [&](const Context& context, const Rows& rows) {
          const std::array<Rows, 4> chosen = choices(context, PartOf(data, rows));
          bool same = true;
          for (size_t i = 0; i < chosen.size(); ++i) {
            Rows own;
            std::set_intersection(rows.begin(), rows.end(), expected[i].begin(), expected[i].end(),
                                  std::back_inserter(own));
            same &= own == chosen[i];
          }
          return same;
        },
        std::equal_to<bool>());
  }
}

// Depends on the order of rows, so that it cannot be merged.
Measure OrderDependent() {
  return {"own", false,
          [](const Context&, const Evaluation& evaluation) -> Result<double> {
            double value = 1;
            for (size_t row = 0; row < evaluation.labels.size(); ++row) {
              const double weight = evaluation.weights.empty() ? 2 : evaluation.weights[row];
              value = value / 3 + evaluation.labels[row] * weight;
              for (size_t k = 0; k < evaluation.num_outputs; ++k)
                value = value / 3 + evaluation.raw_scores[row * evaluation.num_outputs + k];
            }
            return value;
          },
          /*whole=*/true};
}

Measure KnownMeasure(std::string_view name) {
  const Metric& metric = **FindMetric(name);
  return {std::string(name), metric.higher_is_better,
          [&metric](const Context& context, const Evaluation& evaluation) -> Result<double> {
            return metric.compute(context, evaluation);
          }};
}

// The curves of two rounds on all watches.
std::vector<double> CurvesOf(const Context& context, const Dataset& data, const HoldOut& hold_out,
                             size_t outputs, const std::vector<double>& row_scores) {
  const std::vector<Measure> metrics = {KnownMeasure("accuracy"), OrderDependent(),
                                        KnownMeasure("logloss"), OrderDependent()};
  const ScoreKind kind{*FindLoss(outputs == 1 ? "logistic" : "softmax"), {}, outputs};
  std::vector<Watch> watches =
      WatchesOn(context, data, DataRole::kTraining, "train", hold_out, {metrics, true}, kind);
  for (Watch& watch : WatchesOn(context, data, DataRole::kEvalSet, "other", hold_out, {}, kind))
    watches.push_back(std::move(watch));
  std::vector<double> values;
  for (const double round : {0.5, 2.0}) {
    std::vector<double> scores(outputs * data.num_rows);
    for (size_t row = 0; row < data.num_rows; ++row)
      for (size_t k = 0; k < outputs; ++k)
        scores[k * data.num_rows + row] = round * row_scores[row * outputs + k];
    for (Watch& watch : watches) {
      const Result<std::vector<double>> of_watch = watch.Compute(context, metrics, scores);
      if (!of_watch.ok()) return {};
      values.insert(values.end(), of_watch->begin(), of_watch->end());
    }
  }
  return values;
}

TEST(Members, WatchAllTheirRows) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const size_t outputs = random() % 2 ? 1 : 3;
    Dataset data = RandomData(random, 2 + RandomCount(random, 5000), std::max<size_t>(2, outputs));
    std::vector<double> scores;
    for (size_t i = 0; i < outputs * data.num_rows; ++i) scores.push_back(RandomNumber(random, 2));
    TrainParameters parameters;
    parameters.validation_fraction = 0.5;
    const HoldOut hold_out(parameters, random() % 2);
    const std::vector<double> expected = CurvesOf({}, data, hold_out, outputs, scores);
    EXPECT_EQ(expected.size(), (hold_out.enabled() ? 3u : 2u) * 4 * 2);
    ExpectOfMembers(
        expected, data.num_rows, 1 + random() % 5, {}, random,
        [&](const Context& context, const Rows& rows) {
          return CurvesOf(context, PartOf(data, rows), hold_out, outputs,
                          Pick(scores, rows, outputs));
        },
        [](const std::vector<double>& a, const std::vector<double>& b) {
          return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](double x, double y) {
            return Same()(x, y) || (std::isnan(x) && std::isnan(y));
          });
        });
  }
}

TEST(Members, AFailureEndsNoOneBadly) {
  for (uint64_t seed = 0; seed < 2; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    Dataset data = RandomData(random, 10'000, 3);
    Leaves leaves = RandomLeaves(random, data.num_rows);
    leaves.count = 2;
    for (LeafIndex& leaf : leaves.of_row) leaf = static_cast<LeafIndex>(random() % leaves.count);
    std::vector<double> scores;
    for (size_t i = 0; i < 3 * data.num_rows; ++i) scores.push_back(RandomNumber(random, 2));
    const HoldOut hold_out({}, true);
    const std::vector<Rows> dealt = DealRows(data.num_rows, 3, random);
    ExpectToSurviveFailures([&](const Context& context, size_t rank) {
      QuantilesOf(context, data, leaves, dealt[rank]);
      const Dataset part = PartOf(data, dealt[rank]);
      for (const char* loss : {"squared_error", "softmax", "quantile"})
        BaseScores(context, **FindLoss(loss), {0.2}, part,
                   TrainingRows(part.ids, part.weights, hold_out));
      CurvesOf(context, part, hold_out, 3, Pick(scores, dealt[rank], 3));
    });
  }
}

}  // namespace
}  // namespace ramet
