// F1 – F4: formats agree, types come from all values, errors say where.
#include "reader/reader.h"

#include <arrow/api.h>
#include <arrow/io/compressed.h>
#include <arrow/io/file.h>
#include <arrow/ipc/writer.h>
#include <arrow/util/compression.h>
#include <gtest/gtest.h>
#include <parquet/arrow/writer.h>

#include <bit>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <random>

namespace ramet {
namespace {

namespace fs = std::filesystem;

class Reader : public ::testing::Test {
 protected:
  Reader()
      : folder_(fs::temp_directory_path() /
                ("ramet_reader_" + std::to_string(std::random_device()()))) {
    fs::create_directory(folder_);
    context_.threads = 3;
  }
  ~Reader() override { fs::remove_all(folder_); }

  std::string Path(const std::string& name) const { return (folder_ / name).string(); }
  std::string Write(const std::string& name, const std::string& text) const {
    std::ofstream(Path(name), std::ios::binary) << text;
    return Path(name);
  }
  std::string WriteParquet(const std::string& name, const arrow::Table& table) const {
    auto sink = arrow::io::FileOutputStream::Open(Path(name)).ValueOrDie();
    const auto keep_types = parquet::ArrowWriterProperties::Builder().store_schema()->build();
    EXPECT_TRUE(parquet::arrow::WriteTable(table, arrow::default_memory_pool(), sink, 1000,
                                           parquet::default_writer_properties(), keep_types)
                    .ok());
    EXPECT_TRUE(sink->Close().ok());
    return Path(name);
  }
  std::string WriteFeather(const std::string& name, const arrow::Table& table) const {
    auto sink = arrow::io::FileOutputStream::Open(Path(name)).ValueOrDie();
    auto writer = arrow::ipc::MakeFileWriter(sink, table.schema()).ValueOrDie();
    EXPECT_TRUE(writer->WriteTable(table, 700).ok());
    EXPECT_TRUE(writer->Close().ok() && sink->Close().ok());
    return Path(name);
  }
  Result<Table> Read(const std::vector<std::string>& files, const ReadOptions& options = {}) const {
    RAMET_ASSIGN(TableStream stream, OpenFiles(context_, files, options));
    return Table::ReadAll(std::move(stream));
  }
  std::string ErrorOf(const std::vector<std::string>& files,
                      const ReadOptions& options = {}) const {
    const Result<Table> table = Read(files, options);
    return table.ok() ? "(no error)" : table.error().message;
  }

