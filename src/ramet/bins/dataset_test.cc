// What MakeDataset makes of roles, labels, classes and weights, and every error that it can give.
#include "ramet/bins/dataset.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ramet/table/testing.h"

namespace ramet {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
using Strings = std::vector<std::string>;
using Numbers = std::vector<double>;

TestTable Example() {
  return TestTable()
      .Add("x", Numbers{1, 2, 3, 4})
      .AddCategory("c", {"a", "b", "a", std::nullopt})
      .Add("y", Numbers{0.5, 1.5, -2, 0})
      .Add("w", Numbers{1, 0, 2, 0.5})
      .Add("s", Strings{"no", "yes", "maybe", "no"});
}

DataSpec SpecOf(std::string label, bool classification) {
  DataSpec spec;
  spec.label = std::move(label);
  spec.classification = classification;
  return spec;
}

Dataset Make(const TestTable& table, const DataSpec& spec, const Dataset* reference = nullptr) {
  Result<Dataset> made = MakeDataset(Context(), table.ToTable({1}), spec, {}, reference);
  if (!made.ok()) {
    ADD_FAILURE() << made.error().message;
    return {};
  }
  return *std::move(made);
}

std::string ErrorOf(const TestTable& table, const DataSpec& spec,
                    const Dataset* reference = nullptr) {
  const Result<Dataset> made = MakeDataset(Context(), table.ToTable({}), spec, {}, reference);
  return made.ok() ? "no error" : made.error().message;
}

TEST(MakeDataset, TakesAllOtherColumnsAsFeatures) {
  DataSpec spec = SpecOf("y", false);
  spec.weight = "w";
  const Dataset data = Make(Example(), spec);
  EXPECT_EQ(data.num_rows, 4u);
  EXPECT_EQ(data.label_name, "y");
  EXPECT_EQ(data.feature_names, (Strings{"x", "c", "s"}));
  EXPECT_EQ(data.labels, (Numbers{0.5, 1.5, -2, 0}));
  EXPECT_EQ(data.weights, (std::vector<float>{1, 0, 2, 0.5}));
  EXPECT_TRUE(data.classes.empty());
  EXPECT_EQ(data.mapper.features[0].kind, FeatureKind::kNumeric);
  EXPECT_EQ(data.mapper.features[1].kind, FeatureKind::kCategorical);
  EXPECT_EQ(data.mapper.features[2].kind, FeatureKind::kCategorical);
  EXPECT_EQ(data.bins.num_features(), 3u);
}

TEST(MakeDataset, KeepsTheOrderOfNamedFeatures) {
  DataSpec spec = SpecOf("y", false);
  spec.features = {"c", "x"};
  spec.categorical = {"x"};
  const Dataset data = Make(Example(), spec);
  EXPECT_EQ(data.feature_names, (Strings{"c", "x"}));
  EXPECT_EQ(data.mapper.features[1].kind, FeatureKind::kCategorical);
}

TEST(MakeDataset, ReadsDictionariesOfNumbersAsAsked) {
  TestTable table;
  table.AddDictionary<double>("d", {0, 1, 0}, {10.0, 20.0}).Add("y", Numbers{1, 2, 3});
  DataSpec spec = SpecOf("y", false);
  EXPECT_EQ(Make(table, spec).mapper.features[0].kind, FeatureKind::kCategorical);
  spec.numeric = {"d"};
  const Dataset data = Make(table, spec);
  EXPECT_EQ(data.mapper.features[0].kind, FeatureKind::kNumeric);
  EXPECT_EQ(data.mapper.features[0].thresholds, Numbers{15});
}

TEST(MakeDataset, WeightsThatAreAllOneBecomeNone) {
  TestTable table = Example();
  table.Add("one", std::vector<int64_t>{1, 1, 1, 1});
  DataSpec spec = SpecOf("y", false);
  spec.weight = "one";
  EXPECT_TRUE(Make(table, spec).weights.empty());
}

TEST(MakeDataset, SortsClassesByKey) {
  const Dataset data = Make(Example(), SpecOf("s", true));
  EXPECT_EQ(data.classes, (std::vector<CategoryKey>{"maybe", "no", "yes"}));
  EXPECT_EQ(data.labels, (Numbers{1, 2, 0, 1}));

  TestTable numbers;
  numbers.Add("y", std::vector<int64_t>{10, -3, 10, 2}).Add("x", Numbers{1, 2, 3, 4});
  const Dataset sorted = Make(numbers, SpecOf("y", true));
  EXPECT_EQ(sorted.classes, (std::vector<CategoryKey>{int64_t{-3}, int64_t{2}, int64_t{10}}));
  EXPECT_EQ(sorted.labels, (Numbers{2, 0, 2, 1}));
}

TEST(MakeDataset, AValidationSetTakesFeaturesBinsAndClassesOfItsReference) {
  const Dataset train = Make(Example(), SpecOf("s", true));
  TestTable other;
  other.Add("s", Strings{"yes", "yes"})
      .Add("extra", Numbers{1, 2})
      .Add("w", Numbers{2, 0})
      .Add("y", Numbers{9, -9})
      .Add("c", Strings{"zebra", "b"})
      .Add("x", Numbers{100, 2.25});
  const Dataset valid = Make(other, SpecOf("s", true), &train);
  EXPECT_EQ(valid.feature_names, train.feature_names);
  EXPECT_EQ(valid.classes, train.classes);
  EXPECT_EQ(valid.labels, (Numbers{2, 2}));
  EXPECT_EQ(valid.bins.column(0)[0], 4);  // x = 100: the last bin
  EXPECT_EQ(valid.bins.column(0)[1], 2);
  EXPECT_EQ(valid.bins.column(1)[0], 0);  // an unseen category
  EXPECT_EQ(valid.bins.column(1)[1], 2);
  TestTable unknown;
  unknown.Add("s", Strings{"yes", "perhaps"});
  for (const char* name : {"x", "c", "y", "w"}) unknown.Add(name, Numbers{1, 1});
  EXPECT_EQ(ErrorOf(unknown, SpecOf("s", true), &train),
            "column \"s\", row 2: class \"perhaps\" does not occur in the training data.");
  TestTable short_one;
  short_one.Add("s", Strings{"yes"}).Add("x", Numbers{1});
  EXPECT_NE(ErrorOf(short_one, SpecOf("s", true), &train).find("there is no column \"c\""),
            std::string::npos);
}

TEST(MakeDataset, CallsBeforeBinningWithLabelsReadAndPassesItsErrorOn) {
  bool called = false;
  const BeforeBinning before = [&](const Table& table, Dataset& data) -> Status {
    called = true;
    EXPECT_EQ(table.num_rows(), 4u);
    EXPECT_EQ(data.labels.size(), 4u);
    return DataError("stop here");
  };
  const Result<Dataset> made =
      MakeDataset(Context(), Example().ToTable(), SpecOf("y", false), {}, nullptr, before);
  EXPECT_TRUE(called);
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().message, "stop here");
}

