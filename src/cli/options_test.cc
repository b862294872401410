#include "cli/options.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace ramet {
namespace {

using Parameters = std::vector<std::pair<std::string, std::string>>;

const Parameters kBoth = {{"learning_rate", "0.05"}, {"loss", "logistic"}};

TEST(ParameterFile, JsonAndLinesSayTheSame) {
  const std::string texts[] = {
      "{\"learning_rate\": 0.05, \"loss\": \"logistic\"}",
      "learning_rate = 0.05\nloss = logistic\n",
      "# comment\n\n learning-rate=0.05 # slow\nloss = \"logistic\"  # for two classes\n",
      "learning_rate = '0.05'\r\nloss = 'logistic'\r\n",
  };
  for (const std::string& text : texts) {
    const auto parameters = ParseParameters(text, "p.toml");
    ASSERT_TRUE(parameters.ok()) << text << "\n" << parameters.error().message;
    EXPECT_EQ(*parameters, kBoth) << text;
  }
}

TEST(ParameterFile, RefusalsNameFileAndPlace) {
  const std::pair<std::string, std::string> cases[] = {
      {"learning_rate 0.05\n", "line 1"},
      {"\n\nloss = \"logistic\nmax_iter = 3\n", "line 3"},
      {"loss =\n", "line 1"},
      {"[train]\nloss = logistic\n", "p.toml"},
      {"{\"loss\": ", "JSON"},
      {"{\"loss\": [1]}", "\"loss\""},
      {"{\"loss\": null}", "\"loss\""},
      {"loss = a\nloss = b\n", "twice"},
      {"max-iter = 1\nmax_iter = 2\n", "twice"},
  };
  for (const auto& [text, expected] : cases) {
    const auto parameters = ParseParameters(text, "p.toml");
    ASSERT_FALSE(parameters.ok()) << text;
    EXPECT_EQ(parameters.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(parameters.error().message.find("p.toml"), std::string::npos);
    EXPECT_NE(parameters.error().message.find(expected), std::string::npos)
        << parameters.error().message;
  }
}

TEST(ParameterFile, AnyBytesAreAnErrorOrParameters) {
  const unsigned seed = std::random_device()();
  std::mt19937 random(seed);
  const std::string letters = "ab=\"'#{}[]:,\n\r\t 01.\\\xff";
  for (int round = 0; round < 20'000; ++round) {
    std::string text(random() % 40, ' ');
    for (char& c : text) c = letters[random() % letters.size()];
    const auto parameters = ParseParameters(text, "p.toml");
    if (parameters.ok()) continue;
    EXPECT_NE(parameters.error().message.find("p.toml"), std::string::npos) << "seed " << seed;
  }
}

TEST(ReaderFlags, TypesAndDelimiterAreTakenApart) {
  ReaderFlags flags;
  flags.types = {"zip=string", "a=b=int64"};
  flags.delimiter = "\\t";
  const auto options = flags.ToReadOptions();
  ASSERT_TRUE(options.ok()) << options.error().message;
  const Parameters expected = {{"zip", "string"}, {"a=b", "int64"}};
  EXPECT_EQ(options->types, expected);
  EXPECT_EQ(options->delimiter, '\t');
  for (const char* bad : {"zip", "=string", "zip="}) {
    flags.types = {bad};
    EXPECT_FALSE(flags.ToReadOptions().ok()) << bad;
  }
  flags.types.clear();
  flags.delimiter = ";;";
  EXPECT_FALSE(flags.ToReadOptions().ok());
}

TEST(ParameterFlags, EveryParameterHasOneFlagAndFlagsWin) {
  for (const ParameterInfo& info : AllParameters()) {
    CLI::App app;
    ParameterFlags flags;
    flags.AddTo(app);
    std::string flag = "--" + std::string(info.name);
    std::replace(flag.begin(), flag.end(), '_', '-');
    const std::string value = GetParameter(TrainParameters(), info.name);
    std::vector<std::string> words =  // last word first, as CLI11 takes them
        value.empty() ? std::vector<std::string>{value, flag}
                      : std::vector<std::string>{flag + "=" + value};
    ASSERT_NO_THROW(app.parse(words)) << flag;
    const auto given = flags.Given();
    ASSERT_TRUE(given.ok());
    EXPECT_EQ(*given, (Parameters{{std::string(info.name), value}}));
  }
}

TEST(Apply, NamesTheFlagOfAValueThatCannotBe) {
  TrainParameters parameters;
  const Status status = Apply({{"learning_rate", "fast"}}, parameters);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(status.error().message.find("--learning-rate fast"), std::string::npos);
}

TEST(RequireDistinct, NamesTheColumn) {
  EXPECT_TRUE(RequireDistinct({"a", "b"}, "--features").ok());
  const Status status = RequireDistinct({"a", "b", "a"}, "--features");
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find("\"a\""), std::string::npos);
}

}  // namespace
}  // namespace ramet
