// L1–L3: gradients are the same bits on every instruction set, and those of an oracle; ranges are
// exact.
#include "ramet/loss/loss.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <string>

namespace ramet {
namespace {

using Random = std::mt19937_64;
constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// Rows of one loss, with scores of all magnitudes.
struct Rows {
  const Loss* loss;
  LossParameters parameters;
  size_t num_rows, num_outputs;
  std::vector<double> scores, labels;
  std::vector<float> weights;

  LossBlock Block(std::vector<GradientHessian>& out, size_t begin, size_t count) const {
    out.resize(num_rows * num_outputs);
    LossBlock block{begin,         count,         num_rows, num_outputs,
                    scores.data(), labels.data(), nullptr,  out.data()};
    if (!weights.empty()) block.weights = weights.data();
    block.parameters = parameters;
    return block;
  }
};

// Within the loss's domain, of all magnitudes, zeros among them.
double RandomTarget(const Loss& loss, Random& random) {
  std::normal_distribution<double> normal;
  const double any = normal(random) * std::ldexp(1.0, static_cast<int>(random() % 14) - 4);
  if (loss.labels == LabelDomain::kPositive) return std::fabs(any) + 1e-3;
  if (random() % 8 == 0) return 0;
  return loss.labels == LabelDomain::kAny ? any : std::fabs(any);
}

Rows RandomRows(const Loss* loss, Random& random) {
  Rows rows;
  rows.loss = loss;
  rows.parameters.quantile = static_cast<double>(random() % 101) / 100;
  rows.num_rows = 1 + random() % 200;
  rows.num_outputs = loss->name == "softmax" ? 2 + random() % 6 : 1;
  const size_t classes = std::max<size_t>(2, rows.num_outputs);
  std::normal_distribution<double> normal;
  for (size_t i = 0; i < rows.num_rows * rows.num_outputs; ++i) {
    // exp of a log link's score is a float32 that weights may still multiply.
    const double scale =
        std::ldexp(1.0, static_cast<int>(random() % (loss->log_link ? 7 : 14)) - 4);
    rows.scores.push_back(random() % 20 == 0 ? 0 : normal(random) * scale);
  }
  for (size_t i = 0; i < rows.num_rows; ++i)
    rows.labels.push_back(loss->classification ? static_cast<double>(random() % classes)
                          : random() % 10 == 0 && loss->labels == LabelDomain::kAny
                              ? rows.scores[i]
                              : RandomTarget(*loss, random));
  if (random() % 2 == 0)
    for (size_t i = 0; i < rows.num_rows; ++i)
      rows.weights.push_back(random() % 3 == 0 ? 0
                                               : std::ldexp(static_cast<float>(random() % 100),
                                                            static_cast<int>(random() % 20) - 10));
  return rows;
}

struct LongGradient {
  long double gradient, hessian;
};

// By the formulas of the losses' files, in long double.
LongGradient Oracle(const Rows& rows, size_t row, size_t k) {
  LongGradient result{};
  const auto score = [&](size_t j) {
    return static_cast<long double>(rows.scores[j * rows.num_rows + row]);
  };
  const long double label = rows.labels[row], quantile = rows.parameters.quantile;
  if (rows.loss->name == "squared_error") {
    result = {score(0) - label, 1};
  } else if (rows.loss->name == "absolute_error") {
    result = {score(0) > label ? 1.0L : score(0) < label ? -1.0L : 0.0L, 1};
  } else if (rows.loss->name == "quantile") {
    result = {score(0) > label ? 1 - quantile : score(0) < label ? -quantile : 0, 1};
  } else if (rows.loss->name == "poisson") {
    result = {std::exp(score(0)) - label, std::exp(score(0))};
  } else if (rows.loss->name == "gamma") {
    result = {1 - label * std::exp(-score(0)), label * std::exp(-score(0))};
  } else if (rows.loss->name == "logistic") {
    const long double p = 1 / (1 + std::exp(-score(0)));
    result = {rows.labels[row] == 1 ? -1 / (1 + std::exp(score(0))) : p,
              p / (1 + std::exp(score(0)))};
  } else {
    long double total = 0, largest = score(0);
    for (size_t j = 0; j < rows.num_outputs; ++j) largest = std::max(largest, score(j));
    for (size_t j = 0; j < rows.num_outputs; ++j) total += std::exp(score(j) - largest);
    const long double p = std::exp(score(k) - largest) / total;
    result = {p - (rows.labels[row] == static_cast<double>(k) ? 1 : 0), p * (1 - p)};
  }
  const long double weight = rows.weights.empty() ? 1 : rows.weights[row];
  return {result.gradient * weight, result.hessian * weight};
}

// One rounding to float32, and the float64 error of a difference of terms up to `scale` (p and 1,
// exp(score) and the label).
void ExpectNear(float value, long double expected, long double scale) {
  const long double tolerance = std::fabs(expected) * 0x1.01p-24L + scale * 0x1p-50L + 0x1p-149L;
  ASSERT_LE(std::fabs(value - expected), tolerance)
      << value << " " << static_cast<double>(expected);
}

TEST(Gradients, AreThoseOfTheOracle) {
  for (const Loss* loss : AllLosses()) {
    for (uint64_t seed = 0; seed < 100; ++seed) {
      SCOPED_TRACE(testing::Message() << loss->name << " seed " << seed);
      Random random(seed);
      const Rows rows = RandomRows(loss, random);
      std::vector<GradientHessian> out;
      loss->gradients(SupportedIsas().back(), rows.Block(out, 0, rows.num_rows));
      for (size_t k = 0; k < rows.num_outputs; ++k) {
        for (size_t row = 0; row < rows.num_rows; ++row) {
          const LongGradient expected = Oracle(rows, row, k);
          const float weight = rows.weights.empty() ? 1 : rows.weights[row];
          const GradientHessian& got = out[k * rows.num_rows + row];
          const long double scale =
              loss->log_link ? std::max<long double>(weight, expected.hessian) : weight;
          ExpectNear(got.gradient, expected.gradient, scale);
          ExpectNear(got.hessian, expected.hessian, scale);
          if (weight == 0) {
            ASSERT_EQ(got.gradient, 0);
            ASSERT_EQ(got.hessian, 0);
          }
        }
      }
    }
  }
}

TEST(Gradients, AreTheSameBitsOnEveryInstructionSetAndInEveryBlock) {
  for (const Loss* loss : AllLosses()) {
    for (uint64_t seed = 0; seed < 100; ++seed) {
      Random random(seed);
      const Rows rows = RandomRows(loss, random);
      std::vector<GradientHessian> expected;
      const GradientRange expected_range =
          loss->gradients(Isa::kScalar, rows.Block(expected, 0, rows.num_rows));
      float max_gradient = 0, max_hessian = 0;
      for (const GradientHessian& gh : expected) {
        max_gradient = std::max(max_gradient, std::fabs(gh.gradient));
        max_hessian = std::max(max_hessian, std::fabs(gh.hessian));
      }
      for (const Isa isa : SupportedIsas()) {
        SCOPED_TRACE(testing::Message() << loss->name << " seed " << seed << " " << IsaName(isa));
        std::vector<GradientHessian> got;
        GradientRange range;
        for (size_t begin = 0; begin < rows.num_rows;) {
          const size_t count = 1 + random() % (rows.num_rows - begin);
          const GradientRange part = loss->gradients(isa, rows.Block(got, begin, count));
          range.max_gradient = std::max(range.max_gradient, part.max_gradient);
          range.max_hessian = std::max(range.max_hessian, part.max_hessian);
          range.finite &= part.finite;
          begin += count;
        }
        for (size_t i = 0; i < got.size(); ++i) {
          ASSERT_EQ(std::bit_cast<uint64_t>(got[i]), std::bit_cast<uint64_t>(expected[i])) << i;
        }
        EXPECT_EQ(range.max_gradient, max_gradient);
        EXPECT_EQ(range.max_hessian, max_hessian);
        EXPECT_EQ(expected_range.max_gradient, max_gradient);
        EXPECT_TRUE(range.finite);
      }
    }
  }
}

long double LossOf(const Rows& rows, size_t row, size_t changed, long double by) {
  const auto score = [&](size_t j) {
    return static_cast<long double>(rows.scores[j * rows.num_rows + row]) + (j == changed ? by : 0);
  };
  const double label = rows.labels[row];
  const long double error = score(0) - label, quantile = rows.parameters.quantile;
  if (rows.loss->name == "squared_error") return error * error / 2;
  if (rows.loss->name == "absolute_error") return std::fabs(error);
  if (rows.loss->name == "quantile") return error > 0 ? (1 - quantile) * error : -quantile * error;
  if (rows.loss->name == "poisson") return std::exp(score(0)) - label * score(0);
  if (rows.loss->name == "gamma") return label * std::exp(-score(0)) + score(0);
  if (rows.loss->name == "logistic") return std::log1p(std::exp(label == 1 ? -score(0) : score(0)));
  long double total = 0;
  for (size_t j = 0; j < rows.num_outputs; ++j) total += std::exp(score(j));
  return std::log(total) - score(static_cast<size_t>(label));
}

TEST(Gradients, AreDerivativesOfTheLoss) {
  for (const Loss* loss : AllLosses()) {
    for (uint64_t seed = 0; seed < 30; ++seed) {
      SCOPED_TRACE(testing::Message() << loss->name << " seed " << seed);
      Random random(seed);
      Rows rows = RandomRows(loss, random);
      rows.weights.clear();
      for (double& score : rows.scores) score = std::clamp(score, -5.0, 5.0);
      if (!loss->classification)
        for (double& label : rows.labels) label = std::clamp(label, -5.0, 5.0);
      std::vector<GradientHessian> out;
      loss->gradients(SupportedIsas().back(), rows.Block(out, 0, rows.num_rows));
      constexpr long double kStep = 1e-4L;
      for (size_t k = 0; k < rows.num_outputs; ++k) {
        for (size_t row = 0; row < rows.num_rows; ++row) {
          const long double up = LossOf(rows, row, k, kStep), down = LossOf(rows, row, k, -kStep);
          const long double here = LossOf(rows, row, k, 0);
          const GradientHessian& got = out[k * rows.num_rows + row];
          // Exact up to the third derivative, which is the hessian's own size; at a kink 0 and 1
          // stand for what is not there.
          const double allowed = 1e-4 * std::max(1.0f, got.hessian);
          if (loss->least_at_quantile != nullptr) {
            EXPECT_EQ(got.hessian, 1);
            if (std::fabs(rows.scores[row] - rows.labels[row]) < 2 * kStep) continue;
          } else {
            ASSERT_NEAR(got.hessian, static_cast<double>((up - 2 * here + down) / (kStep * kStep)),
                        allowed);
          }
          ASSERT_NEAR(got.gradient, static_cast<double>((up - down) / (2 * kStep)), allowed);
        }
      }
    }
  }
}

TEST(Gradients, OfBadScoresAreReported) {
  for (const Loss* loss : AllLosses()) {
    for (const Isa isa : SupportedIsas()) {
      for (const double bad : {kNan, kInf, -kInf, 1e300}) {
        for (const size_t position : {0, 6, 12}) {
          SCOPED_TRACE(testing::Message()
                       << loss->name << " " << IsaName(isa) << " " << bad << " at " << position);
          Random random(1);
          Rows rows = RandomRows(loss, random);
          rows.weights.clear();
          rows.num_rows = 13;
          rows.num_outputs = loss->name == "softmax" ? 3 : 1;
          rows.labels.assign(13, 0.0);
          rows.scores.assign(39, 1.0);
          rows.scores[position] = bad;
          std::vector<GradientHessian> out;
          const GradientRange range = loss->gradients(isa, rows.Block(out, 0, 13));
          bool finite = true;
          for (const GradientHessian& gh : out)
            finite &= std::isfinite(gh.gradient) && std::isfinite(gh.hessian);
          EXPECT_EQ(range.finite, finite);
          // A classifier's gradient at +-infinity is a limit that it may reach; a NaN has none.
          const bool must_be_refused = std::isnan(bad) || loss->name == "squared_error";
          EXPECT_FALSE(must_be_refused && range.finite);
        }
      }
    }
  }
}

std::vector<double> Respond(const Loss& loss, const std::vector<double>& raw) {
  std::vector<double> response(std::max<size_t>(2, raw.size()), 0.0);
  loss.respond(raw.data(), raw.size(), response.data());
  return response;
}

TEST(Respond, GivesProbabilitiesThatAddUp) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const Loss& logistic = **FindLoss("logistic");
    const Loss& softmax = **FindLoss("softmax");
    const double score = std::ldexp(static_cast<double>(static_cast<int64_t>(random())), -60);
    const std::vector<double> two = Respond(logistic, {score});
    EXPECT_NEAR(two[1], static_cast<double>(1 / (1 + std::exp(-static_cast<long double>(score)))),
                1e-15);
    EXPECT_EQ(two[0], 1 - two[1]);
    std::vector<double> raw(2 + random() % 5);
    for (double& s : raw) s = std::ldexp(static_cast<double>(static_cast<int64_t>(random())), -54);
    const std::vector<double> response = Respond(softmax, raw);
    double total = 0;
    for (const double p : response) {
      EXPECT_GE(p, 0);
      total += p;
    }
    EXPECT_NEAR(total, 1, 1e-14);
    const size_t largest = std::max_element(raw.begin(), raw.end()) - raw.begin();
    EXPECT_EQ(*std::max_element(response.begin(), response.end()), response[largest]);
  }
}