TEST(MakeDataset, RefusesImpossibleRoles) {
  const auto error = [](auto change) {
    DataSpec spec = SpecOf("y", false);
    change(spec);
    return ErrorOf(Example(), spec);
  };
  EXPECT_NE(error([](DataSpec& s) { s.label = "yy"; }).find("there is no column \"yy\""),
            std::string::npos);
  EXPECT_NE(error([](DataSpec& s) { s.weight = "ww"; }).find("there is no column \"ww\""),
            std::string::npos);
  EXPECT_EQ(error([](DataSpec& s) { s.weight = "y"; }), "column \"y\" is both label and weight.");
  EXPECT_EQ(error([](DataSpec& s) { s.weight = "s"; }),
            "column \"s\" holds strings; weights are numbers.");
  EXPECT_EQ(error([](DataSpec& s) {
              s.features = {"x", "x"};
            }),
            "column \"x\" is listed twice among the features.");
  EXPECT_EQ(error([](DataSpec& s) {
              s.features = {"x", "y"};
            }),
            "column \"y\" is the label and cannot be a feature too. Remove it from one of them.");
  EXPECT_EQ(error([](DataSpec& s) {
              s.features = {"x", "w"};
              s.weight = "w";
            }),
            "column \"w\" is the weight and cannot be a feature too. Remove it from one of them.");
  EXPECT_EQ(error([](DataSpec& s) {
              s.features = {"x"};
              s.categorical = {"c"};
            }),
            "column \"c\" is declared categorical or numeric, but is not a feature.");
  EXPECT_EQ(error([](DataSpec& s) { s.categorical = s.numeric = {"x"}; }),
            "column \"x\" is declared both categorical and numeric.");
  EXPECT_NE(error([](DataSpec& s) { s.numeric = {"c"}; }).find("column \"c\" holds strings"),
            std::string::npos);
  EXPECT_EQ(ErrorOf(TestTable().Add("y", Numbers{1, 2}), SpecOf("y", false)),
            "no features are left to train on. Drop fewer columns.");
}

