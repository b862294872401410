// A4: damaged bytes are errors; whatever is accepted is what was written, and can be worked with.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "ramet/bins/parts.h"
#include "ramet/table/testing.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace ramet {
namespace {

using Random = std::mt19937_64;

TestTable SomeTable() {
  Random random(1);
  std::vector<double> x, weights;
  std::vector<std::string> words, labels;
  for (size_t i = 0; i < 300; ++i) {
    x.push_back(static_cast<double>(random() % 50));
    weights.push_back(static_cast<double>(random() % 3));
    words.push_back("w" + std::to_string(random() % 7));
    labels.push_back(random() % 2 == 0 ? "no" : "yes");
  }
  return TestTable().Add("x", x).Add("c", words).Add("y", labels).Add("w", weights);
}

// All four of one table.
struct Steps {
  TestTable table = SomeTable();
  DataSpec spec;
  BinningParameters parameters;
  Survey survey;
  Sample sample;
  Binning binning;
  Part part;

  Steps() {
    spec.label = "y";
    spec.weight = "w";
    spec.classification = true;
    spec.class_weight = "balanced";
    survey = *TakeSurvey(Context(), table.ToTable(), spec);
    sample = *TakeSample(Context(), table.ToTable(), survey, 0, parameters);
    binning = *FindBinning(Context(), survey, sample, parameters);
    part = *MakePart(Context(), table.ToTable(), binning, "y", "w", 0);
  }
};

Shared<std::byte> Copy(Bytes bytes) {
  return Shared<std::byte>(std::vector<std::byte>(bytes.begin(), bytes.end()));
}
std::vector<Shared<std::byte>> Copies(const Part& part) {
  std::vector<Shared<std::byte>> arrays;
  for (const Bytes array : ArraysOf(part)) arrays.push_back(Copy(array));
  return arrays;
}

// Reads bytes; where that goes well, writes them again and works with what was read.
template <class T>
std::optional<std::string> ReadAndUse(const Steps& steps, const std::string& bytes);

template <>
std::optional<std::string> ReadAndUse<Survey>(const Steps& steps, const std::string& bytes) {
  const Result<Survey> read = DeserializeSurvey(bytes);
  if (!read.ok()) return std::nullopt;
  (void)Merge(*read, steps.survey);
  (void)Merge(*read, *read);
  (void)TakeSample(Context(), steps.table.ToTable(), *read, 0, steps.parameters);
  (void)FindBinning(Context(), *read, steps.sample, steps.parameters);
  return Serialize(*read);
}
template <>
std::optional<std::string> ReadAndUse<Sample>(const Steps& steps, const std::string& bytes) {
  const Result<Sample> read = DeserializeSample(bytes, Copy(ArrayOf(steps.sample)));
  if (!read.ok()) return std::nullopt;
  const Sample* both[] = {&*read, &steps.sample};
  (void)Merge(both);
  (void)FindBinning(Context(), steps.survey, *read, steps.parameters);
  return Serialize(*read);
}
template <>
std::optional<std::string> ReadAndUse<Binning>(const Steps& steps, const std::string& bytes) {
  const Result<Binning> read = DeserializeBinning(bytes);
  if (!read.ok()) return std::nullopt;
  const Result<Part> part = MakePart(Context(), steps.table.ToTable(), *read, "y", "w", 0);
  if (part.ok()) {
    const Part* parts[] = {&*part};
    (void)AssembleDataset(Context(), *read, parts, 300);
  }
  return Serialize(*read);
}
template <>
std::optional<std::string> ReadAndUse<Part>(const Steps& steps, const std::string& bytes) {
  const Result<Part> read = DeserializePart(bytes, Copies(steps.part));
  if (!read.ok()) return std::nullopt;
  const Part* parts[] = {&*read, &steps.part};
  (void)AssembleDataset(Context(), steps.binning, parts, 300);
  parts[1] = parts[0];
  (void)AssembleDataset(Context(), steps.binning, std::span(parts, 1), 300);
  return Serialize(*read);
}

// The checksum that its bytes should have.
void Reseal(std::string& bytes) {
  constexpr size_t kHeadBytes = 8 + 2 + 8;
  if (bytes.size() < kHeadBytes) return;
  const uint64_t checksum = XXH3_64bits(bytes.data() + kHeadBytes, bytes.size() - kHeadBytes);
  std::memcpy(bytes.data() + 10, &checksum, sizeof checksum);
}

template <class T>
void ExpectDamageIsSeen(const Steps& steps, const std::string& good) {
  ASSERT_EQ(ReadAndUse<T>(steps, good), good);
  Random random(2);
  for (size_t size = 0; size < good.size(); ++size) {
    std::string cut = good.substr(0, size);
    ASSERT_EQ(ReadAndUse<T>(steps, cut), std::nullopt) << size;
    Reseal(cut);
    ASSERT_EQ(ReadAndUse<T>(steps, cut), std::nullopt) << size;
  }
  for (size_t i = 0; i < 500; ++i) {
    std::string flipped = good;
    flipped[random() % good.size()] ^= static_cast<char>(1 << (random() % 8));
    ASSERT_EQ(ReadAndUse<T>(steps, flipped), std::nullopt) << "seed 2, flip " << i;
  }
  // Damage that the checksum does not tell.
  for (size_t i = 0; i < 3000; ++i) {
    std::string bytes = good;
    for (uint64_t changes = 1 + random() % 3; changes > 0; --changes) {
      const size_t at = 18 + random() % (good.size() - 18);
      const char extremes[] = {0, 1, -1, 127, static_cast<char>(random())};
      bytes[at] = extremes[random() % 5];
    }
    if (random() % 8 == 0) bytes += "more";
    Reseal(bytes);
    const std::optional<std::string> again = ReadAndUse<T>(steps, bytes);
    ASSERT_TRUE(!again || *again == bytes) << "seed 2, change " << i;
  }
}

TEST(PartsBytes, DamagedSurveysAreErrors) {
  const Steps steps;
  ExpectDamageIsSeen<Survey>(steps, Serialize(steps.survey));
}
TEST(PartsBytes, DamagedSamplesAreErrors) {
  const Steps steps;
  ExpectDamageIsSeen<Sample>(steps, Serialize(steps.sample));
}
TEST(PartsBytes, DamagedBinningsAreErrors) {
  const Steps steps;
  ExpectDamageIsSeen<Binning>(steps, Serialize(steps.binning));
}
TEST(PartsBytes, DamagedPartsAreErrors) {
  const Steps steps;
  ExpectDamageIsSeen<Part>(steps, Serialize(steps.part));
}

TEST(PartsBytes, DamagedArraysAreErrors) {
  const Steps steps;
  Random random(3);
  for (size_t i = 0; i < 200; ++i) {
    std::vector<Shared<std::byte>> arrays = Copies(steps.part);
    const size_t which = random() % 3;
    std::vector<std::byte> bytes(arrays[which].span().begin(), arrays[which].span().end());
    if (random() % 4 == 0)
      bytes.resize(random() % bytes.size());
    else
      bytes[random() % bytes.size()] ^= static_cast<std::byte>(1 << (random() % 8));
    arrays[which] = Shared<std::byte>(bytes);
    ASSERT_FALSE(DeserializePart(Serialize(steps.part), arrays).ok());
    ASSERT_FALSE(DeserializePart(Serialize(steps.part), std::span(arrays).first(3)).ok());
    std::vector<std::byte> values(ArrayOf(steps.sample).begin(), ArrayOf(steps.sample).end());
    values[random() % values.size()] ^= static_cast<std::byte>(1);
    ASSERT_FALSE(DeserializeSample(Serialize(steps.sample), Shared<std::byte>(values)).ok());
  }
}

// Bytes of one kind are none of another's, and say so.
TEST(PartsBytes, KindsAreToldApart) {
  const Steps steps;
  EXPECT_EQ(DeserializeSurvey(Serialize(steps.binning)).error().message,
            "these are not the bytes of a survey.");
  EXPECT_EQ(DeserializeBinning(Serialize(steps.survey)).error().message,
            "these are not the bytes of a binning.");
  std::string newer = Serialize(steps.survey);
  newer[8] = 9;
  EXPECT_EQ(DeserializeSurvey(newer).error().message,
            "the bytes of this survey are of version 9, not 1. Run the same Ramet on all "
            "machines.");
}

// A part whose fingerprint is right but whose bins no training could look up.
TEST(PartsBytes, BinsThatTheBinningDoesNotHaveAreRefused) {
  const Steps steps;
  Binning coarser = steps.binning;
  coarser.mapper.features[0].thresholds.resize(1);
  Part part = steps.part;
  part.binning = MakePart(Context(), steps.table.ToTable(), coarser, "y", "w", 0)->binning;
  const Part* parts[] = {&part};
  const Result<Dataset> made = AssembleDataset(Context(), coarser, parts, 300);
  ASSERT_FALSE(made.ok());
  EXPECT_NE(made.error().message.find("it is damaged"), std::string::npos);
}

}  // namespace
}  // namespace ramet