TEST(Respond, IsTheScoreOrItsExponential) {
  for (const char* name : {"squared_error", "absolute_error", "quantile"})
    EXPECT_EQ(Respond(**FindLoss(name), {3.25})[0], 3.25) << name;
  for (const char* name : {"poisson", "gamma"})
    for (const double score : {0.0, 3.25, -40.0, 700.0})
      EXPECT_NEAR(Respond(**FindLoss(name), {score})[0] / std::exp(score), 1, 1e-15) << name;
}

TEST(BaseScores, RespondWithTheSharesThatTheyCameFrom) {
  for (const double share : {0.25, 0.5, 0.999}) {
    const std::vector<double> shares = {1 - share, share};
    for (const char* name : {"logistic", "softmax"}) {
      const Loss& loss = **FindLoss(name);
      EXPECT_NEAR(Respond(loss, loss.base_scores(shares))[1], share, 1e-15) << name;
    }
  }
  const std::vector<double> statistic = {-12.5};
  for (const char* name : {"squared_error", "absolute_error", "quantile"})
    EXPECT_EQ((**FindLoss(name)).base_scores(statistic), statistic) << name;
  for (const char* name : {"poisson", "gamma"}) {
    for (const double mean : {1e-300, 0.02, 1.0, 1e9, 1e300}) {
      const Loss& loss = **FindLoss(name);
      const std::vector<double> base = loss.base_scores(std::vector<double>{mean});
      EXPECT_NEAR(Respond(loss, base)[0] / mean, 1, 1e-13) << name << " " << mean;
    }
  }
}

