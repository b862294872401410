// Texts of constraints: what they mean, one text for one meaning, and what is refused.
#include "ramet/boost/constraints.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

namespace ramet {
namespace {

const std::vector<std::string> kNames = {"age", "dose", "a:b", "city", "x,y", "0"};
const std::vector<FeatureKind> kKinds = {FeatureKind::kNumeric, FeatureKind::kNumeric,
                                         FeatureKind::kNumeric, FeatureKind::kCategorical,
                                         FeatureKind::kNumeric, FeatureKind::kNumeric};

Result<Constraints> Parse(const std::string& monotonic, const std::string& interactions) {
  return ParseConstraints(monotonic, interactions, kNames, kKinds);
}

std::string ErrorOf(const std::string& monotonic, const std::string& interactions) {
  const Result<Constraints> result = Parse(monotonic, interactions);
  if (result.ok()) return "no error";
  EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
  return result.error().message;
}

TEST(ParseConstraints, NoneIsNone) {
  for (const std::string nothing : {"", " ", "0:0", "age:0,dose:0", "{}"})
    EXPECT_EQ(*Parse(nothing, ""), Constraints()) << nothing;
  for (const std::string nothing : {"", " ", "[]", "[[0,1,2,3,4,5]]", "[[5,4,3,2,1,0],[1]]"})
    EXPECT_EQ(*Parse("", nothing), Constraints()) << nothing;
}

TEST(ParseConstraints, DirectionsByNameOrPosition) {
  const std::vector<int8_t> expected = {-1, 1, 0, 0, 0, 0};
  for (const std::string text :
       {"dose:1,age:-1", "0:-1,1:1", " age : -1 , dose : +1 ", "{\"age\": -1, \"dose\": 1.0}",
        "1:1,0:-1,4:0", "dose:1,age:-1,"}) {
    const Result<Constraints> got = Parse(text, "");
    ASSERT_TRUE(got.ok()) << text << ": " << got.error().message;
    EXPECT_EQ(got->monotonic, expected) << text;
    EXPECT_EQ(got->monotonic_text, "0:-1,1:1") << text;
  }
}

TEST(ParseConstraints, NamesOfAllKinds) {
  EXPECT_EQ(Parse("a:b:-1", "")->monotonic_text, "2:-1");
  EXPECT_EQ(Parse("{\"x,y\": 1, \"a:b\": -1}", "")->monotonic_text, "2:-1,4:1");
  // Digits are a position; as JSON strings, a name.
  EXPECT_EQ(Parse("0:1", "")->monotonic_text, "0:1");
  EXPECT_EQ(Parse("{\"0\": 1}", "")->monotonic_text, "5:1");
  EXPECT_EQ(Parse("", "[[\"0\", 0]]")->interaction_text, "[[0,5],[1,2,3,4]]");
}

TEST(ParseConstraints, GroupsByNameOrPosition) {
  for (const std::string text : {"[[1,0],[\"city\",2]]", "[[\"city\",\"a:b\",2],[0,1,1]]",
                                 "[[0,1],[2,3],[4,5]]", " [ [ 0 , 1 ] , [3,2], [2,3] ] "}) {
    const Result<Constraints> got = Parse("", text);
    ASSERT_TRUE(got.ok()) << text << ": " << got.error().message;
    // Features 4 and 5, where no group lists them, are a group of their own.
    EXPECT_EQ(got->interactions.groups,
              (std::vector<std::vector<uint32_t>>{{0, 1}, {2, 3}, {4, 5}}));
    EXPECT_EQ(got->interactions.max_path_features, 0u);
    EXPECT_EQ(got->interaction_text, "[[0,1],[2,3],[4,5]]");
  }
}

TEST(ParseConstraints, KeywordsAreTheGroupsThatTheyStandFor) {
  const size_t n = kNames.size();
  Interactions single, pairs;
  for (uint32_t f = 0; f < n; ++f) {
    single.groups.push_back({f});
    for (uint32_t g = f + 1; g < n; ++g) pairs.groups.push_back({f, g});
  }
  for (const auto& [keyword, groups] :
       {std::pair{"no_interactions", single}, std::pair{"pairwise", pairs}}) {
    const Constraints constraints = *Parse("", keyword);
    EXPECT_EQ(constraints.interaction_text, keyword);
    for (unsigned bits = 0; bits < 1u << n; ++bits) {
      std::vector<uint32_t> path;
      for (uint32_t f = 0; f < n; ++f)
        if ((bits >> f) & 1) path.push_back(f);
      if (path.size() > constraints.interactions.max_path_features) continue;
      EXPECT_EQ(AllowedFeatures(constraints.interactions, n, path),
                AllowedFeatures(groups, n, path));
    }
  }
}

TEST(ParseConstraints, ItsOwnTextsMeanTheSame) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    std::mt19937_64 random(seed);
    std::string directions;
    for (size_t f = 0; f < kNames.size(); ++f) {
      if (f == 3 || random() % 2 == 0) continue;
      if (!directions.empty()) directions += ",";
      directions += std::to_string(f) + ":" + std::to_string(static_cast<int>(random() % 3) - 1);
    }
    std::string groups;
    for (size_t i = random() % 4; i > 0; --i) {
      groups += (groups.empty() ? "[" : ",[") + std::to_string(random() % 6);
      for (size_t j = random() % 4; j > 0; --j) groups += "," + std::to_string(random() % 6);
      groups += "]";
    }
    const Constraints once = *Parse(directions, "[" + groups + "]");
    EXPECT_EQ(*Parse(once.monotonic_text, once.interaction_text), once) << "seed " << seed;
    // Every feature is in some group.
    std::set<uint32_t> listed;
    for (const auto& group : once.interactions.groups) listed.insert(group.begin(), group.end());
    EXPECT_TRUE(listed.empty() || listed.size() == kNames.size());
  }
}

