// T1 to T4 of columns in memory: every type, whatever its strides, reads as the same values through
// Arrow, whose reading is tested against oracles.
#include <gtest/gtest.h>

#include <bit>
#include <random>
#include <string>

#include "ramet/table/strided_testing.h"
#include "ramet/table/table.h"
#include "ramet/table/testing.h"

namespace ramet {
namespace {

using Random = std::mt19937_64;

// Random bits of the type, or small integers, which are category keys too.
template <class T>
std::vector<T> RandomValues(Random& random, size_t count) {
  std::vector<T> values(count);
  const bool small = random() % 2 == 0;
  for (T& value : values) {
    const uint64_t bits = random();
    if (small)
      value = static_cast<T>(bits % 100);
    else
      std::memcpy(&value, &bits, sizeof(T));
  }
  return values;
}
template <>
std::vector<uint8_t> RandomValues<uint8_t>(Random& random, size_t count) {
  std::vector<uint8_t> values(count);
  for (uint8_t& value : values) value = static_cast<uint8_t>(random() % 4 == 0 ? 0 : random());
  return values;
}

struct Readings {
  std::vector<uint64_t> numbers, numbers_at, floats;
  std::vector<std::string> keys;  // or the error, once
  bool loses_digits = false;
  bool operator==(const Readings&) const = default;
};

template <class T>
std::vector<uint64_t> Bits(const std::vector<T>& values) {
  std::vector<uint64_t> bits;
  for (const T value : values) bits.push_back(std::bit_cast<uint64_t>(static_cast<double>(value)));
  return bits;
}

// All that a view tells, of rows [begin, end) and of every `step`th row.
Readings ReadAll(const ColumnView& column, size_t begin, size_t end, size_t step) {
  Readings readings;
  std::vector<double> numbers(end - begin);
  column.ReadNumbers(begin, end, numbers.data());
  readings.numbers = Bits(numbers);
  constexpr size_t kFirstRow = 1000;
  std::vector<uint64_t> rows;
  for (size_t row = begin; row < end; row += step) rows.push_back(kFirstRow + row);
  numbers.resize(rows.size());
  column.ReadNumbersAt(rows, kFirstRow, numbers.data());
  readings.numbers_at = Bits(numbers);
  std::vector<float> scratch(end - begin);
  if (const float* floats = column.Float32Values(begin, end, scratch.data()))
    readings.floats = Bits(std::vector<float>(floats, floats + (end - begin)));
  std::vector<KeyView> keys(end - begin);
  const Status status = column.ReadKeys(begin, end, keys.data());
  if (!status.ok()) {
    readings.keys = {status.error().message};
  } else {
    for (const KeyView& key : keys)
      readings.keys.push_back(key.kind == KeyView::Kind::kMissing ? "" : ToString(key.ToKey()));
  }
  readings.loses_digits = column.LosesDigits();
  return readings;
}

// `Stored` is the type in memory, `T` what Arrow's builder takes of it.
template <class Stored, class T>
void EqualsArrow(ValueType type, const std::string& format) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(testing::Message() << ValueTypeName(type) << ", seed " << seed);
    Random random(seed);
    const size_t count = 1 + random() % 3000, columns = 1 + random() % 4;
    std::vector<std::vector<Stored>> values;
    for (size_t j = 0; j < columns; ++j) values.push_back(RandomValues<Stored>(random, count));
    const StridedMatrix matrix(type, values, random);
    const size_t begin = random() % count, end = begin + 1 + random() % (count - begin);
    const size_t step = 1 + random() % 40;
    for (size_t j = 0; j < columns; ++j) {
      const std::string name = "v";
      const Table arrow = TestTable()
                              .Add(name, std::vector<T>(values[j].begin(), values[j].end()), format)
                              .ToTable({}, {random() % 11, random() % 11});
      const ColumnView expected = arrow.chunk(0).column(0);
      const ColumnView got(name, matrix.view().column(j));
      ASSERT_EQ(got.length(), count);
      ASSERT_EQ(got.type(), type);
      ASSERT_EQ(ReadAll(got, begin, end, step), ReadAll(expected, begin, end, step));
    }
  }
}