TEST(BaseScores, AreFiniteWhereAClassHasNoWeight) {
  for (const char* name : {"logistic", "softmax"}) {
    for (const double share : {0.0, 1.0}) {
      const std::vector<double> shares = {1 - share, share};
      for (const double score : (**FindLoss(name)).base_scores(shares))
        EXPECT_TRUE(std::isfinite(score)) << name;
    }
  }
}

TEST(BaseScores, AreFiniteWhereTheMeanIsZero) {
  EXPECT_TRUE(std::isfinite((**FindLoss("poisson")).base_scores(std::vector<double>{0})[0]));
}

TEST(LeastAtQuantile, IsAMinimumOfTheLoss) {
  for (const Loss* loss : AllLosses()) {
    if (loss->least_at_quantile == nullptr) continue;
    for (uint64_t seed = 0; seed < 30; ++seed) {
      SCOPED_TRACE(testing::Message() << loss->name << " seed " << seed);
      Random random(seed);
      Rows rows = RandomRows(loss, random);
      rows.weights.clear();
      std::vector<double> sorted = rows.labels;
      std::sort(sorted.begin(), sorted.end());
      const double q = loss->least_at_quantile(rows.parameters);
      const double rank = std::ceil(q * static_cast<double>(sorted.size()));
      const auto total_at = [&](double score) {
        std::fill(rows.scores.begin(), rows.scores.end(), score);
        long double total = 0;
        for (size_t row = 0; row < rows.num_rows; ++row) total += LossOf(rows, row, 0, 0);
        return total;
      };
      const long double least = total_at(sorted[static_cast<size_t>(std::max(1.0, rank)) - 1]);
      for (const double label : sorted) EXPECT_GE(total_at(label), least * (1 - 1e-12L));
    }
  }
}

