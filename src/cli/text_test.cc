#include "cli/text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "cli/output.h"

namespace ramet {
namespace {

TEST(Text, NumbersReadWell) {
  EXPECT_EQ(Thousands(0), "0");
  EXPECT_EQ(Thousands(999), "999");
  EXPECT_EQ(Thousands(1000), "1,000");
  EXPECT_EQ(Thousands(1234567), "1,234,567");
  EXPECT_EQ(Count(1, "row"), "1 row");
  EXPECT_EQ(Count(2000, "row"), "2,000 rows");
}

TEST(Text, DurationsAtTheirBorders) {
  EXPECT_EQ(Duration(0.4211), "0.42 s");
  EXPECT_EQ(Duration(12.34), "12.3 s");
  EXPECT_EQ(Duration(59.99), "1 min 00 s");
  EXPECT_EQ(Duration(125), "2 min 05 s");
  EXPECT_EQ(Duration(3600 * 3 + 7 * 60), "3 h 07 min");
  EXPECT_EQ(Duration(std::nan("")), "0.00 s");
  EXPECT_EQ(Duration(-1), "0.00 s");
}

TEST(Text, TablesAlign) {
  EXPECT_EQ(AlignedTable({{"name", "n"}, {"é", "10"}, {"abcdef", "1"}}, {1}),
            "name     n\n"
            "é       10\n"
            "abcdef   1\n");
}

TEST(Csv, FieldsAreQuotedWhereTheyMust) {
  EXPECT_EQ(CsvField("plain"), "plain");
  EXPECT_EQ(CsvField("a,b"), "\"a,b\"");
  EXPECT_EQ(CsvField("say \"hi\"\n"), "\"say \"\"hi\"\"\n\"");
}

TEST(Csv, NumbersReadBackEqual) {
  const unsigned seed = std::random_device()();
  std::mt19937_64 random(seed);
  for (int i = 0; i < 100'000; ++i) {
    const uint64_t bits = random();
    double value;
    std::memcpy(&value, &bits, sizeof value);
    if (!std::isfinite(value)) continue;
    std::string text;
    AppendNumber(value, text);
    EXPECT_EQ(std::strtod(text.c_str(), nullptr), value) << "seed " << seed;
  }
}

TEST(Csv, RowsComeInOrderOnAnyNumberOfThreads) {
  const std::vector<CsvColumn> columns = {
      [](size_t row, std::string& text) { text += std::to_string(row); },
      [](size_t row, std::string& text) { text += std::to_string(row % 7); }};
  for (size_t rows : {0, 1, 4096, 4097, 100'000}) {
    std::string expected;
    for (size_t i = 0; i < rows; ++i)
      expected += std::to_string(i) + "," + std::to_string(i % 7) + "\n";
    for (int threads : {1, 2, 5}) {
      Context context;
      context.threads = threads;
      std::string text;
      const Status status = WriteCsvRows(context, rows, columns, [&](std::string_view part) {
        text += part;
        return Status();
      });
      ASSERT_TRUE(status.ok());
      EXPECT_EQ(text, expected) << rows << " rows, " << threads << " threads";
    }
  }
}

}  // namespace
}  // namespace ramet