  fs::path folder_;
  Context context_;
};

std::vector<double> Numbers(const Table& table, size_t column) {
  std::vector<double> values(table.num_rows());
  for (size_t c = 0; c < table.num_chunks(); ++c) {
    const ColumnView view = table.chunk(c).column(column);
    view.ReadNumbers(0, view.length(), values.data() + table.chunk_begin(c));
  }
  return values;
}

std::vector<uint64_t> Bits(const std::vector<double>& values) {
  std::vector<uint64_t> bits;
  for (const double value : values) bits.push_back(std::bit_cast<uint64_t>(value));
  return bits;
}

std::vector<std::string> Keys(const Table& table, size_t column) {
  std::vector<std::string> keys;
  for (size_t c = 0; c < table.num_chunks(); ++c) {
    const ColumnView view = table.chunk(c).column(column);
    std::vector<KeyView> chunk(view.length());
    EXPECT_TRUE(view.ReadKeys(0, view.length(), chunk.data()).ok());
    for (const KeyView& key : chunk) {
      keys.push_back(key.kind == KeyView::Kind::kMissing ? "(missing)" : ToString(key.ToKey()));
    }
  }
  return keys;
}

ValueType TypeOf(const Result<Table>& table, size_t column = 0) {
  return table->schema().fields[column].type;
}

std::string Shortest(double value) {
  char text[32];
  return std::string(text, std::to_chars(text, text + sizeof text, value).ptr);
}

#define EXPECT_HAS(text, part) \
  EXPECT_NE((text).find(part), std::string::npos) << "in: " << (text) << "\nmissing: " << (part)

TEST_F(Reader, FormatsAgreeBitByBit) {
  for (uint64_t seed = 0; seed < 3; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    arrow::DoubleBuilder x;
    arrow::Int64Builder n;
    arrow::StringBuilder s;
    std::string csv = "x,n,s\n";
    // The second and third have many blocks of CSV.
    const int rows = seed == 0 ? 10 : 200'000;
    for (int i = 0; i < rows; ++i) {
      const double value = std::bit_cast<double>(random());
      const auto integer = static_cast<int64_t>(random());
      const std::string text = random() % 2 == 0 ? "a \"quoted\",\nvalue" : "plain";
      const bool missing = random() % 5 == 0 || value != value;
      csv += (missing ? "" : Shortest(value)) + "," + std::to_string(integer) + ",";
      csv += text == "plain" ? text : "\"a \"\"quoted\"\",\nvalue\"";
      csv += random() % 2 == 0 ? "\n" : "\r\n";
      ASSERT_TRUE((missing ? x.AppendNull() : x.Append(value)).ok());
      ASSERT_TRUE(n.Append(integer).ok() && s.Append(text).ok());
    }
    const auto table = arrow::Table::Make(
        arrow::schema({arrow::field("x", arrow::float64()), arrow::field("n", arrow::int64()),
                       arrow::field("s", arrow::utf8())}),
        {x.Finish().ValueOrDie(), n.Finish().ValueOrDie(), s.Finish().ValueOrDie()});
    const Result<Table> from_csv = Read({Write("t.csv", csv)});
    ASSERT_TRUE(from_csv.ok()) << from_csv.error().message;
    ASSERT_EQ(TypeOf(from_csv, 0), ValueType::kFloat64);
    ASSERT_EQ(TypeOf(from_csv, 1), ValueType::kInt64);
    for (const std::string& file :
         {WriteParquet("t.parquet", *table), WriteFeather("t.feather", *table)}) {
      const Result<Table> other = Read({file});
      ASSERT_TRUE(other.ok()) << other.error().message;
      EXPECT_EQ(Bits(Numbers(*from_csv, 0)), Bits(Numbers(*other, 0)));
      EXPECT_EQ(Bits(Numbers(*from_csv, 1)), Bits(Numbers(*other, 1)));
      EXPECT_EQ(Keys(*from_csv, 2), Keys(*other, 2));
    }
  }
}

TEST_F(Reader, TypesComeFromAllValuesOfAllFiles) {
  std::string integers = "v\n";
  for (int i = 0; i < 1'000'000; ++i) integers += "007\n";  // two blocks, and ambiguous as text
  const std::string whole = Write("whole.csv", integers);
  const std::string fraction = Write("fraction.csv", integers + "0.5\n");
  const std::string text = Write("text.csv", integers + "x\n");
  const std::string empty = Write("empty.csv", "v\nNA\n\"\"\n");
  const std::string yes = Write("yes.csv", "v\ntrue\nFalse\n");
  const std::string date = Write("date.csv", "v\n2013-01-31\n");
  const std::string stamp = Write("stamp.csv", "v\n2013-01-31 05:00:00\n");
  EXPECT_EQ(TypeOf(Read({whole})), ValueType::kInt64);
  EXPECT_EQ(TypeOf(Read({fraction})), ValueType::kFloat64);
  EXPECT_EQ(Numbers(*Read({fraction}), 0).front(), 7);
  EXPECT_EQ(TypeOf(Read({text})), ValueType::kString);
  EXPECT_EQ(Keys(*Read({text}), 0).front(), "007");
  EXPECT_EQ(Keys(*Read({whole, text}), 0).front(), "007");
  EXPECT_EQ(TypeOf(Read({empty})), ValueType::kNull);
  EXPECT_EQ(TypeOf(Read({empty, whole})), ValueType::kInt64);
  EXPECT_EQ(TypeOf(Read({yes})), ValueType::kBool);
  EXPECT_EQ(TypeOf(Read({yes, whole})), ValueType::kString);
  EXPECT_EQ(TypeOf(Read({date})), ValueType::kDate);
  EXPECT_EQ(TypeOf(Read({stamp, date})), ValueType::kTimestamp);
  EXPECT_EQ(Numbers(*Read({date, stamp, date}), 0),
            (std::vector<double>{1359590400e6, 1359608400e6, 1359590400e6}));
}

TEST_F(Reader, FlagsSetTypes) {
  const std::string file = Write("f.csv", "a,b,c\n1,2,3\n4,5,3\n");
  const Result<Table> table =
      Read({file}, {.types = {{"a", "string"}, {"b", "float32"}, {"c", "category"}}});
  ASSERT_TRUE(table.ok()) << table.error().message;
  EXPECT_EQ(TypeOf(table, 0), ValueType::kString);
  EXPECT_EQ(TypeOf(table, 1), ValueType::kFloat32);
  EXPECT_EQ(TypeOf(table, 2), ValueType::kInt64);
  EXPECT_TRUE(table->schema().fields[2].dictionary);
  EXPECT_EQ(Keys(*table, 2), (std::vector<std::string>{"3", "3"}));
  EXPECT_HAS(ErrorOf({file}, {.types = {{"a", "number"}}}), "no type \"number\"");
}

TEST_F(Reader, ChoosesAndDropsColumns) {
  const std::string csv = Write("f.csv", "a,b,c\n1,2,3\n");
  const auto one = [](int64_t value) {
    arrow::Int64Builder builder;
    EXPECT_TRUE(builder.Append(value).ok());
    return builder.Finish().ValueOrDie();
  };
  const auto table = arrow::Table::Make(
      arrow::schema({arrow::field("a", arrow::int64()), arrow::field("b", arrow::int64()),
                     arrow::field("c", arrow::int64())}),
      {one(1), one(2), one(3)});
  for (const std::string& file :
       {csv, WriteParquet("f.parquet", *table), WriteFeather("f.feather", *table)}) {
    const Result<Table> chosen = Read({file}, {.columns = {"c", "a"}});
    ASSERT_TRUE(chosen.ok()) << chosen.error().message;
    EXPECT_EQ(chosen->schema().fields[0].name, "c");
    EXPECT_EQ(Numbers(*chosen, 0), std::vector<double>{3});
    EXPECT_EQ(Numbers(*chosen, 1), std::vector<double>{1});
    EXPECT_EQ(Read({file}, {.drop = {"a"}})->schema().fields.size(), 2u);
    EXPECT_HAS(ErrorOf({file}, {.columns = {"d"}}), file + ": there is no column \"d\"");
  }
}

TEST_F(Reader, FilesAreReadInTheOrderGivenAndListedInByteOrder) {
  fs::create_directory(folder_ / "below");
  const std::string b = Write("b.csv", "v\n2\n"), a = Write("a.csv", "v\n1\n");
  const std::string upper = Write("Z.csv", "v\n0\n"), deep = Write("below/c.csv", "v\n3\n");
  Write("_log", "no table");
  Write(".hidden", "no table");
  using Files = std::vector<std::string>;
  EXPECT_EQ(*ListFiles(Files{b, a}), (Files{b, a}));
  EXPECT_EQ(*ListFiles(Files{Path("*.csv")}), (Files{upper, a, b}));
  EXPECT_EQ(*ListFiles(Files{folder_.string()}), (Files{upper, a, b, deep}));
  EXPECT_EQ(Numbers(*Read({b, a, upper}), 0), (std::vector<double>{2, 1, 0}));
}

TEST_F(Reader, ListingFailsInWords) {
  using Files = std::vector<std::string>;
  fs::create_directory(folder_ / "nothing");
  EXPECT_HAS(ListFiles(Files{Path("x.csv")}).error().message, "x.csv: there is no such file");
  EXPECT_HAS(ListFiles(Files{Path("*.csv")}).error().message, "no file matches");
  EXPECT_HAS(ListFiles(Files{Path("no/folder/*.csv")}).error().message, "no file matches");
  EXPECT_HAS(ListFiles(Files{Path("nothing")}).error().message, "holds no files");
  EXPECT_HAS(ListFiles({}).error().message, "no input files");
}

TEST_F(Reader, MissingValuesAreOneList) {
  std::string csv = "v,w\n";
  for (const std::string_view spelling : kMissingSpellings) csv += std::string(spelling) + ",1\n";
  const Result<Table> table = Read({Write("m.csv", csv + "-999,2\n3,3\n")}, {.missing = {"-999"}});
  ASSERT_TRUE(table.ok()) << table.error().message;
  std::vector<double> expected(std::size(kMissingSpellings) + 1, kMissing);
  expected.push_back(3);
  EXPECT_EQ(Bits(Numbers(*table, 0)), Bits(expected));
}

TEST_F(Reader, CsvErrorsNameFileRowAndColumn) {
  std::string csv = "a,b\n";
  for (int i = 0; i < 1'300'000; ++i) csv += "1,2\n";  // the error lies in a later block
  const std::string bad = Write("bad.csv", csv + "1,24:61\n");
  EXPECT_EQ(ErrorOf({bad}, {.types = {{"b", "float64"}}}),
            bad +
                ": row 1,300,001, column \"b\": \"24:61\" is not a number. Use --missing \"24:61\" "
                "to read it as missing, --type b=string to read the column as text, or --drop b.");
  const std::string endless = Write("endless.csv", "a\n" + std::string(1'000'000, '\'') + "\n");
  EXPECT_HAS(ErrorOf({endless}, {.types = {{"a", "int64"}}}), "''…\" is not an integer");
  const std::string ragged = Write("ragged.csv", csv + "1,2\n1,2,3\n");
  EXPECT_HAS(ErrorOf({ragged}), ragged + ": row 1,300,002 has 3 columns, the header has 2");
  const std::string first = Write("first.csv", "a,b\n1\n");
  EXPECT_HAS(ErrorOf({first}), first + ": row 1 has 1 columns, the header has 2");
  EXPECT_HAS(ErrorOf({first, bad}), "row 1 has");
  const std::string empty = Write("empty.csv", "");
  EXPECT_HAS(ErrorOf({empty}), empty + ": the file is empty");
  const std::string twice = Write("twice.csv", "a,b,a\n1,2,3\n");
  EXPECT_HAS(ErrorOf({twice}), "two columns have the name \"a\"");
  const std::string latin = Write("latin.csv", "a,b\nM\xfcller,2\n");
  EXPECT_HAS(ErrorOf({latin}), latin + ": column \"a\" is not UTF-8");
  EXPECT_HAS(ErrorOf({Path("none.csv")}), "none.csv");
  EXPECT_HAS(ErrorOf({Write("what.xyz", "a")}), "--format");
}

TEST_F(Reader, FilesMustHaveTheSameColumns) {
  const std::string ab = Write("ab.csv", "a,b\n1,2\n"), ba = Write("ba.csv", "b,a\n4,3\n");
  const std::string a = Write("a.csv", "a\n5\n");
  EXPECT_EQ(Numbers(*Read({ab, ba}), 0), (std::vector<double>{1, 3}));
  EXPECT_HAS(ErrorOf({ab, a}), a + ": column \"b\" is missing");
  EXPECT_HAS(ErrorOf({a, ab}), ab + ": column \"b\" is not in " + a);
}

TEST_F(Reader, ParquetNumbersWidenAndOtherDifferencesAreNamed) {
  const auto write = [&](const std::string& name, const std::shared_ptr<arrow::DataType>& type,
                         int value) {
    auto array = arrow::MakeArrayFromScalar(*arrow::MakeScalar(value)->CastTo(type).ValueOrDie(), 2)
                     .ValueOrDie();
    return WriteParquet(name,
                        *arrow::Table::Make(arrow::schema({arrow::field("v", type)}), {array}));
  };
  const std::string i32 = write("i32.parquet", arrow::int32(), 1);
  const std::string i64 = write("i64.parquet", arrow::int64(), 2);
  const std::string f64 = write("f64.parquet", arrow::float64(), 3);
  const std::string text = write("text.parquet", arrow::utf8(), 4);
  EXPECT_EQ(TypeOf(Read({i32, i64})), ValueType::kInt64);
  EXPECT_EQ(TypeOf(Read({i32, f64})), ValueType::kFloat64);
  EXPECT_EQ(Numbers(*Read({i32, f64}), 0), (std::vector<double>{1, 1, 3, 3}));
  EXPECT_HAS(ErrorOf({i32, text}), text + ": column \"v\" is of type string, before it was int32");
  EXPECT_EQ(Keys(*Read({i32}, {.types = {{"v", "string"}}}), 0).front(), "1");
}

TEST_F(Reader, DictionariesMayDifferFromFileToFile) {
  const auto write = [&](const std::string& name, const std::string& entry) {
    arrow::StringDictionaryBuilder builder;
    for (int i = 0; i < 3; ++i)
      EXPECT_TRUE(builder.Append(entry).ok() && builder.AppendNull().ok());
    const auto array = builder.Finish().ValueOrDie();
    const auto table =
        arrow::Table::Make(arrow::schema({arrow::field("c", array->type())}), {array});
    return name.ends_with("parquet") ? WriteParquet(name, *table) : WriteFeather(name, *table);
  };
  for (const std::string ending : {".parquet", ".feather"}) {
    const Result<Table> table = Read({write("a" + ending, "a"), write("b" + ending, "b")});
    ASSERT_TRUE(table.ok()) << table.error().message;
    EXPECT_TRUE(table->schema().fields[0].dictionary);
    EXPECT_EQ(Keys(*table, 0).front(), "a");
    EXPECT_EQ(Keys(*table, 0)[6], "b");
    EXPECT_EQ(Keys(*table, 0).back(), "(missing)");
  }
}

TEST_F(Reader, UnreadableColumnsAreRefusedByNameAndMayBeDropped) {
  auto lists = std::make_shared<arrow::ListBuilder>(arrow::default_memory_pool(),
                                                    std::make_shared<arrow::Int64Builder>());
  ASSERT_TRUE(lists->Append().ok());
  const auto list = lists->Finish().ValueOrDie();
  const auto number = arrow::MakeArrayFromScalar(arrow::DoubleScalar(7), 1).ValueOrDie();
  const auto table = arrow::Table::Make(
      arrow::schema({arrow::field("l", list->type()), arrow::field("x", arrow::float64()),
                     arrow::field("y", arrow::float64()), arrow::field("y", arrow::float64())}),
      {list, number, number, number});
  for (const std::string& file :
       {WriteParquet("l.parquet", *table), WriteFeather("l.feather", *table)}) {
    EXPECT_HAS(ErrorOf({file}), "two columns have the name \"y\"");
    EXPECT_HAS(ErrorOf({file}, {.drop = {"y"}}), "column \"l\" is of type list");
    EXPECT_EQ(Numbers(*Read({file}, {.columns = {"x", "x"}}), 0), std::vector<double>{7});
  }
}

TEST_F(Reader, DamagedFilesAreErrorsThatNameThem) {
  arrow::DoubleBuilder x;
  for (int i = 0; i < 5000; ++i) ASSERT_TRUE(x.Append(i).ok());
  const auto table = arrow::Table::Make(arrow::schema({arrow::field("x", arrow::float64())}),
                                        {x.Finish().ValueOrDie()});
  for (const std::string& file :
       {WriteParquet("d.parquet", *table), WriteFeather("d.feather", *table)}) {
    ASSERT_TRUE(Read({file}).ok());
    const auto size = fs::file_size(file);
    for (const uintmax_t cut : {size - 1, size / 2, uintmax_t{10}, uintmax_t{0}}) {
      fs::resize_file(file, cut);
      EXPECT_HAS(ErrorOf({file}), file);
    }
  }
}

TEST_F(Reader, UnpacksGzip) {
  auto codec = arrow::util::Codec::Create(arrow::Compression::GZIP).ValueOrDie();
  auto raw = arrow::io::FileOutputStream::Open(Path("z.csv.gz")).ValueOrDie();
  auto packed = arrow::io::CompressedOutputStream::Make(codec.get(), raw).ValueOrDie();
  std::string csv = "v\n";
  for (int i = 0; i < 500'000; ++i) csv += std::to_string(i) + "\n";
  ASSERT_TRUE(packed->Write(csv).ok() && packed->Close().ok());
  const Result<Table> table = Read({Path("z.csv.gz")});
  ASSERT_TRUE(table.ok()) << table.error().message;
  EXPECT_EQ(table->num_rows(), 500'000u);
  EXPECT_EQ(Numbers(*table, 0).back(), 499'999);
}

TEST_F(Reader, HeadersMayHaveAByteOrderMarkAndRowsMayBeNone) {
  const Result<Table> table = Read({Write("bom.csv", "\xef\xbb\xbf\x61,b\n")});
  ASSERT_TRUE(table.ok()) << table.error().message;
  EXPECT_EQ(table->schema().fields[0].name, "a");
  EXPECT_EQ(table->num_rows(), 0u);
  EXPECT_EQ(Read({Write("open.csv", "a,b")})->schema().fields[1].name, "b");
  EXPECT_EQ(Numbers(*Read({Write("open.csv", "a,b\n\n1,2")}), 1), std::vector<double>{2});
}

TEST_F(Reader, StopsWhenCancelled) {
  const std::atomic<bool> cancelled{true};
  context_.cancelled = &cancelled;
  EXPECT_HAS(ErrorOf({Write("c.csv", "a\n1\n")}), "stopped");
}

}  // namespace
}  // namespace ramet