std::string Refusal(const char* loss, const std::vector<double>& labels,
                    const std::vector<float>& weights = {}) {
  const Status status = CheckLabels(Context(), **FindLoss(loss), RowIds(labels.size()), labels,
                                    weights, LabelUse::kTraining);
  if (status.ok()) return "";
  EXPECT_EQ(status.error().code, ErrorCode::kData);
  return status.error().message;
}

TEST(CheckLabels, NamesRowAndValueOutsideTheDomain) {
  EXPECT_EQ(Refusal("poisson", {0, 2.5, -0.25}),
            "row 3: the label is -0.25, but loss poisson needs labels of 0 or more. Remove such "
            "rows, or use loss squared_error.");
  EXPECT_EQ(Refusal("gamma", {1, 0}),
            "row 2: the label is 0, but loss gamma needs labels above 0. Remove such rows, or use "
            "loss squared_error.");
  EXPECT_NE(Refusal("poisson", {0, 0}).find("all labels are 0"), std::string::npos);
  EXPECT_EQ(Refusal("poisson", {0, 1}), "");
  const std::vector<double> zeros = {0, 0}, negative = {0, -1};
  const Loss& poisson = **FindLoss("poisson");
  EXPECT_TRUE(
      CheckLabels(Context(), poisson, RowIds(zeros.size()), zeros, {}, LabelUse::kEvaluation).ok());
  EXPECT_FALSE(
      CheckLabels(Context(), poisson, RowIds(negative.size()), negative, {}, LabelUse::kEvaluation)
          .ok());
  EXPECT_EQ(Refusal("gamma", {1e-300, 1}), "");
}