TEST(StridedValues, ReadAsThroughArrow) {
  EqualsArrow<uint8_t, bool>(ValueType::kBool, "b");
  EqualsArrow<int8_t, int8_t>(ValueType::kInt8, "c");
  EqualsArrow<int16_t, int16_t>(ValueType::kInt16, "s");
  EqualsArrow<int32_t, int32_t>(ValueType::kInt32, "i");
  EqualsArrow<int64_t, int64_t>(ValueType::kInt64, "l");
  EqualsArrow<uint8_t, uint8_t>(ValueType::kUInt8, "C");
  EqualsArrow<uint16_t, uint16_t>(ValueType::kUInt16, "S");
  EqualsArrow<uint32_t, uint32_t>(ValueType::kUInt32, "I");
  EqualsArrow<uint64_t, uint64_t>(ValueType::kUInt64, "L");
  EqualsArrow<uint16_t, uint16_t>(ValueType::kFloat16, "e");
  EqualsArrow<float, float>(ValueType::kFloat32, "f");
  EqualsArrow<double, double>(ValueType::kFloat64, "g");
}

// A tile holds what its columns do, or refuses columns that it is not for.
TEST(ColumnTile, HoldsRowsOfItsColumns) {
  size_t copied = 0, refused = 0;
  const std::string name = "v";
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const size_t count = 1 + random() % 600, width = 1 + random() % ColumnTile::kMaxColumns;
    std::vector<std::vector<float>> values;
    for (size_t j = 0; j < width; ++j) values.push_back(RandomValues<float>(random, count));
    const StridedMatrix matrix(ValueType::kFloat32, values, random);
    std::vector<ColumnView> columns;
    for (size_t j = 0; j < width; ++j) columns.emplace_back(name, matrix.view().column(j));
    const size_t begin = random() % count;
    const size_t end = begin + 1 + random() % std::min(count - begin, ColumnTile::kMaxRows);
    ColumnTile tile;
    const bool contiguous = matrix.view().row_stride_bytes == sizeof(float);
    ASSERT_EQ(tile.Copy(columns, begin, end), !contiguous);
    ++(contiguous ? refused : copied);
    if (contiguous) continue;
    for (size_t j = 0; j < width; ++j) {
      ASSERT_EQ(tile.column(j).length(), end - begin);
      const Readings copy = ReadAll(tile.column(j), 0, end - begin, 1);
      const Readings original = ReadAll(columns[j], begin, end, 1);
      ASSERT_EQ(copy.floats, original.floats);
      ASSERT_EQ(copy.numbers, original.numbers);
    }
  }
  EXPECT_GT(copied, 50u);
  EXPECT_GT(refused, 10u);
}

TEST(ColumnTile, RefusesColumnsOfSeveralTypesOrStridesOrOfArrow) {
  const double numbers[8] = {};
  const std::string name = "v";
  const ColumnView a(name, {ValueType::kFloat64, numbers, 16, 4});
  const ColumnView other_stride(name, {ValueType::kFloat64, numbers, 24, 2});
  const ColumnView other_type(name, {ValueType::kInt64, numbers, 16, 4});
  const Table arrow = TestTable().Add("v", std::vector<double>{1, 2}).ToTable();
  ColumnTile tile;
  EXPECT_TRUE(tile.Copy(std::vector{a, a}, 0, 2));
  EXPECT_FALSE(tile.Copy(std::vector{a, other_stride}, 0, 2));
  EXPECT_FALSE(tile.Copy(std::vector{a, other_type}, 0, 2));
  EXPECT_FALSE(tile.Copy(std::vector{a, arrow.chunk(0).column(0)}, 0, 2));
  EXPECT_FALSE(tile.Copy(std::vector{arrow.chunk(0).column(0)}, 0, 2));
}