TEST(ParseConstraints, RefusesInWords) {
  struct Case {
    std::string monotonic, interactions;
    std::vector<std::string> mentions;
  };
  const std::vector<Case> cases = {
      {"dosis:1", "", {"monotonic_cst", "no feature \"dosis\"", "Did you mean \"dose\"?"}},
      {"{\"agee\": 1}", "", {"\"agee\"", "\"age\""}},
      {"6:1", "", {"no feature 6", "0 to 5"}},
      {"-1:1", "", {"no feature -1", "0 to 5"}},
      {"99999999999999999999:1", "", {"0 to 5"}},
      {"dose:2", "", {"\"dose\"", "\"2\"", "1 (predictions rise", "-1", "0 (free)"}},
      {"dose:up", "", {"\"dose\"", "\"up\""}},
      {"dose:", "", {"\"dose\"", "\"\""}},
      {"{\"dose\": 0.5}", "", {"\"dose\"", "0.5"}},
      {"{\"dose\": true}", "", {"\"dose\"", "true"}},
      {"dose", "", {"\"dose\" has no direction", "feature:1"}},
      {"x,y:1", "", {"\"x\" has no direction", "{\"feature\": 1}"}},
      {"dose:1,,age:1", "", {"has no direction"}},
      {"dose:1,1:1", "", {"\"dose\"", "two directions"}},
      {"{dose: 1}", "", {"{dose: 1} is not JSON"}},
      {"city:1", "", {"\"city\"", "Categorical features cannot have monotonic constraints"}},
      {"", "pair", {"interaction_cst", "pair", "pairwise"}},
      {"", "[[0,1]", {"[[0,1]", "pairwise"}},
      {"", "[0,1]", {"0 is not a group"}},
      {"", "[[0],[]]", {"group 2 is empty"}},
      {"", "[[0,6]]", {"no feature 6", "0 to 5"}},
      {"", "[[-1]]", {"no feature -1"}},
      {"", "[[18446744073709551615]]", {"0 to 5"}},
      {"", "[[\"dozes\"]]", {"\"dozes\"", "\"dose\""}},
      {"", "[[0.5]]", {"0.5", "neither a position nor a name"}},
      {"", "[[true]]", {"true"}},
  };
  for (const Case& c : cases) {
    const std::string message = ErrorOf(c.monotonic, c.interactions);
    for (const std::string& part : c.mentions)
      EXPECT_NE(message.find(part), std::string::npos)
          << "\"" << part << "\" is not in: " << message;
  }
}

TEST(CheckOutputs, RefusesMonotonicConstraintsOfSeveralClasses) {
  const Constraints none, some = *Parse("0:1", ""), groups = *Parse("", "pairwise");
  EXPECT_TRUE(CheckOutputs(none, 5).ok());
  EXPECT_TRUE(CheckOutputs(groups, 5).ok());
  EXPECT_TRUE(CheckOutputs(some, 1).ok());
  const Status refused = CheckOutputs(some, 3);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message.find("not supported for multiclass classification"),
            std::string::npos);
}

}  // namespace
}  // namespace ramet
