// T3, T4: category keys, however the rows are cut, sliced and encoded.
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "ramet/table/table.h"
#include "ramet/table/testing.h"

namespace ramet {
namespace {

using Random = std::mt19937_64;
using Keys = std::vector<std::optional<CategoryKey>>;

Result<Keys> ReadAllKeys(const TestTable& test, Random& random) {
  const Table table =
      test.ToTable(RandomChunkSizes(test.num_rows(), random), {random() % 11, random() % 11});
  Keys keys;
  for (size_t c = 0; c < table.num_chunks(); ++c) {
    const ColumnView column = table.chunk(c).column(0);
    std::vector<KeyView> views(column.length());
    const size_t middle = random() % column.length();
    RAMET_RETURN_IF_ERROR(column.ReadKeys(0, middle, views.data()));
    RAMET_RETURN_IF_ERROR(column.ReadKeys(middle, column.length(), views.data() + middle));
    for (const KeyView& view : views) {
      keys.push_back(view.kind == KeyView::Kind::kMissing ? std::nullopt
                                                          : std::optional(view.ToKey()));
    }
  }
  return keys;
}

template <class T>
Keys KeysOf(const std::vector<std::optional<T>>& values, int64_t factor = 1) {
  Keys keys(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    if (!values[i]) continue;
    if constexpr (std::is_same_v<T, std::string>) {
      keys[i].emplace(*values[i]);
    } else {
      keys[i].emplace(static_cast<int64_t>(*values[i]) * factor);
    }
  }
  return keys;
}

std::vector<std::optional<std::string>> RandomStrings(Random& random) {
  std::vector<std::optional<std::string>> values(1 + random() % 100);
  for (auto& value : values) {
    if (random() % 5 == 0) continue;
    value = "";
    for (size_t length = random() % 30; length > 0; --length)
      *value += static_cast<char>(random() % 256);
  }
  return values;
}

TEST(ReadKeys, StringsOfAllEncodingsAreTheirBytes) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const auto values = RandomStrings(random);
    for (const std::string format : {"u", "U", "vu"}) {
      SCOPED_TRACE(format);
      EXPECT_EQ(*ReadAllKeys(TestTable().Add("s", values, format), random), KeysOf(values));
      std::vector<std::optional<int8_t>> indices;
      for (size_t i = 0; i < values.size(); ++i) indices.push_back(static_cast<int8_t>(i));
      EXPECT_EQ(
          *ReadAllKeys(TestTable().AddDictionary<std::string, int8_t>("s", indices, values, format),
                       random),
          KeysOf(values));
    }
    EXPECT_EQ(*ReadAllKeys(TestTable().AddCategory("s", values), random), KeysOf(values));
  }
}

TEST(ReadKeys, IntegersOfAllTypesAreTheirValues) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    std::vector<std::optional<int8_t>> small(1 + random() % 50);
    for (auto& value : small) {
      if (random() % 5 != 0) value = static_cast<int8_t>(random() % 128);
    }
    const Keys expected = KeysOf(small);
    const auto check = [&](auto type, const char* format = "") {
      std::vector<std::optional<decltype(type)>> values;
      for (const auto& value : small) {
        values.push_back(value ? std::optional(static_cast<decltype(type)>(*value)) : std::nullopt);
      }
      EXPECT_EQ(*ReadAllKeys(TestTable().Add("v", values, format), random), expected) << format;
    };
    check(int8_t{});
    check(uint8_t{});
    check(int16_t{});
    check(uint16_t{});
    check(int32_t{});
    check(uint32_t{});
    check(int64_t{});
    check(uint64_t{});
    check(float{});
    check(double{});
    check(int32_t{}, "d:9,0,32");
    check(int64_t{}, "d:18,0,64");
    check(int64_t{}, "tsu:UTC");
  }
}

