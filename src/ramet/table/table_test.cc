#include "ramet/table/table.h"

#include <gtest/gtest.h>

#include "ramet/table/testing.h"

namespace ramet {
namespace {

TEST(TestTableHelper, ReadsBackWhatItWasGiven) {
  const Table table = TestTable()
                          .Add("x", std::vector<double>{1.5, 2, -0.0})
                          .Add("n", std::vector<std::optional<int64_t>>{1, std::nullopt, 3})
                          .Add("s", std::vector<std::string>{"a", "b", "a"})
                          .Add("b", std::vector<bool>{true, false, true})
                          .AddCategory("c", {"red", std::nullopt, "blue"})
                          .ToTable({2, 1});
  ASSERT_EQ(table.num_chunks(), 2u);
  EXPECT_EQ(table.num_rows(), 3u);
  EXPECT_EQ(table.chunk_begin(1), 2u);
  double x[2];
  table.chunk(0).column(0).ReadNumbers(0, 2, x);
  EXPECT_EQ(x[0], 1.5);
  EXPECT_EQ(x[1], 2);
  KeyView keys[2];
  ASSERT_TRUE(table.chunk(0).column(4).ReadKeys(0, 2, keys).ok());
  EXPECT_EQ(keys[0].string, "red");
  EXPECT_EQ(keys[1].kind, KeyView::Kind::kMissing);
  ASSERT_TRUE(table.chunk(1).column(4).ReadKeys(0, 1, keys).ok());
  EXPECT_EQ(keys[0].ToKey(), CategoryKey("blue"));
}

}  // namespace
}  // namespace ramet