TEST(CheckLabels, LooksAtRowsOfSomeWeightOnly) {
  EXPECT_EQ(Refusal("gamma", {-1, 3}, {0, 1}), "");
  EXPECT_EQ(Refusal("poisson", {-1, 3}, {0, 1}), "");
  EXPECT_NE(Refusal("poisson", {0, 3}, {1, 0}), "");
}

TEST(CheckLabels, AllowsEverythingToOtherLosses) {
  for (const Loss* loss : AllLosses()) {
    if (loss->labels != LabelDomain::kAny) continue;
    EXPECT_EQ(Refusal(std::string(loss->name).c_str(), {-1, 0, 1}), "");
  }
}

TEST(FindLoss, KnowsEachAndListsThem) {
  for (const Loss* loss : AllLosses()) EXPECT_EQ(*FindLoss(loss->name), loss);
  EXPECT_EQ(FindLoss("hinge").error().message,
            "loss \"hinge\" is not known. Use one of: logistic, softmax, squared_error, "
            "absolute_error, quantile, poisson, gamma.");
  EXPECT_EQ((**FindLoss("logistic")).num_outputs(2), 1u);
  EXPECT_EQ((**FindLoss("logistic")).num_outputs(3), 0u);
  EXPECT_EQ((**FindLoss("softmax")).num_outputs(5), 5u);
  EXPECT_EQ((**FindLoss("squared_error")).num_outputs(0), 1u);
}

TEST(Loss, RespondsToManyRowsAsToOne) {
  std::vector<double> scores = {0, -0.0, 800, -800, 1e-300, 36.7, -36.7};
  for (int i = 0; i < 500; ++i) scores.push_back(std::ldexp(i % 41 - 20, i % 7 - 3));
  for (const Loss* loss : AllLosses()) {
    if (loss->respond_rows == nullptr) continue;
    for (const Isa isa : SupportedIsas()) {
      for (const size_t rows : {size_t{0}, size_t{1}, size_t{7}, scores.size()}) {
        const size_t width = loss->classification ? 2 : 1;
        std::vector<double> many(rows * width), one(width);
        loss->respond_rows(isa, scores.data(), rows, many.data());
        for (size_t i = 0; i < rows; ++i) {
          loss->respond(&scores[i], 1, one.data());
          for (size_t k = 0; k < width; ++k)
            ASSERT_EQ(std::bit_cast<uint64_t>(many[i * width + k]), std::bit_cast<uint64_t>(one[k]))
                << loss->name << " " << IsaName(isa) << " score " << scores[i];
        }
      }
    }
  }
}

}  // namespace
}  // namespace ramet
