// Schemas, chunks, streams and tables: what is accepted, what is refused and in which words, and
// that nothing leaks.
#include "ramet/table/table.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <functional>

#include "ramet/table/testing.h"

namespace ramet {
namespace {

TestTable Sample() {
  TestTable test;
  test.Add("x", std::vector<double>{1.5, 2, 3, 4})
      .Add("n", std::vector<std::optional<int64_t>>{1, std::nullopt, 3, 4})
      .Add("s", std::vector<std::string>{"a", "b", "a", "a long string, not in the view"}, "vu")
      .AddCategory("c", {"red", std::nullopt, "blue", "red"});
  return test;
}

TEST(Table, ReadsChunksInOrderAndSkipsEmptyOnes) {
  Table table = Sample().ToTable({0, 3, 0, 1, 0}, {2, 3});
  ASSERT_EQ(table.num_chunks(), 2u);
  EXPECT_EQ(table.num_rows(), 4u);
  EXPECT_EQ(table.chunk_begin(1), 3u);
  double x = 0;
  table.chunk(1).column(0).ReadNumbers(0, 1, &x);
  EXPECT_EQ(x, 4);
  table.Release(0);
  table.chunk(1).column(0).ReadNumbers(0, 1, &x);
  EXPECT_EQ(x, 4);
}

TEST(Table, MayHaveNoRowsOrNoColumns) {
  EXPECT_EQ(TestTable().Add("x", std::vector<double>()).ToTable().num_rows(), 0u);
  EXPECT_EQ(TestTable().ToTable().schema().fields.size(), 0u);
}

TEST(Schema, KnowsTypes) {
  const Table table = Sample().ToTable();
  const Schema& schema = table.schema();
  EXPECT_EQ(schema.fields[0].type, ValueType::kFloat64);
  EXPECT_EQ(schema.fields[1].type, ValueType::kInt64);
  EXPECT_EQ(schema.fields[2].type, ValueType::kString);
  EXPECT_EQ(schema.fields[3].type, ValueType::kString);
  EXPECT_FALSE(schema.fields[2].dictionary);
  EXPECT_TRUE(schema.fields[3].dictionary);
  EXPECT_EQ(ValueTypeName(schema.fields[1].type), "int64");
}

TEST(Schema, SuggestsNearNames) {
  Schema schema;
  for (const char* name : {"dep_time", "arr_time", "Carrier", "distance"}) {
    schema.fields.emplace_back().name = name;
  }
  EXPECT_EQ(*schema.Require("arr_time"), 1u);
  EXPECT_EQ(schema.Require("dep_tme").error().message,
            "there is no column \"dep_tme\". Did you mean \"dep_time\"?");
  EXPECT_EQ(schema.Require("drr_time").error().message,
            "there is no column \"drr_time\". Did you mean \"arr_time\" or \"dep_time\"?");
  EXPECT_EQ(schema.Require("carrier").error().message,
            "there is no column \"carrier\". Did you mean \"Carrier\"?");
  EXPECT_EQ(schema.Require("late").error().message,
            "there is no column \"late\". The columns are: dep_time, arr_time, Carrier, distance.");
  EXPECT_EQ(schema.Find("late"), std::nullopt);
}

TEST(TableStream, RefusesTypesByColumnAndName) {
  const auto refusal = [](const std::string& format) {
    ArrowArrayStream stream =
        TestTable().Add("blob", std::vector<std::string>{"a"}, format).ToArrowStream();
    const Result<TableStream> imported = TableStream::Import(&stream);
    EXPECT_EQ(stream.release, nullptr);
    return imported.ok() ? std::string() : imported.error().message;
  };
  EXPECT_EQ(refusal("z"),
            "column \"blob\" is of type binary, which Ramet does not read. Drop the column, or "
            "convert it to numbers, "
            "strings or times.");
  const std::pair<const char*, const char*> cases[] = {{"+l", "list"},
                                                       {"+s", "struct"},
                                                       {"+m", "map"},
                                                       {"+r", "run_end_encoded"},
                                                       {"tiM", "interval"},
                                                       {"tsx:", "tsx:"},
                                                       {"d:5", "decimal"},
                                                       {"d:5,1,7", "decimal"},
                                                       {"d:5,1,64,1", "decimal"},
                                                       {"w:42", "fixed_size_binary"}};
  for (const auto& [format, name] : cases) {
    EXPECT_NE(refusal(format).find(name), std::string::npos) << format << ": " << refusal(format);
  }
}

TEST(TableStream, PassesOnTheProducersWords) {
  ArrowArrayStream stream = Sample().ToArrowStream();
  stream.get_next = [](ArrowArrayStream*, ArrowArray*) { return EIO; };
  stream.get_last_error = [](ArrowArrayStream*) { return "flights.parquet: page 3 is torn"; };
  Result<TableStream> imported = TableStream::Import(&stream);
  ASSERT_TRUE(imported.ok());
  EXPECT_EQ(imported->Next().error().message, "flights.parquet: page 3 is torn");
  EXPECT_EQ(imported->Next().error().code, ErrorCode::kIo);
  EXPECT_FALSE(Table::ReadAll(*std::move(imported)).ok());

  stream = Sample().ToArrowStream();
  stream.get_schema = [](ArrowArrayStream*, ArrowSchema*) { return EIO; };
  EXPECT_NE(TableStream::Import(&stream).error().message.find("Input/output error"),
            std::string::npos);
  EXPECT_NE(TableStream::Import(&stream).error().message.find("released already"),
            std::string::npos);
}

// Each damage to a sound array is refused with words that hold `words`; under ASan, nothing is read
// or leaked.
TEST(Chunk, RefusesArraysThatContradictTheirSchema) {
  struct Case {
    const char* words;
    std::function<void(ArrowArray&)> damage;
  };
  static const uint8_t no_bits[8] = {};
  const Case cases[] = {
      {"4 columns, an array 3", [](ArrowArray& a) { a.n_children = 3; }},
      {"columns is null", [](ArrowArray& a) { a.children = nullptr; }},
      {"impossible", [](ArrowArray& a) { a.length = -1; }},
      {"impossible", [](ArrowArray& a) { a.offset = INT64_MAX; }},
      {"column \"x\"", [](ArrowArray& a) { a.length = 5; }},
      {"column \"x\"", [](ArrowArray& a) { a.offset = 1; }},
      {"null as a whole", [](ArrowArray& a) { a.buffers[0] = no_bits, a.null_count = -1; }},
      {"marks none", [](ArrowArray& a) { a.null_count = 2; }},
      {"not those of a table", [](ArrowArray& a) { a.n_buffers = 2; }},
      {"column \"x\"", [](ArrowArray& a) { a.children[0]->length = 3; }},
      {"column \"x\"", [](ArrowArray& a) { a.children[0]->offset = -1; }},
      {"column \"x\"", [](ArrowArray& a) { a.children[0]->length = INT64_MAX; }},
      {"3 buffers instead of 2", [](ArrowArray& a) { a.children[0]->n_buffers = 3; }},
      {"1 buffers instead of 2", [](ArrowArray& a) { a.children[0]->n_buffers = 1; }},
      {"list of buffers is null", [](ArrowArray& a) { a.children[0]->buffers = nullptr; }},
      {"values are a null buffer", [](ArrowArray& a) { a.children[0]->buffers[1] = nullptr; }},
      {"without a validity buffer", [](ArrowArray& a) { a.children[0]->null_count = 2; }},
      {"has children", [](ArrowArray& a) { a.children[0]->n_children = 1; }},
      {"has a dictionary",
       [](ArrowArray& a) { a.children[0]->dictionary = a.children[3]->dictionary; }},
      {"sizes of its string buffers", [](ArrowArray& a) { a.children[2]->buffers[4] = nullptr; }},
      {"dictionary is missing", [](ArrowArray& a) { a.children[3]->dictionary = nullptr; }},
      {"row 2 points to entry 1 of a dictionary of 1",
       [](ArrowArray& a) { a.children[3]->dictionary->length = 1; }},
      {"dictionary has a dictionary",
       [](ArrowArray& a) { a.children[3]->dictionary->dictionary = a.children[3]->dictionary; }},
  };
  const TestTable test = Sample();
  const TableStream stream = test.ToStream();
  for (const Case& c : cases) {
    ArrowArray array = test.ToArrowArray(0, 4);
    c.damage(array);
    const Result<Chunk> chunk = Chunk::Import(stream.shared_schema(), &array);
    EXPECT_EQ(array.release, nullptr);
    ASSERT_FALSE(chunk.ok()) << c.words;
    EXPECT_NE(chunk.error().message.find(c.words), std::string::npos) << c.words << "\n"
                                                                      << chunk.error().message;
  }
}

TEST(Chunk, RefusesStringsOutsideTheirBuffers) {
  const TestTable test = TestTable()
                             .Add("v", std::vector<std::string>{"a string that is long"}, "vu")
                             .Add("u", std::vector<std::string>{"abc"});
  const TableStream stream = test.ToStream();
  const auto error_of = [&](size_t column, const void* second_buffer, const void* third_buffer) {
    ArrowArray array = test.ToArrowArray(0, 1);
    ArrowArray& child = *array.children[column];
    if (second_buffer != nullptr) child.buffers[1] = second_buffer;
    if (third_buffer == nullptr) child.buffers[2] = nullptr;
    const Result<Chunk> chunk = Chunk::Import(stream.shared_schema(), &array);
    KeyView key;
    const Status status = chunk->column(column).ReadKeys(0, 1, &key);
    return status.ok() ? std::string() : status.error().message;
  };
  const int32_t views[][4] = {{21, 0, 0, 1}, {21, 0, 2, 0},  {21, 0, -1, 0},
                              {-1, 0, 0, 0}, {21, 0, 0, -1}, {INT32_MAX, 0, 0, 0}};
  for (const auto& view : views) {
    EXPECT_NE(error_of(0, view, view).find("column \"v\", row 1"), std::string::npos);
  }
  const int32_t backwards[] = {3, 1};
  const int32_t negative[] = {-3, 1};
  EXPECT_NE(error_of(1, backwards, backwards).find("backwards"), std::string::npos);
  EXPECT_NE(error_of(1, negative, negative).find("backwards"), std::string::npos);
  EXPECT_NE(error_of(1, nullptr, nullptr).find("bytes are missing"), std::string::npos);
  EXPECT_EQ(error_of(1, nullptr, backwards), "");
}

TEST(Chunk, MovesItsArray) {
  const TestTable test = Sample();
  const TableStream stream = test.ToStream();
  ArrowArray first = test.ToArrowArray(0, 2), second = test.ToArrowArray(2, 4);
  Chunk a = *Chunk::Import(stream.shared_schema(), &first);
  Chunk b = *Chunk::Import(stream.shared_schema(), &second);
  a = std::move(b);
  double x = 0;
  a.column(0).ReadNumbers(0, 1, &x);
  EXPECT_EQ(x, 3);
}

}  // namespace
}  // namespace ramet
