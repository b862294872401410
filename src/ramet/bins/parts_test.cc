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
  context.threads = 1 + static_cast<int>(random() % 3);
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
  for (uint64_t seed = 0; seed < 40; ++seed)
    ASSERT_NO_FATAL_FAILURE(ExpectSameAsWhole(seed)) << "seed " << seed;
}

}  // namespace
}  // namespace ramet