TEST(ReadKeys, TimesAreMicroseconds) {
  Random random(1);
  const std::vector<std::optional<int64_t>> values = {0, -5, std::nullopt, 86'400};
  EXPECT_EQ(*ReadAllKeys(TestTable().Add("v", values, "tss:"), random), KeysOf(values, 1'000'000));
  EXPECT_EQ(*ReadAllKeys(TestTable().Add("v", values, "tdm"), random), KeysOf(values, 1'000));
  const std::vector<std::optional<int32_t>> days = {0, -1, std::nullopt, INT32_MAX / 1000};
  EXPECT_EQ(*ReadAllKeys(TestTable().Add("v", days, "tdD"), random), KeysOf(days, 86'400'000'000));
  const std::vector<std::optional<int64_t>> nanoseconds = {3000, -7000};
  EXPECT_EQ(*ReadAllKeys(TestTable().Add("v", nanoseconds, "tsn:"), random),
            (Keys{CategoryKey(3), CategoryKey(-7)}));
}

TEST(ReadKeys, ValuesThatAreNoIntegersMayBeOther) {
  const double infinity = std::numeric_limits<double>::infinity();
  const Table table =
      TestTable().Add("v", std::vector<double>{7, kMissing, 2.5, infinity, 0x1p63}).ToTable();
  std::vector<KeyView> keys(table.num_rows());
  ASSERT_TRUE(
      table.chunk(0).column(0).ReadKeys(0, keys.size(), keys.data(), UnfitKeys::kOther).ok());
  using Kind = KeyView::Kind;
  const std::vector<Kind> expected = {Kind::kInteger, Kind::kMissing, Kind::kOther, Kind::kOther,
                                      Kind::kOther};
  for (size_t i = 0; i < keys.size(); ++i) EXPECT_EQ(keys[i].kind, expected[i]) << i;
}

TEST(ReadKeys, ValuesThatAreNoIntegersAreNamed) {
  const auto error_of = [](const TestTable& test, size_t first_row = 0) {
    const Table table = test.ToTable();
    std::vector<KeyView> keys(table.num_rows());
    const Status status = table.chunk(0).column(0).ReadKeys(0, keys.size(), keys.data(),
                                                            UnfitKeys::kRefuse, first_row);
    return status.ok() ? std::string() : status.error().message;
  };
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(error_of(TestTable().Add("v", std::vector<double>{1, kMissing, 2.5})),
            "column \"v\", row 3: as a category, 2.5 is not an integer.");
  EXPECT_EQ(error_of(TestTable().Add("v", std::vector<double>{1, kMissing, 2.5}), 10),
            "column \"v\", row 13: as a category, 2.5 is not an integer.");
  EXPECT_NE(
      error_of(TestTable().Add("v", std::vector<double>{infinity})).find("inf is not an integer"),
      std::string::npos);
  EXPECT_NE(error_of(TestTable().Add("v", std::vector<double>{0x1p63})).find("does not fit"),
            std::string::npos);
  EXPECT_EQ(error_of(TestTable().Add("v", std::vector<double>{-0x1p63})), "");
  EXPECT_NE(
      error_of(TestTable().Add("v", std::vector<uint64_t>{uint64_t{1} << 63})).find("exceeds"),
      std::string::npos);
  EXPECT_EQ(error_of(TestTable().Add("v", std::vector<uint64_t>{INT64_MAX})), "");
  EXPECT_NE(error_of(TestTable().Add("v", std::vector<int64_t>{125}, "d:18,2,64"))
                .find("-2 is not an integer"),
            std::string::npos);
  EXPECT_EQ(error_of(TestTable().Add("v", std::vector<int64_t>{12500, INT64_MIN}, "d:18,0,64")),
            "");
  EXPECT_NE(
      error_of(TestTable().Add("v", std::vector<int64_t>{1001}, "tsn:")).find("whole microseconds"),
      std::string::npos);
  EXPECT_NE(
      error_of(TestTable().Add("v", std::vector<int64_t>{INT64_MAX}, "tss:")).find("does not fit"),
      std::string::npos);
  // Unused dictionary entries never show (T3).
  EXPECT_EQ(error_of(TestTable().AddDictionary<double>("v", {1, std::nullopt}, {0.5, 2.0})), "");
}

TEST(ReadKeys, CodesAreTheEntriesOfTheChunksDictionary) {
  const Table table = TestTable().AddCategory("c", {"a", "b", std::nullopt, "a"}).ToTable();
  KeyView keys[4];
  ASSERT_TRUE(table.chunk(0).column(0).ReadKeys(0, 4, keys).ok());
  EXPECT_EQ(keys[0].code, 0);
  EXPECT_EQ(keys[1].code, 1);
  EXPECT_EQ(keys[2].code, -1);
  EXPECT_EQ(keys[3].code, 0);
}

TEST(CategoryKey, IntegersComeBeforeStringsAndStringsAreOrderedByBytes) {
  EXPECT_LT(CategoryKey(INT64_MAX), CategoryKey(std::string()));
  EXPECT_LT(CategoryKey(-1), CategoryKey(0));
  EXPECT_LT(CategoryKey("z"), CategoryKey("\xc3\xa4"));
  EXPECT_EQ(ToString(CategoryKey(-7)), "-7");
  EXPECT_EQ(ToString(CategoryKey("x")), "x");
}

}  // namespace
}  // namespace ramet
