// The table of parameters: text and values are the same thing; what cannot be is refused by name.
#include "ramet/boost/parameters.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <set>

namespace ramet {
namespace {

using P = TrainParameters;

std::string ErrorOf(std::string_view name, std::string_view value) {
  P parameters;
  const Status status = SetParameter(parameters, name, value);
  if (status.ok()) return "no error";
  EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(ToText(parameters), ToText(P())) << "a refused value changed something";
  return status.error().message;
}

// A value within the parameter's range, as text.
std::string RandomText(const ParameterInfo& info, std::mt19937_64& random) {
  if (info.name == "early_stopping") return random() % 2 == 0 ? "auto" : "true";
  if (std::holds_alternative<std::string P::*>(info.member))
    return random() % 2 == 0 ? "auto" : "x y";
  if (std::holds_alternative<bool P::*>(info.member)) return random() % 2 == 0 ? "true" : "false";
  if (info.name == "max_leaf_nodes") return std::to_string(2 * (random() % 30'000));
  const double maximum = std::min(info.maximum, 1e9);
  if (std::holds_alternative<int64_t P::*>(info.member))
    return std::to_string(
        static_cast<int64_t>(info.minimum) +
        static_cast<int64_t>(random() % static_cast<uint64_t>(maximum - info.minimum + 1)));
  std::uniform_real_distribution<double> uniform(info.minimum, maximum);
  char text[40];
  std::snprintf(text, sizeof text, "%.17g", uniform(random));
  return text;
}

TEST(Parameters, TextAndValueAreTheSame) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    P parameters;
    for (const ParameterInfo& info : AllParameters()) {
      const std::string text = RandomText(info, random);
      ASSERT_TRUE(SetParameter(parameters, info.name, text).ok()) << info.name << " " << text;
      const std::string shown = GetParameter(parameters, info.name);
      if (std::holds_alternative<double P::*>(info.member)) {
        ASSERT_EQ(std::strtod(shown.c_str(), nullptr), std::strtod(text.c_str(), nullptr))
            << info.name;
      } else {
        ASSERT_EQ(shown, text) << info.name;
      }
    }
    ASSERT_TRUE(Validate(parameters).ok());
    P copy;
    for (const auto& [name, text] : ToText(parameters))
      ASSERT_TRUE(SetParameter(copy, name, text).ok());
    ASSERT_EQ(ToText(copy), ToText(parameters));
  }
}

TEST(Parameters, AreListedOnceAndSorted) {
  const auto text = ToText(P());
  EXPECT_EQ(text.size(), AllParameters().size());
  EXPECT_TRUE(std::is_sorted(text.begin(), text.end()));
  std::set<std::string_view> names;
  for (const ParameterInfo& info : AllParameters()) {
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
    EXPECT_FALSE(info.help.empty());
    EXPECT_EQ(std::string(info.name).find_first_not_of("abcdefghijklmnopqrstuvwxyz_0123456789"),
              std::string::npos);
  }
  EXPECT_TRUE(Validate(P()).ok());
}

TEST(Parameters, DefaultsAreAsDocumented) {
  EXPECT_EQ(GetParameter(P(), "learning_rate"), "0.1");
  EXPECT_EQ(GetParameter(P(), "loss"), "auto");
  EXPECT_EQ(GetParameter(P(), "early_stopping"), "auto");
  EXPECT_EQ(GetParameter(P(), "keep_best"), "false");
  EXPECT_EQ(GetParameter(P(), "tol"), "1e-07");
}

TEST(Parameters, BordersOfRangesAreIn) {
  for (const ParameterInfo& info : AllParameters()) {
    P parameters;
    if (const auto* integer = std::get_if<int64_t P::*>(&info.member)) {
      for (const double border : {info.minimum, info.maximum}) {
        parameters.*(*integer) = static_cast<int64_t>(border);
        EXPECT_TRUE(Validate(parameters).ok()) << info.name << " " << border;
      }
      parameters.*(*integer) = static_cast<int64_t>(info.minimum) - 1;
      EXPECT_FALSE(Validate(parameters).ok()) << info.name;
    } else if (const auto* real = std::get_if<double P::*>(&info.member)) {
      for (const double border :
           {info.minimum, std::min(info.maximum, std::numeric_limits<double>::max())}) {
        parameters.*(*real) = border;
        EXPECT_TRUE(Validate(parameters).ok()) << info.name << " " << border;
      }
      for (const double outside : {std::nextafter(info.minimum, -1.0), std::nan(""),
                                   std::numeric_limits<double>::infinity()}) {
        parameters.*(*real) = outside;
        EXPECT_FALSE(Validate(parameters).ok()) << info.name << " " << outside;
      }
    }
  }
}

TEST(Parameters, ErrorsSayWhatToDo) {
  EXPECT_EQ(ErrorOf("learning_rat", "1"),
            "parameter \"learning_rat\" is not known. Did you mean \"learning_rate\"?");
  EXPECT_EQ(ErrorOf("max_leafs_nodes", "1"),
            "parameter \"max_leafs_nodes\" is not known. Did you mean \"max_leaf_nodes\"?");
  EXPECT_EQ(ErrorOf("max_iter", "ten"), "max_iter: \"ten\" is not a whole number.");
  EXPECT_EQ(ErrorOf("max_iter", "10.5"), "max_iter: \"10.5\" is not a whole number.");
  EXPECT_EQ(ErrorOf("max_iter", ""), "max_iter: \"\" is not a whole number.");
  EXPECT_EQ(ErrorOf("max_iter", "99999999999999999999"),
            "max_iter: \"99999999999999999999\" is not a whole number.");
  EXPECT_EQ(ErrorOf("subsample", "half"), "subsample: \"half\" is not a number.");
  EXPECT_EQ(ErrorOf("subsample", "0.5 "), "subsample: \"0.5 \" is not a number.");
  EXPECT_EQ(ErrorOf("early_stopping", "yes"),
            "early_stopping: \"yes\" is none of auto, true, false.");
  EXPECT_EQ(ErrorOf("max_leaf_nodes", "1"), "max_leaf_nodes is 1. Use 2 or more, or 0 for no limit but 65535.");
  EXPECT_EQ(ErrorOf("max_bins", "256"), "max_bins is 256. Use a value from 2 to 255.");
  EXPECT_EQ(ErrorOf("subsample", "0"), "subsample is 0. Use a value above 0 to 1.");
  EXPECT_EQ(ErrorOf("l2_regularization", "-1"),
            "l2_regularization is -1. Use a value from 0 up, finite.");
  EXPECT_EQ(ErrorOf("l2_regularization", "inf"), "l2_regularization is inf. Use a finite number.");
  EXPECT_EQ(ErrorOf("tol", "nan"), "tol is nan. Use a finite number.");
  EXPECT_EQ(ErrorOf("random_state", "-1"), "random_state is -1. Use a value from 0 to 9e+18.");
}

}  // namespace
}  // namespace ramet