TEST(MakeDataset, RefusesBadLabels) {
  const auto with_label = [](auto values, bool classification) {
    TestTable table;
    table.Add("y", values).Add("x", Numbers(values.size(), 1.0));
    return ErrorOf(table, SpecOf("y", classification));
  };
  EXPECT_EQ(with_label(Numbers{1, kMissing}, false),
            "column \"y\", row 2: the label is missing. Remove such rows, or fill them in.");
  EXPECT_EQ(with_label(Numbers{1, 2, -kInf}, false),
            "column \"y\", row 3: the label is infinite. Remove such rows, or fill them in.");
  EXPECT_EQ(with_label(Strings{"a", "b"}, false),
            "column \"y\" holds strings, but regression needs numbers. Train a classification "
            "(--task classification, HistGradientBoostingClassifier), or take another label.");
  EXPECT_EQ(with_label(std::vector<std::optional<std::string>>{"a", "b", std::nullopt}, true),
            "column \"y\", row 3: the label is missing. Remove such rows, or fill them in.");
  EXPECT_EQ(with_label(Strings{"a", "a"}, true),
            "column \"y\" has only one class, \"a\". A classifier needs at least two.");
  EXPECT_EQ(
      with_label(Numbers{1, 0.5}, true)
          .find("column \"y\" is a label of classes: column \"y\", row 2: as a category, 0.5"),
      0);
  std::vector<int64_t> many;
  for (size_t i = 0; i <= kMaxClasses; ++i) many.push_back(static_cast<int64_t>(i));
  EXPECT_EQ(with_label(many, true),
            "column \"y\" has more than 1000 classes. Is it a number to predict? Then train a "
            "regression (--task regression, HistGradientBoostingRegressor).");
  many.pop_back();
  EXPECT_EQ(with_label(many, true), "no error");
  EXPECT_EQ(with_label(Numbers{}, false), "the table has no rows.");
}

TEST(MakeDataset, RefusesBadWeights) {
  const auto with_weights = [](std::vector<std::optional<double>> weights) {
    TestTable table;
    table.Add("y", Numbers(weights.size(), 1.0))
        .Add("x", Numbers(weights.size(), 1.0))
        .Add("w", weights);
    DataSpec spec = SpecOf("y", false);
    spec.weight = "w";
    return ErrorOf(table, spec);
  };
  const std::string cure = ". Weights must be finite numbers, zero or more.";
  EXPECT_EQ(with_weights({1, std::nullopt}), "column \"w\", row 2: weight is missing" + cure);
  EXPECT_EQ(with_weights({-1, 1}), "column \"w\", row 1: weight -1.000000" + cure);
  EXPECT_EQ(with_weights({1, 1, kInf}), "column \"w\", row 3: weight inf" + cure);
  EXPECT_EQ(with_weights({0, 0}),
            "column \"w\": all weights are zero, so there is nothing to learn from.");
  EXPECT_EQ(with_weights({0, 1e-30}), "no error");
}

}  // namespace
}  // namespace ramet
