// T1, T2, T4: every numeric type against a naive oracle, however the rows are cut and sliced.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <random>
#include <string>

#include "ramet/base/exact_sum.h"
#include "ramet/table/table.h"
#include "ramet/table/testing.h"

namespace ramet {
namespace {

using Random = std::mt19937_64;

// Bit patterns, so that -0 and NaN payloads count.
std::vector<uint64_t> Bits(const std::vector<double>& values) {
  std::vector<uint64_t> bits;
  for (const double value : values) bits.push_back(std::bit_cast<uint64_t>(value));
  return bits;
}

// The column through random chunks, slices and read ranges.
std::vector<double> ReadInPieces(const TestTable& test, Random& random) {
  const Table table =
      test.ToTable(RandomChunkSizes(test.num_rows(), random), {random() % 11, random() % 11});
  std::vector<double> values;
  for (size_t c = 0; c < table.num_chunks(); ++c) {
    const ColumnView column = table.chunk(c).column(0);
    for (size_t begin = 0; begin < column.length();) {
      const size_t end = begin + 1 + random() % (column.length() - begin);
      const size_t old = values.size();
      values.resize(old + end - begin);
      column.ReadNumbers(begin, end, values.data() + old);
      begin = end;
    }
  }
  return values;
}

// What glibc, which rounds correctly, makes of a decimal text.
double FromText(const std::string& text) { return std::strtod(text.c_str(), nullptr) + 0.0; }

std::string ToText(int128_t value) {
  const bool negative = value < 0;
  std::string text;
  do {
    const int digit = static_cast<int>(value % 10);
    text += static_cast<char>('0' + std::abs(digit));
    value /= 10;
  } while (value != 0);
  if (negative) text += '-';
  std::reverse(text.begin(), text.end());
  return text;
}

// All bit lengths alike, and the borders of float64's exact integers.
template <class T>
T AdversarialInteger(Random& random) {
  using Unsigned = std::make_unsigned_t<T>;
  switch (random() % 6) {
    case 0:
      return std::numeric_limits<T>::min();
    case 1:
      return std::numeric_limits<T>::max();
    case 2:
      return static_cast<T>((uint64_t{1} << 53) + random() % 5 - 2);
    case 3:
      return static_cast<T>((uint64_t{1} << (random() % 64)) + random() % 3 - 1);
    default: {
      const auto value = static_cast<T>(static_cast<Unsigned>(random() >> (random() % 64)));
      return random() % 2 == 0 ? value : static_cast<T>(-static_cast<Unsigned>(value));
    }
  }
}

template <class T, class Draw>
std::vector<std::optional<T>> WithNulls(size_t rows, double null_share, Random& random, Draw draw) {
  std::vector<std::optional<T>> values(rows);
  for (auto& value : values) {
    if (static_cast<double>(random() % 1000) >= null_share * 1000) value = draw();
  }
  return values;
}

template <class T, class Oracle>
std::vector<double> Expected(const std::vector<std::optional<T>>& values, Oracle oracle) {
  std::vector<double> expected;
  for (const auto& value : values) expected.push_back(value ? oracle(*value) : kMissing);
  return expected;
}

template <class T>
void CheckStored(const std::string& format, const std::function<T(Random&)>& draw,
                 const std::function<double(T)>& oracle) {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE("format " + format + ", seed " + std::to_string(seed));
    Random random(seed);
    const size_t rows = seed == 0 ? 1 : 1 + random() % 200;
    const auto values =
        WithNulls<T>(rows, seed % 3 == 0 ? 0.0 : 0.3, random, [&] { return draw(random); });
    TestTable test;
    test.Add("v", values, format);
    ASSERT_EQ(Bits(ReadInPieces(test, random)), Bits(Expected(values, oracle)));

    // The same values through a dictionary, whose entries stand in any order and may be unused.
    std::vector<std::optional<T>> entries = values;
    entries.push_back(draw(random));
    std::vector<size_t> places(entries.size());
    for (size_t i = 0; i < places.size(); ++i) places[i] = i;
    std::shuffle(places.begin(), places.end(), random);
    std::vector<std::optional<T>> shuffled(entries.size());
    std::vector<std::optional<uint16_t>> indices(rows);
    for (size_t i = 0; i < places.size(); ++i) shuffled[places[i]] = entries[i];
    for (size_t i = 0; i < rows; ++i) {
      if (values[i] || random() % 2 == 0) indices[i] = static_cast<uint16_t>(places[i]);
    }
    TestTable dictionary;
    dictionary.AddDictionary<T, uint16_t>("v", indices, shuffled, format);
    ASSERT_EQ(Bits(ReadInPieces(dictionary, random)), Bits(Expected(values, oracle)));
  }
}

template <class T>
void CheckIntegers(const std::string& format, const std::string& exponent = "",
                   int128_t factor = 1) {
  CheckStored<T>(format, AdversarialInteger<T>,
                 [=](T value) { return FromText(ToText(int128_t{value} * factor) + exponent); });
}

TEST(ReadNumbers, IntegersRoundToNearestEven) {
  CheckIntegers<int8_t>("c");
  CheckIntegers<uint8_t>("C");
  CheckIntegers<int16_t>("s");
  CheckIntegers<uint16_t>("S");
  CheckIntegers<int32_t>("i");
  CheckIntegers<uint32_t>("I");
  CheckIntegers<int64_t>("l");
  CheckIntegers<uint64_t>("L");
}

TEST(ReadNumbers, TimesAreMicroseconds) {
  CheckIntegers<int32_t>("tdD", "", int128_t{86'400'000'000});
  CheckIntegers<int64_t>("tdm", "", 1000);
  CheckIntegers<int32_t>("tts", "", 1'000'000);
  CheckIntegers<int32_t>("ttm", "", 1000);
  CheckIntegers<int64_t>("ttu");
  CheckIntegers<int64_t>("ttn", "e-3");
  CheckIntegers<int64_t>("tss:", "", 1'000'000);
  CheckIntegers<int64_t>("tsm:Europe/Berlin", "", 1000);
  CheckIntegers<int64_t>("tsu:UTC");
  CheckIntegers<int64_t>("tsn:", "e-3");
  CheckIntegers<int64_t>("tDs", "", 1'000'000);
  CheckIntegers<int64_t>("tDn", "e-3");
}

TEST(ReadNumbers, NanosecondsOfOurDaysRoundToNearestEven) {
  CheckStored<int64_t>(
      "tsn:",
      [](Random& random) {
        return static_cast<int64_t>(1'700'000'000'000'000'000 + random() % 1'000'000'000'000);
      },
      [](int64_t value) { return FromText(std::to_string(value) + "e-3"); });
}

TEST(ReadNumbers, FloatsAreExactAndCanonical) {
  CheckStored<double>(
      "g",
      [](Random& random) {
        return std::bit_cast<double>(random() & ~(random() % 4 == 0 ? ~(uint64_t{1} << 63) : 0));
      },
      [](double value) { return value != value ? kMissing
                                : value == 0   ? 0.0
                                               : value; });
  CheckStored<float>(
      "f", [](Random& random) { return std::bit_cast<float>(static_cast<uint32_t>(random())); },
      [](float value) {
        return value != value ? kMissing : value == 0 ? 0.0 : static_cast<double>(value);
      });
  CheckStored<bool>(
      "b", [](Random& random) { return random() % 2 == 0; },
      [](bool value) { return value ? 1.0 : 0.0; });
}

double HalfOracle(uint16_t half) {
  const int exponent = half >> 10 & 31;
  const int mantissa = half & 1023;
  const double sign = half >> 15 ? -1 : 1;
  if (exponent == 31) return mantissa != 0 ? kMissing : sign * HUGE_VAL;
  const double magnitude =
      exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  return magnitude == 0 ? 0.0 : sign * magnitude;
}

TEST(ReadNumbers, AllHalfFloats) {
  std::vector<uint16_t> all;
  for (uint32_t bits = 0; bits < 65536; ++bits) all.push_back(static_cast<uint16_t>(bits));
  const Table table = TestTable().Add("v", all, "e").ToTable();
  std::vector<double> values(all.size()), expected;
  table.chunk(0).column(0).ReadNumbers(0, all.size(), values.data());
  for (const uint16_t half : all) expected.push_back(HalfOracle(half));
  EXPECT_EQ(Bits(values), Bits(expected));
}

// A decimal of kWords words (or one half) from its digits, by schoolbook arithmetic.
template <size_t kWords>
std::array<uint64_t, kWords> DecimalFromText(const std::string& text) {
  std::array<uint64_t, kWords> words = {};
  for (const char c : text) {
    if (c == '-') continue;
    uint64_t carry = static_cast<uint64_t>(c - '0');
    for (uint64_t& word : words) {
      // In halves of 32 bits, so that no product overflows.
      const uint64_t low = (word & 0xffffffff) * 10 + carry;
      const uint64_t high = (word >> 32) * 10 + (low >> 32);
      word = high << 32 | (low & 0xffffffff);
      carry = high >> 32;
    }
  }
  if (text[0] != '-') return words;
  uint64_t add = 1;
  for (uint64_t& word : words) {
    word = ~word + add;
    add = add != 0 && word == 0;
  }
  return words;
}

template <size_t kWords>
void CheckDecimals(const std::string& bits, size_t max_digits) {
  for (const int scale : {0, 2, 10, 22, 23, 37, 76, -3, -30}) {
    for (uint64_t seed = 0; seed < 20; ++seed) {
      SCOPED_TRACE("bits " + bits + ", scale " + std::to_string(scale) + ", seed " +
                   std::to_string(seed));
      Random random(seed);
      std::vector<std::array<uint64_t, kWords>> stored;
      std::vector<double> expected;
      for (int i = 0; i < 50; ++i) {
        std::string text;
        if (random() % 4 == 0) {  // half way between two float64 values
          text = std::to_string((uint64_t{1} << 53) * 4 + 2 * (random() % 8));
        } else {
          for (size_t digits = 1 + random() % max_digits; digits > 0; --digits) {
            text += static_cast<char>('0' + random() % 10);
          }
        }
        text = text.substr(0, max_digits);
        if (random() % 2 == 0) text.insert(text.begin(), '-');
        stored.push_back(DecimalFromText<kWords>(text));
        expected.push_back(FromText(text + "e" + std::to_string(-scale)));
      }
      TestTable test;
      test.Add("v", stored, "d:" + std::to_string(max_digits) + "," + std::to_string(scale) + bits);
      ASSERT_EQ(Bits(ReadInPieces(test, random)), Bits(expected));
    }
  }
}

TEST(ReadNumbers, DecimalsAreCorrectlyRounded) {
  CheckDecimals<1>(",64", 18);
  CheckDecimals<2>("", 38);
  CheckDecimals<2>(",128", 38);
  CheckDecimals<4>(",256", 76);
  CheckStored<int32_t>("d:9,4,32", AdversarialInteger<int32_t>,
                       [](int32_t value) { return FromText(std::to_string(value) + "e-4"); });
}

TEST(ReadNumbers, NullColumnsAreMissing) {
  Random random(1);
  TestTable test;
  test.Add("v", std::vector<double>(10), "n");
  EXPECT_EQ(Bits(ReadInPieces(test, random)), Bits(std::vector<double>(10, kMissing)));
}

TEST(ReadNumbers, BuffersNeedNoAlignment) {
  const std::vector<double> values = {1, -2.5, 3e300, 4, 5};
  std::vector<char> bytes(1 + values.size() * sizeof(double));
  std::memcpy(bytes.data() + 1, values.data(), values.size() * sizeof(double));
  const TestTable test = TestTable().Add("v", values);
  ArrowArrayStream stream = test.ToArrowStream();
  Result<TableStream> imported = TableStream::Import(&stream);
  ASSERT_TRUE(imported.ok());
  ArrowArray array = test.ToArrowArray(0, values.size());
  array.children[0]->buffers[1] = bytes.data() + 1;
  const Result<Chunk> chunk = Chunk::Import(imported->shared_schema(), &array);
  std::vector<double> read(values.size());
  chunk->column(0).ReadNumbers(0, values.size(), read.data());
  EXPECT_EQ(read, values);
}

TEST(LosesDigits, LooksAtUsedValuesOnly) {
  const int64_t exact = int64_t{1} << 53;
  const auto loses = [](const TestTable& test) {
    return test.ToTable().chunk(0).column(0).LosesDigits();
  };
  EXPECT_FALSE(loses(TestTable().Add("v", std::vector<int64_t>{exact, -exact})));
  EXPECT_TRUE(loses(TestTable().Add("v", std::vector<int64_t>{0, exact + 1})));
  EXPECT_TRUE(loses(TestTable().Add("v", std::vector<int64_t>{0, -exact - 1})));
  EXPECT_TRUE(loses(TestTable().Add("v", std::vector<uint64_t>{UINT64_MAX})));
  EXPECT_TRUE(loses(TestTable().Add("v", std::vector<std::array<uint64_t, 2>>{{0, 1}}, "d:38,0")));
  EXPECT_FALSE(loses(TestTable().Add(
      "v", std::vector<std::array<uint64_t, 2>>{{~uint64_t{0}, ~uint64_t{0}}}, "d:38,0")));
  EXPECT_FALSE(loses(TestTable().Add("v", std::vector<double>{1e300})));
  EXPECT_FALSE(loses(TestTable().AddDictionary<int64_t>("v", {0, std::nullopt}, {1, exact + 1})));
  EXPECT_TRUE(loses(TestTable().AddDictionary<int64_t>("v", {0, 1}, {1, exact + 1})));
}

}  // namespace
}  // namespace ramet
