#include "cli/progress.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

namespace ramet {
namespace {

RoundReport Report(size_t round, size_t rounds, double seconds) {
  RoundReport report;
  report.round = round;
  report.rounds = rounds;
  report.seconds = seconds;
  return report;
}

TEST(Progress, BarFillsFromLeftToRight) {
  EXPECT_EQ(Bar(0, 100, 10), "[----------]");
  EXPECT_EQ(Bar(55, 100, 10), "[#####-----]");
  EXPECT_EQ(Bar(100, 100, 10), "[##########]");
  EXPECT_EQ(Bar(7, 0, 10), "[----------]");
}

TEST(Progress, RemainingTimeCountsThisRunsRoundsOnly) {
  EXPECT_EQ(DescribeRound(Report(50, 100, 5), 0), "round 50/100  5.00 s, 5.00 s left");
  EXPECT_EQ(DescribeRound(Report(60, 100, 5), 50), "round 60/100  5.00 s, 20.0 s left");
  EXPECT_EQ(DescribeRound(Report(100, 100, 5), 0), "round 100/100  5.00 s");
}

TEST(Progress, ALogGetsFewPlainLinesAndTheLastRound) {
  std::ostringstream out, err;
  const Console console{out, err, false, 80, nullptr};
  {
    Progress progress(console, false);
    for (size_t round = 1; round <= 1000; ++round)
      progress.Round(Report(round, 1000, static_cast<double>(round) / 100));
  }
  const std::string text = err.str();
  const auto lines = std::count(text.begin(), text.end(), '\n');
  EXPECT_GE(lines, 3);
  EXPECT_LE(lines, 7);
  EXPECT_NE(text.find("round 1,000/1,000"), std::string::npos);
  EXPECT_EQ(text.find('\r'), std::string::npos);
  EXPECT_EQ(text.find('\033'), std::string::npos);
  EXPECT_TRUE(out.str().empty());
}

TEST(Progress, ATerminalGetsOneLineThatFits) {
  for (int columns : {20, 40, 80, 200}) {
    std::ostringstream out, err;
    const Console console{out, err, true, columns, nullptr};
    {
      Progress progress(console, false);
      progress.Round(Report(1, 2, 1));
      progress.Round(Report(2, 2, 2));
    }
    const std::string text = err.str();
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
    const std::string last = text.substr(text.rfind("\033[K") + 3);
    EXPECT_LE(last.size(), static_cast<size_t>(columns) + 1) << last;
  }
}

TEST(Progress, QuietKeepsWarnings) {
  std::ostringstream out, err;
  const Console console{out, err, false, 80, nullptr};
  Progress progress(console, true);
  progress.Stage("reading");
  progress.Round(Report(1, 2, 1));
  EXPECT_TRUE(err.str().empty());
  progress.Warn("digits are lost");
  EXPECT_EQ(err.str(), "ramet: warning: digits are lost\n");
}

}  // namespace
}  // namespace ramet
