// A1, A2, A4: surveys, samples and parts of a table cut at random, merged in any order, sent as
// bytes: the same binning and the same rows as of the table in one piece.
#include "ramet/bins/parts.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "ramet/table/testing.h"

namespace ramet {
namespace {

using Random = std::mt19937_64;
using Strings = std::vector<std::string>;
using Numbers = std::vector<double>;
constexpr double kInf = std::numeric_limits<double>::infinity();

struct Task {
  TestTable table;
  DataSpec spec;
  BinningParameters parameters;
};

std::optional<double> RandomNumber(Random& random, uint64_t kind) {
  const uint64_t draw = random() % 16;
  if (draw == 0) return std::nullopt;
  if (draw == 1) return kMissing;
  if (draw == 2) return random() % 2 == 0 ? kInf : -kInf;
  if (kind == 0) return static_cast<double>(random() % 20) - 10;
  return std::ldexp(static_cast<double>(static_cast<int64_t>(random())),
                    static_cast<int>(random() % 40) - 60);
}

Task RandomTask(Random& random) {
  Task task;
  const size_t rows = 40 + random() % 2000;
  for (size_t c = 0; c < 1 + random() % 5; ++c) {
    std::vector<std::optional<double>> values(rows);
    const uint64_t kind = random() % 3;
    for (auto& value : values) value = RandomNumber(random, kind);
    task.table.Add("n" + std::to_string(c), values);
  }
  std::vector<std::optional<std::string>> words(rows), others(rows);
  std::vector<int64_t> numbers(rows), classes(rows);
  const uint64_t distinct = 1 + random() % 600, num_classes = 2 + random() % 4;
  for (size_t i = 0; i < rows; ++i) {
    if (random() % 9 > 0) words[i] = "w" + std::to_string(random() % distinct);
    if (random() % 9 > 0) others[i] = "o" + std::to_string(random() % 30);
    numbers[i] = static_cast<int64_t>(random() % distinct) - 5;
    classes[i] = static_cast<int64_t>(i < num_classes ? i : random() % num_classes);
  }
  task.table.Add("words", words).AddCategory("others", others).Add("numbers", numbers);
  if (random() % 2 == 0) task.spec.categorical = {"numbers"};
  task.spec.label = "y";
  task.spec.classification = random() % 2 == 0;
  const bool names_are_strings = random() % 2 == 0;
  if (!task.spec.classification) {
    Numbers targets(rows);
    for (double& target : targets) target = static_cast<double>(random() % 1000) / 8;
    task.table.Add("y", targets);
  } else if (!names_are_strings) {
    task.table.Add("y", classes);
  } else {
    Strings names;
    for (int64_t c : classes) names.push_back("class " + std::to_string(9 - c));
    task.table.Add("y", names);
  }
  if (random() % 3 > 0) {
    Numbers weights(rows);
    const uint64_t kind = random() % 3;
    for (size_t i = 0; i < rows; ++i)
      weights[i] = kind == 0   ? 1
                   : kind == 1 ? (i < rows / 2 ? 1 : 2)
                               : static_cast<double>(random() % 4) / 2;
    weights[random() % rows] = 1;
    task.table.Add("w", weights);
    task.spec.weight = "w";
  }
  if (task.spec.classification) {
    const uint64_t draw = random() % 4;
    const std::string one = names_are_strings ? "class 9" : "0";
    if (draw == 1) task.spec.class_weight = "balanced";
    if (draw == 2) task.spec.class_weight = "{\"" + one + "\": 2.5}";
    if (draw == 3) task.spec.class_weight = "{\"" + one + "\": 0}";
  }
  task.parameters.sample_rows = 1 + random() % (2 * rows);
  task.parameters.max_bins = 2 + static_cast<int>(random() % 254);
  task.parameters.seed = random();
  return task;
}

// Rows [begin, end), in chunks of any sizes.
Table RowsOf(const TestTable& test, size_t begin, size_t end, Random& random) {
  TableStream stream = test.ToStream();
  std::vector<Chunk> chunks;
  while (begin < end) {
    const size_t next = begin + 1 + random() % (end - begin);
    ArrowArray array = test.ToArrowArray(begin, next, {random() % 3, random() % 3});
    chunks.push_back(*Chunk::Import(stream.shared_schema(), &array));
    begin = next;
  }
  return Table(stream.shared_schema(), std::move(chunks));
}

// Where parts begin; ends with the number of rows.
std::vector<size_t> RandomCuts(size_t rows, Random& random) {
  std::vector<size_t> cuts = {0, rows};
  for (size_t i = random() % 9; i-- > 0;) cuts.push_back(random() % (rows + 1));
  if (random() % 2 == 0) cuts.push_back(cuts.back());
  std::sort(cuts.begin(), cuts.end());
  return cuts;
}

Context OnSomeThreads(Random& random) {
  Context context;
  context.threads = 1 + static_cast<int>(random() % 2);
  context.isa = SupportedIsas()[random() % SupportedIsas().size()];
  return context;
}

Shared<std::byte> Copy(Bytes bytes, size_t misaligned = 0) {
  auto kept = std::make_shared<std::vector<std::byte>>(bytes.size() + 64);
  std::copy(bytes.begin(), bytes.end(), kept->begin() + static_cast<ptrdiff_t>(misaligned));
  return {std::span<const std::byte>(kept->data() + misaligned, bytes.size()), kept};
}

Survey Sent(const Survey& survey) { return *DeserializeSurvey(Serialize(survey)); }
Binning Sent(const Binning& binning) { return *DeserializeBinning(Serialize(binning)); }
Sample Sent(const Sample& sample, Random& random) {
  return *DeserializeSample(Serialize(sample), Copy(ArrayOf(sample), random() % 8));
}
Part Sent(const Part& part, Random& random) {
  std::vector<Shared<std::byte>> arrays;
  for (const Bytes array : ArraysOf(part)) arrays.push_back(Copy(array, random() % 8));
  return *DeserializePart(Serialize(part), arrays);
}

// Two at random become one, until one is left.
template <class T, class MergeTwo>
T MergeInAnyOrder(std::vector<T> values, Random& random, const MergeTwo& merge) {
  while (values.size() > 1) {
    std::swap(values[random() % values.size()], values.back());
    T last = std::move(values.back());
    values.pop_back();
    T& other = values[random() % values.size()];
    other = random() % 2 == 0 ? merge(other, last) : merge(last, other);
  }
  return std::move(values[0]);
}

// All of a sample as bytes.
std::string BytesOf(const Sample& sample) {
  const Bytes array = ArrayOf(sample);
  return Serialize(sample) + std::string(reinterpret_cast<const char*>(array.data()), array.size());
}

void ExpectSameRows(const Dataset& some, const Dataset& all) {
  EXPECT_EQ(Serialize(static_cast<const Binning&>(some)),
            Serialize(static_cast<const Binning&>(all)));
  ASSERT_EQ(some.labels.size(), some.num_rows);
  ASSERT_EQ(some.ids.size(), some.num_rows);
  ASSERT_EQ(some.ids.total(), all.num_rows);
  ASSERT_EQ(some.bins.num_rows(), some.num_rows);
  ASSERT_TRUE(some.num_rows == 0 || some.weights.empty() == all.weights.empty());
  for (size_t i = 0; i < some.num_rows; ++i) {
    const size_t id = some.ids[i];
    ASSERT_EQ(some.labels[i], all.labels[id]);
    ASSERT_EQ(some.weights.empty() ? 1 : some.weights[i],
              all.weights.empty() ? 1 : all.weights[id]);
    ASSERT_EQ(std::memcmp(some.bins.row(i), all.bins.row(id), all.bins.row_stride()), 0) << id;
    for (size_t f = 0; f < all.bins.num_features(); ++f)
      ASSERT_EQ(some.bins.column(f)[i], all.bins.column(f)[id]);
  }
}

void ExpectSameAsWhole(uint64_t seed) {
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  Random random(seed);
  const Task task = RandomTask(random);
  const size_t rows = task.table.num_rows();
  const auto whole = [&] { return RowsOf(task.table, 0, rows, random); };
  Result<Dataset> all = MakeDataset(OnSomeThreads(random), whole(), task.spec, task.parameters);

  const std::vector<size_t> cuts = RandomCuts(rows, random);
  const auto part_table = [&](size_t p) {
    return RowsOf(task.table, cuts[p], cuts[p + 1], random);
  };
  std::vector<Survey> surveys;
  for (size_t p = 0; p + 1 < cuts.size(); ++p)
    surveys.push_back(Sent(*TakeSurvey(OnSomeThreads(random), part_table(p), task.spec)));
  const Survey survey = MergeInAnyOrder(
      surveys, random, [](const Survey& a, const Survey& b) { return *Merge(a, b); });
  EXPECT_EQ(Serialize(survey), Serialize(*TakeSurvey(OnSomeThreads(random), whole(), task.spec)));
  if (!all.ok()) {
    // An error about all rows.
    const auto sample = TakeSample(Context(), part_table(0), survey, 0, task.parameters);
    ASSERT_FALSE(sample.ok());
    EXPECT_EQ(sample.error().message, all.error().message);
    return;
  }

  const bool everything = random() % 3 == 0;
  const auto sample_of = [&](size_t p) {
    return *TakeSample(OnSomeThreads(random), part_table(p), survey, cuts[p], task.parameters,
                       everything);
  };
  std::vector<Sample> samples;
  for (size_t p = 0; p + 1 < cuts.size(); ++p) samples.push_back(Sent(sample_of(p), random));
  const Sample sample = MergeInAnyOrder(samples, random, [](const Sample& a, const Sample& b) {
    const Sample* both[] = {&a, &b};
    return *Merge(both);
  });
  const Sample of_whole =
      *TakeSample(OnSomeThreads(random), whole(), survey, 0, task.parameters, everything);
  EXPECT_EQ(BytesOf(sample), BytesOf(of_whole));
  const Binning binning =
      Sent(*FindBinning(OnSomeThreads(random), survey, sample, task.parameters));
  EXPECT_EQ(Serialize(binning), Serialize(static_cast<const Binning&>(*all)));

  std::vector<Part> parts;
  for (size_t p = 0; p + 1 < cuts.size(); ++p) {
    parts.push_back(Sent(*MakePart(OnSomeThreads(random), part_table(p), binning, task.spec.label,
                                   task.spec.weight, cuts[p]),
                         random));
    const Part again = *MakePart(OnSomeThreads(random), part_table(p), binning, task.spec.label,
                                 task.spec.weight, cuts[p]);
    EXPECT_EQ(again.fingerprint, parts.back().fingerprint);
  }
  std::shuffle(parts.begin(), parts.end(), random);
  // All on one member, and each on one of three.
  std::vector<std::vector<const Part*>> members(4);
  for (const Part& part : parts) {
    members[0].push_back(&part);
    members[1 + random() % 3].push_back(&part);
  }
  for (const auto& member : members) {
    const Dataset some = *AssembleDataset(OnSomeThreads(random), binning, member, rows);
    ASSERT_NO_FATAL_FAILURE(ExpectSameRows(some, *all));
  }
  const Dataset together = *AssembleDataset(OnSomeThreads(random), binning, members[0], rows);
  EXPECT_TRUE(together.ids.holds_all());
  EXPECT_EQ(together.labels, all->labels);
  EXPECT_EQ(together.weights, all->weights);
}

TEST(Parts, AreTheWholeTable) {
  for (uint64_t seed = 0; seed < 80; ++seed)
    ASSERT_NO_FATAL_FAILURE(ExpectSameAsWhole(seed)) << "seed " << seed;
}

DataSpec NumbersFrom(const std::string& label) {
  DataSpec spec;
  spec.label = label;
  return spec;
}

// A2: one column as int32, as nulls alone, and as float32 and float64.
TEST(Parts, MayHaveNumbersOfAnyWidthAndColumnsOfNullsAlone) {
  using Words = std::vector<std::optional<std::string>>;
  const std::vector<std::optional<double>> nulls(3), none;
  const Words no_words(3);
  std::vector<TestTable> tables(5);
  tables[0]
      .Add("x", std::vector<int32_t>{1, 5, 9})
      .Add("c", Words{"a", "b", "a"})
      .Add("y", std::vector<float>{1, 2, 3});
  tables[1].Add("x", nulls, "n").Add("c", no_words, "n").Add("y", std::vector<int8_t>{4, 5, 6});
  tables[2].Add("x", none, "n").Add("c", Words{}, "n").Add("y", none, "n");
  tables[3]
      .Add("x", std::vector<float>{2.5, -1, 7})
      .AddCategory("c", Words{"z", std::nullopt, "b"})
      .Add("y", Numbers{7, 8, 9});
  tables[4]
      .Add("x", Numbers{0.125, 3, 3})
      .Add("c", Words{"q", "q", "a"})
      .Add("y", Numbers{1, 1, 1});
  TestTable whole;
  whole
      .Add("x", std::vector<std::optional<double>>{1, 5, 9, std::nullopt, std::nullopt,
                                                   std::nullopt, 2.5, -1, 7, 0.125, 3, 3})
      .Add("c", Words{"a", "b", "a", std::nullopt, std::nullopt, std::nullopt, "z", std::nullopt,
                      "b", "q", "q", "a"})
      .Add("y", Numbers{1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 1, 1});
  const DataSpec spec = NumbersFrom("y");
  const Dataset all = *MakeDataset(Context(), whole.ToTable(), spec, {});
  Random random(1);
  std::vector<Survey> surveys;
  for (const TestTable& table : tables)
    surveys.push_back(*TakeSurvey(Context(), table.ToTable(), spec));
  const auto merged = [&] {
    return MergeInAnyOrder(surveys, random,
                           [](const Survey& a, const Survey& b) { return *Merge(a, b); });
  };
  const Survey survey = merged();
  for (int i = 0; i < 30; ++i) ASSERT_EQ(Serialize(merged()), Serialize(survey));
  EXPECT_EQ(survey.features[0].column.format, "g");
  std::vector<Sample> samples;
  std::vector<const Sample*> pointers;
  uint64_t first_row = 0;
  for (const TestTable& table : tables) {
    samples.push_back(*TakeSample(Context(), table.ToTable(), survey, first_row, {}));
    first_row += table.num_rows();
  }
  for (const Sample& sample : samples) pointers.push_back(&sample);
  const Binning binning = *FindBinning(Context(), survey, *Merge(pointers), {});
  std::vector<Part> parts;
  std::vector<const Part*> part_pointers;
  first_row = 0;
  for (const TestTable& table : tables) {
    parts.push_back(*MakePart(Context(), table.ToTable(), binning, "y", "", first_row));
    first_row += table.num_rows();
  }
  for (const Part& part : parts) part_pointers.push_back(&part);
  const Dataset together = *AssembleDataset(Context(), binning, part_pointers, first_row);
  ExpectSameRows(together, all);
}

std::string MergeError(const TestTable& a, const TestTable& b, const DataSpec& spec) {
  const Survey one = *TakeSurvey(Context(), a.ToTable(), spec);
  const Survey other = *TakeSurvey(Context(), b.ToTable(), spec);
  const Result<Survey> merged = Merge(one, other);
  const Result<Survey> turned = Merge(other, one);
  if (merged.ok() != turned.ok()) return "not commutative";
  if (merged.ok()) return "no error";
  EXPECT_EQ(merged.error().message, turned.error().message);
  return merged.error().message;
}

TEST(Parts, ThatCouldNotBeOneTableAreRefused) {
  const auto with = [](auto values, const std::string& format = "") {
    return TestTable().Add("x", values, format).Add("y", Numbers{1, 2});
  };
  const std::string cure = " Convert it to one type.";
  const DataSpec spec = NumbersFrom("y");
  const std::vector<int64_t> integers = {1, 2};
  EXPECT_EQ(MergeError(with(Numbers{1, 2}), with(Strings{"a", "b"}), spec),
            "column \"x\" holds float64s in one part and strings in another." + cure);
  EXPECT_EQ(MergeError(with(integers), with(integers, "tsu:"), spec),
            "column \"x\" holds int64s in one part and timestamps in another." + cure);
  EXPECT_EQ(MergeError(with(integers, "tsu:"), with(integers, "tsn:UTC"), spec), "no error");
  EXPECT_EQ(MergeError(with(integers), with(std::vector<bool>{true, false}), spec), "no error");
  DataSpec classes = spec;
  classes.classification = true;
  const auto label = [](auto values) {
    return TestTable().Add("x", Numbers{1, 2}).Add("y", values);
  };
  EXPECT_EQ(MergeError(label(Strings{"1", "2"}), label(integers), classes),
            "column \"y\" holds int64s in one part and strings in another." + cure);
  std::vector<int64_t> some, others;
  for (int64_t i = 0; i < 600; ++i) {
    some.push_back(i);
    others.push_back(600 + i);
  }
  const auto many = [](const std::vector<int64_t>& values) {
    return TestTable().Add("x", values).Add("y", values);
  };
  EXPECT_EQ(MergeError(many(some), many(others), classes),
            "column \"y\" has more than 1000 classes. Is it a number to predict? Then train a "
            "regression (--task regression, HistGradientBoostingRegressor).");
}

// All the rows that were likely to be in the sample weigh zero.
TEST(Parts, AreSampledAgainWhereTheSampleIsTooSmall) {
  constexpr size_t kRows = 20'000, kHalf = 9'000;
  Numbers x(kRows), y(kRows, 1), weights(kRows, 1);
  for (size_t i = 0; i < kRows; ++i) x[i] = static_cast<double>(i * 7919 % kRows);
  BinningParameters parameters;
  parameters.sample_rows = 500;
  DataSpec spec = NumbersFrom("y");
  spec.weight = "w";
  const auto table = [&](size_t begin, size_t end) {
    const auto cut = [&](const Numbers& values) {
      return Numbers(values.begin() + static_cast<ptrdiff_t>(begin),
                     values.begin() + static_cast<ptrdiff_t>(end));
    };
    return TestTable().Add("x", cut(x)).Add("y", cut(y)).Add("w", cut(weights)).ToTable();
  };
  // Rows of the likely sample, by way of a sample of more rows.
  BinningParameters more = parameters;
  more.sample_rows = 3000;
  const Survey unweighted = *TakeSurvey(Context(), table(0, kRows), spec);
  const Sample likely = *TakeSample(Context(), table(0, kRows), unweighted, 0, more);
  for (const uint64_t id : likely.ids) weights[id] = 0;
  const Survey survey = *Merge(*TakeSurvey(Context(), table(0, kHalf), spec),
                               *TakeSurvey(Context(), table(kHalf, kRows), spec));
  const auto sample = [&](bool everything) {
    const Sample a = *TakeSample(Context(), table(0, kHalf), survey, 0, parameters, everything);
    const Sample b =
        *TakeSample(Context(), table(kHalf, kRows), survey, kHalf, parameters, everything);
    const Sample* both[] = {&a, &b};
    return *Merge(both);
  };
  const Sample small = sample(false);
  EXPECT_FALSE(small.enough());
  EXPECT_NE(FindBinning(Context(), survey, small, parameters)
                .error()
                .message.find("take them with everything"),
            std::string::npos);
  const Sample all = sample(true);
  EXPECT_TRUE(all.enough());
  EXPECT_EQ(Serialize(*FindBinning(Context(), survey, all, parameters)),
            Serialize(static_cast<const Binning&>(
                *MakeDataset(Context(), table(0, kRows), spec, parameters))));
}

}  // namespace
}  // namespace ramet