TEST(StridedValues, AStrideOfZeroRepeatsAValue) {
  const double value = 2.5;
  const std::string name = "v";
  const ColumnView column(name, {ValueType::kFloat64, &value, 0, 3});
  double read[3];
  column.ReadNumbers(0, 3, read);
  EXPECT_EQ(std::vector<double>(read, read + 3), std::vector<double>(3, 2.5));
}

// Rows by number, where Arrow has nulls, bits or a dictionary.
TEST(ReadNumbersAt, PicksWhatReadNumbersReads) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const size_t count = 1 + random() % 5000;
    std::vector<std::optional<float>> floats(count);
    std::vector<std::optional<bool>> bools(count);
    std::vector<std::optional<int32_t>> codes(count);
    for (size_t i = 0; i < count; ++i) {
      if (random() % 5 > 0) floats[i] = static_cast<float>(random() % 1000);
      if (random() % 5 > 0) bools[i] = random() % 2 == 0;
      if (random() % 5 > 0) codes[i] = static_cast<int32_t>(random() % 2);
    }
    const Table table = TestTable()
                            .Add("f", floats)
                            .Add("b", bools)
                            .AddDictionary<double>("d", codes, {1.5, std::nullopt})
                            .Add("n", std::vector<std::optional<int32_t>>(count), "n")
                            .ToTable({}, {random() % 11, random() % 11});
    std::vector<uint64_t> rows;
    for (size_t row = 0; row < count; ++row)
      if (random() % (1 + seed) == 0) rows.push_back(7 + row);
    for (size_t c = 0; c < 4; ++c) {
      const ColumnView column = table.chunk(0).column(c);
      std::vector<double> all(count), picked(rows.size()), expected;
      column.ReadNumbers(0, count, all.data());
      column.ReadNumbersAt(rows, 7, picked.data());
      for (uint64_t row : rows) expected.push_back(all[row - 7]);
      ASSERT_EQ(Bits(picked), Bits(expected)) << column.name();
    }
  }
}

// An array of its own, out of a one-column table.
struct ArrowParts {
  ArrowSchema schema = {};
  ArrowArray array = {};
  ArrowColumn column(std::string name) { return {std::move(name), &schema, &array}; }
};
ArrowParts PartsOf(const TestTable& test, Slices slices) {
  ArrowParts parts;
  ArrowSchema parent = test.ToArrowSchema();
  ArrowArray struct_array = test.ToArrowArray(0, test.num_rows(), slices);
  std::swap(parts.schema, *parent.children[0]);
  std::swap(parts.array, *struct_array.children[0]);
  parent.release(&parent);
  struct_array.release(&struct_array);
  return parts;
}

TEST(FromColumns, HoldsStridedAndArrowColumnsInOrder) {
  const float matrix[3][2] = {{1, 2}, {3, 4}, {5, 6}};
  const MatrixView view{ValueType::kFloat32, matrix, 3, 2, 2 * sizeof(float), sizeof(float)};
  ArrowParts text = PartsOf(TestTable().Add("s", std::vector<std::string>{"b", "a", "b"}), {0, 2});
  ArrowParts codes = PartsOf(TestTable().AddCategory("d", {"q", std::nullopt, "p"}), {0, 1});
  const Table table = *Table::FromColumns({{"x", view.column(0)}, {"y", view.column(1)}}, nullptr,
                                          {text.column("label"), codes.column("kind")});
  EXPECT_EQ(text.array.release, nullptr);
  EXPECT_EQ(text.schema.release, nullptr);
  ASSERT_EQ(table.num_rows(), 3u);
  ASSERT_EQ(table.num_chunks(), 1u);
  std::vector<std::string> names, formats;
  for (const Field& field : table.schema().fields) {
    names.push_back(field.name);
    formats.push_back(field.format);
  }
  EXPECT_EQ(names, (std::vector<std::string>{"x", "y", "label", "kind"}));
  EXPECT_EQ(formats, (std::vector<std::string>{"f", "f", "u", "u"}));
  EXPECT_TRUE(table.schema().fields[3].dictionary);
  double y[3];
  table.chunk(0).column(1).ReadNumbers(0, 3, y);
  EXPECT_EQ(std::vector<double>(y, y + 3), (std::vector<double>{2, 4, 6}));
  KeyView keys[3];
  ASSERT_TRUE(table.chunk(0).column(2).ReadKeys(0, 3, keys).ok());
  EXPECT_EQ(keys[1].string, "a");
  ASSERT_TRUE(table.chunk(0).column(3).ReadKeys(0, 3, keys).ok());
  EXPECT_EQ(keys[0].string, "q");
  EXPECT_EQ(keys[1].kind, KeyView::Kind::kMissing);
  EXPECT_EQ(keys[2].string, "p");
}

