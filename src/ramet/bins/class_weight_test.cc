// Class weights: rows that weigh more by their class are rows that weigh more.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "ramet/bins/dataset.h"
#include "ramet/table/testing.h"

namespace ramet {
namespace {

using Random = std::mt19937_64;
using Strings = std::vector<std::string>;
using Numbers = std::vector<double>;

DataSpec SpecOf(const std::string& class_weight, bool weighted) {
  DataSpec spec;
  spec.label = "y";
  spec.features = {"x"};
  spec.weight = weighted ? "w" : "";
  spec.classification = true;
  spec.class_weight = class_weight;
  return spec;
}

Dataset Make(const TestTable& table, const DataSpec& spec, const Dataset* reference = nullptr) {
  Result<Dataset> dataset = MakeDataset(Context(), table.ToTable(), spec, {}, reference);
  EXPECT_TRUE(dataset.ok()) << dataset.error().message;
  return *std::move(dataset);
}

// Rows of three classes, as integers, floats, bools or strings.
struct Sample {
  std::vector<double> x, weights;
  std::vector<int64_t> classes;
  int kind;

  Sample(Random& random, int label_kind) : kind(label_kind) {
    const size_t rows = 20 + random() % 200, num_classes = kind == 2 ? 2 : 3;
    for (size_t i = 0; i < rows; ++i) {
      x.push_back(static_cast<double>(random() % 1000));
      weights.push_back(static_cast<double>(static_cast<float>(random() % 64) / 7));
      classes.push_back(static_cast<int64_t>(i < num_classes ? i : random() % num_classes));
    }
  }
  std::string name(int64_t c) const {
    return kind == 3 ? std::string(1, static_cast<char>('a' + c)) : std::to_string(c);
  }
  TestTable Table(const std::vector<double>& row_weights) const {
    TestTable table;
    table.Add("x", x).Add("w", row_weights);
    if (kind == 0) table.Add("y", classes);
    if (kind == 1) table.Add("y", Numbers(classes.begin(), classes.end()));
    if (kind == 2) table.Add("y", std::vector<bool>(classes.begin(), classes.end()));
    Strings names;
    for (int64_t c : classes) names.push_back(name(c));
    if (kind == 3) table.Add("y", names);
    return table;
  }
};

// The law: factors by class do what the product of both weights does, given as a column.
void ExpectAsProducts(const Sample& sample, const std::string& class_weight, bool weighted,
                      const std::map<int64_t, double>& factors) {
  std::vector<double> products;
  for (size_t i = 0; i < sample.x.size(); ++i)
    products.push_back(
        static_cast<float>((weighted ? sample.weights[i] : 1.0) * factors.at(sample.classes[i])));
  const Dataset by_class = Make(sample.Table(sample.weights), SpecOf(class_weight, weighted));
  const Dataset by_row = Make(sample.Table(products), SpecOf("", true));
  EXPECT_EQ(by_class.weights, by_row.weights);
  EXPECT_EQ(by_class.labels, by_row.labels);
  EXPECT_EQ(by_class.mapper.features[0].thresholds, by_row.mapper.features[0].thresholds);
  EXPECT_TRUE(by_row.class_factors.empty());

  // The last rows as a validation set: by the training set's factors, whatever occurs among them.
  const size_t rows = sample.x.size(), half = rows / 2;
  Sample last = sample;
  last.x.erase(last.x.begin(), last.x.begin() + half);
  last.classes.erase(last.classes.begin(), last.classes.begin() + half);
  last.weights.assign(rows - half, 2);
  const Dataset validation = Make(last.Table(last.weights), SpecOf("", true), &by_class);
  ASSERT_EQ(validation.class_factors, by_class.class_factors);
  for (size_t i = 0; i < rows - half; ++i)
    ASSERT_EQ(validation.weights.empty() ? 1 : validation.weights[i],
              static_cast<float>(2 * factors.at(last.classes[i])));
}

TEST(ClassWeight, IsARowWeight) {
  for (uint64_t seed = 0; seed < 80; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const Sample sample(random, static_cast<int>(seed % 4));
    const bool weighted = random() % 2 == 0;
    const size_t num_classes = std::set(sample.classes.begin(), sample.classes.end()).size();
    std::map<int64_t, double> balanced, named;
    std::string json;
    for (int64_t c = 0; c < static_cast<int64_t>(num_classes); ++c) {
      const auto count = std::count(sample.classes.begin(), sample.classes.end(), c);
      balanced[c] = static_cast<double>(sample.classes.size()) /
                    (static_cast<double>(num_classes) * static_cast<double>(count));
      named[c] = random() % 4 == 0 ? 1 : static_cast<double>(random() % 1000) / 8 + 0.125;
      if (named[c] == 1) continue;  // not named: 1
      json += (json.empty() ? "" : ", ");
      json += "\"" + sample.name(c) + "\": " + std::to_string(named[c]);
    }
    ASSERT_NO_FATAL_FAILURE(ExpectAsProducts(sample, "balanced", weighted, balanced));
    ASSERT_NO_FATAL_FAILURE(ExpectAsProducts(sample, "{" + json + "}", weighted, named));
  }
}

// A fold of cross-validation may lack a class that is named: no misspelling.
TEST(ClassWeight, MayNameAClassThatIsNotThereIfAllOthersAreNamed) {
  const TestTable table = TestTable().Add("x", Numbers{1, 2, 3}).Add("y", Strings{"a", "b", "a"});
  const Dataset data = Make(table, SpecOf(R"({"a": 2, "b": 3, "c": 4})", false));
  EXPECT_EQ(data.class_factors, (Numbers{2, 3}));
  EXPECT_EQ(data.weights, (std::vector<float>{2, 3, 2}));
}

TEST(ClassWeight, RefusesWhatCannotBeMeant) {
  const TestTable table = TestTable()
                              .Add("x", Numbers{1, 2, 3})
                              .Add("y", Strings{"a", "b", "a"})
                              .Add("w", Numbers{1, 0, 1e38})
                              .Add("t", Numbers{1, 2, 3});
  const auto error = [&](const std::string& class_weight, bool weighted = false) {
    const auto made = MakeDataset(Context(), table.ToTable(), SpecOf(class_weight, weighted), {});
    return made.ok() ? "no error" : made.error().message;
  };
  const std::string finite = ". Weights must be finite numbers, zero or more.";
  EXPECT_EQ(error(R"({"a": 1, "B": 2})"),
            "class_weight names \"B\", which is no class. The classes are: a, b.");
  EXPECT_EQ(error(R"({"a": -1})"), "class_weight of class a is -1" + finite);
  EXPECT_EQ(error(R"({"b": "2"})"), "class_weight of class b is \"2\"" + finite);
  EXPECT_EQ(error(R"({"a": 0, "b": 0})"),
            "class_weight is zero for all classes, so there is nothing to learn from.");
  EXPECT_EQ(
      error(R"({"a": 0, "b": 1})", true),
      "all rows weigh zero by class_weight and their own weights, so there is nothing to learn "
      "from.");
  EXPECT_EQ(error(R"({"a": 1e38})", true),
            "row 3: its weight times its class's is beyond float32. Use smaller weights.");
  const TestTable tiny = TestTable()
                             .Add("x", Numbers{1, 2, 3})
                             .Add("y", Strings{"a", "b", "a"})
                             .Add("w", Numbers{1, 1, 1e-44});
  EXPECT_EQ(
      MakeDataset(Context(), tiny.ToTable(), SpecOf(R"({"a": 0.01})", true), {}).error().message,
      "row 3: its weight times its class's is zero in float32. Use larger weights.");
  for (const std::string text : {"balance", "[1, 2]", "{\"a\": NaN}", "{\"a\": 1e999}", "{"})
    EXPECT_EQ(error(text), "class_weight=" + text +
                               " is not understood. Use balanced, or an object of weights by "
                               "class, such as {\"no\": 1, \"yes\": 2.5}.");
  DataSpec regression = SpecOf("balanced", false);
  regression.classification = false;
  regression.label = "t";
  EXPECT_EQ(MakeDataset(Context(), table.ToTable(), regression, {}).error().message,
            "class_weight is for classes, but numbers are to be predicted. Leave it out.");
}

}  // namespace
}  // namespace ramet