TEST(FromColumns, KeepsTheOwnerUntilItsRowsAreReleased) {
  auto owner = std::make_shared<std::vector<double>>(std::vector<double>{1, 2});
  const std::weak_ptr<const void> watch = owner;
  const StridedValues values{ValueType::kFloat64, owner->data(), sizeof(double), 2};
  Table table = *Table::FromColumns({{"x", values}}, std::move(owner));
  Table moved = std::move(table);
  EXPECT_FALSE(watch.expired());
  moved.Release(0);
  EXPECT_TRUE(watch.expired());
}

TEST(FromColumns, MayHaveNoRowsOrNoColumns) {
  const StridedValues none{ValueType::kInt8, nullptr, 1, 0};
  const Table empty = *Table::FromColumns({{"x", none}}, nullptr);
  EXPECT_EQ(empty.num_rows(), 0u);
  EXPECT_EQ(empty.schema().fields[0].type, ValueType::kInt8);
  EXPECT_EQ(Table::FromColumns({}, nullptr)->num_rows(), 0u);
}

TEST(FromColumns, RefusesWhatDoesNotFit) {
  const double values[3] = {1, 2, 3};
  const StridedValues three{ValueType::kFloat64, values, sizeof(double), 3};
  StridedValues two = three, text = three, nowhere = three;
  two.length = 2;
  text.type = ValueType::kString;
  nowhere.data = nullptr;
  const auto message = [](const Result<Table>& table) {
    return table.ok() ? "no error" : table.error().message;
  };
  EXPECT_EQ(message(Table::FromColumns({{"x", three}, {"y", two}}, nullptr)),
            "column \"y\" has 2 rows, the columns before it 3.");
  EXPECT_EQ(message(Table::FromColumns({{"x", text}}, nullptr)),
            "column \"x\": values of type string cannot be read from memory. Use bool, integers or "
            "floats, or Arrow.");
  EXPECT_EQ(message(Table::FromColumns({{"x", nowhere}}, nullptr)),
            "column \"x\": its memory is a null pointer.");
  ArrowParts pair = PartsOf(TestTable().Add("s", std::vector<std::string>{"a", "b"}), {});
  EXPECT_EQ(message(Table::FromColumns({{"x", three}}, nullptr, {pair.column("s")})),
            "column \"s\" has 2 rows, the columns before it 3.");
  EXPECT_EQ(message(Table::FromColumns({{"x", three}}, nullptr, {pair.column("s")})),
            "column \"s\": the Arrow array was released already.");
  ArrowParts list = PartsOf(TestTable().Add("s", std::vector<std::string>{"a", "b", "c"}), {});
  list.schema.format = "+l";
  EXPECT_EQ(
      message(Table::FromColumns({}, nullptr, {list.column("s")})),
      "column \"s\" is of type list, which Ramet does not read. Drop the column, or convert it "
      "to numbers, strings or times.");
}

}  // namespace
}  // namespace ramet
