// Surveys, samples, binnings and parts as bytes.
//
//   tag (8 bytes) | u16 version | u64 XXH3-64 of what follows | body
//
// The checksum tells damage; what it cannot tell is checked field by field, so that whatever is
// accepted can be worked with (A4). Large arrays are apart, and their hash is in the body.

#include <algorithm>
#include <bit>
#include <cmath>

#include "ramet/base/bytes.h"
#include "ramet/bins/part.h"
#include "ramet/table/key_bytes.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace ramet {
namespace {

static_assert(std::endian::native == std::endian::little, "arrays are passed as they lie");

constexpr uint16_t kVersion = 1;
constexpr uint64_t kMaxText = UINT32_MAX;  // no more than the bytes that are there
constexpr std::string_view kSurveyTag("RAMETsrv", 8), kBinningTag("RAMETbin", 8),
    kSampleTag("RAMETsmp", 8), kPartTag("RAMETprt", 8);
constexpr uint64_t kMinFeatureBytes = 4 + 1 + 4 + 1 + 1 + 4;

std::string Seal(std::string_view tag, std::string body) {
  ByteWriter head;
  head.Put(kVersion);
  head.Put(static_cast<uint64_t>(XXH3_64bits(body.data(), body.size())));
  return std::string(tag) + head.Take() + body;
}

Error Damaged(const char* what, const std::string& detail) {
  return DataError(std::string("the bytes of a ") + what + " are damaged: " + detail +
                   ". Make them again.");
}

// The body of sealed bytes.
Result<std::string_view> Unseal(std::string_view tag, const char* what, std::string_view bytes) {
  constexpr size_t kHeadBytes = 2 + 8;
  if (bytes.substr(0, tag.size()) != tag)
    return DataError(std::string("these are not the bytes of a ") + what + ".");
  if (bytes.size() < tag.size() + kHeadBytes) return Damaged(what, "they are cut short");
  ByteReader head(bytes.substr(tag.size(), kHeadBytes));
  const auto version = head.Get<uint16_t>();
  const auto checksum = head.Get<uint64_t>();
  if (version != kVersion)
    return DataError(std::string("the bytes of this ") + what + " are of version " +
                     std::to_string(version) + ", not " + std::to_string(kVersion) +
                     ". Run the same Ramet on all machines.");
  const std::string_view body = bytes.substr(tag.size() + kHeadBytes);
  if (XXH3_64bits(body.data(), body.size()) != checksum)
    return Damaged(what, "their checksum does not fit");
  return body;
}

template <class T>
Result<T> Finish(ByteReader& in, const char* what, T value) {
  if (Status status = in.Finish(); !status.ok()) return Damaged(what, status.error().message);
  return value;
}

void PutStrings(ByteWriter& out, const std::vector<std::string>& strings) {
  out.PutCount(strings.size());
  for (const std::string& text : strings) out.PutString(text);
}

std::vector<std::string> GetStrings(ByteReader& in, const char* what) {
  std::vector<std::string> strings(in.Count(kMaxText, 4, what));
  for (std::string& text : strings) text = in.GetString(kMaxText);
  return strings;
}

template <class T, class KeyOf>
void RequireAscending(ByteReader& in, const std::vector<T>& values, const char* what,
                      const KeyOf& key) {
  for (size_t i = 1; i < values.size(); ++i)
    if (!(key(values[i - 1]) < key(values[i])))
      return in.Fail(std::string(what) + " do not ascend");
}
constexpr auto kItself = [](const auto& value) -> const auto& { return value; };
constexpr auto kFirst = [](const auto& pair) -> const auto& { return pair.first; };

void PutSpec(ByteWriter& out, const DataSpec& spec) {
  out.PutString(spec.label);
  out.PutString(spec.weight);
  PutStrings(out, spec.features);
  PutStrings(out, spec.categorical);
  PutStrings(out, spec.numeric);
  out.Put(spec.classification);
  out.PutString(spec.class_weight);
}

DataSpec GetSpec(ByteReader& in) {
  DataSpec spec;
  spec.label = in.GetString(kMaxText);
  spec.weight = in.GetString(kMaxText);
  spec.features = GetStrings(in, "features");
  spec.categorical = GetStrings(in, "categorical features");
  spec.numeric = GetStrings(in, "numeric features");
  spec.classification = in.GetBool();
  spec.class_weight = in.GetString(kMaxText);
  return spec;
}

void PutColumn(ByteWriter& out, const ColumnSurvey& column) {
  out.PutString(column.name);
  out.Put(static_cast<uint8_t>(column.type));
  out.PutString(column.format);
}

ColumnSurvey GetColumn(ByteReader& in) {
  ColumnSurvey column;
  column.name = in.GetString(kMaxText);
  const auto type = in.Get<uint8_t>();
  if (type > static_cast<uint8_t>(ValueType::kString)) in.Fail("a column has no known type");
  column.type = static_cast<ValueType>(type);
  column.format = in.GetString(kMaxText);
  return column;
}

void PutFacts(ByteWriter& out, const WeightFacts& facts) {
  out.Put(facts.rows);
  out.Put(facts.counted);
  out.Put(std::bit_cast<uint32_t>(facts.least));
  out.Put(std::bit_cast<uint32_t>(facts.most));
}

WeightFacts GetFacts(ByteReader& in) {
  WeightFacts facts;
  facts.rows = in.Get<uint64_t>();
  facts.counted = in.Get<uint64_t>();
  facts.least = std::bit_cast<float>(in.Get<uint32_t>());
  facts.most = std::bit_cast<float>(in.Get<uint32_t>());
  if (facts.counted > facts.rows || !(facts.least >= 0) ||
      !(facts.most >= 0 && std::isfinite(facts.most)))
    in.Fail("facts about weights contradict each other");
  return facts;
}

void PutFeature(ByteWriter& out, const FeatureSurvey& feature) {
  PutColumn(out, feature.column);
  out.Put(feature.kind == FeatureKind::kCategorical);
  out.Put(feature.any_kind);
  out.PutCount(feature.counts.size());
  for (const auto& [key, count] : feature.counts) {
    PutKey(out, key);
    out.Put(count);
  }
}

FeatureKind GetFeatureKind(ByteReader& in) {
  return in.GetBool() ? FeatureKind::kCategorical : FeatureKind::kNumeric;
}

FeatureSurvey GetFeature(ByteReader& in) {
  FeatureSurvey feature;
  feature.column = GetColumn(in);
  feature.kind = GetFeatureKind(in);
  feature.any_kind = in.GetBool();
  feature.counts.resize(in.Count(kMaxCategoriesPerColumn, kMinKeyBytes + 8, "categories"));
  for (auto& [key, count] : feature.counts) {
    key = GetKey(in, kMaxText);
    count = in.Get<uint64_t>();
  }
  RequireAscending(in, feature.counts, "categories", kFirst);
  if (feature.kind == FeatureKind::kNumeric && !feature.counts.empty())
    in.Fail("a numeric feature has categories");
  return feature;
}

FeatureBins GetBins(ByteReader& in) {
  FeatureBins bins;
  bins.kind = GetFeatureKind(in);
  bins.folded = in.GetBool();
  bins.has_values = in.GetBool();
  bins.thresholds = in.GetArray<double>();
  bins.categories = GetKeys(in, kMaxCategoryBins, kMaxText, "categories");
  RequireAscending(in, bins.thresholds, "thresholds", kItself);
  RequireAscending(in, bins.categories, "categories", kItself);
  const bool categorical = bins.kind == FeatureKind::kCategorical;
  if (std::any_of(bins.thresholds.begin(), bins.thresholds.end(),
                  [](double t) { return !std::isfinite(t); }))
    in.Fail("a threshold is not finite");
  if (categorical ? bins.has_values || !bins.thresholds.empty()
                  : bins.folded || !bins.categories.empty() ||
                        (!bins.has_values && !bins.thresholds.empty()))
    in.Fail("a feature has what its kind cannot have");
  if (bins.thresholds.size() > 254) in.Fail("a feature has more bins than a byte can tell");
  return bins;
}

template <class T>
Bytes AsBytes(const Shared<T>& values) {
  return std::as_bytes(values.span());
}

uint64_t HashOf(Bytes bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

// The array as values, without a copy where it is aligned. Its size must be checked.
template <class T>
Shared<T> AsValues(const Shared<std::byte>& array) {
  const size_t count = array.size() / sizeof(T);
  if (reinterpret_cast<uintptr_t>(array.data()) % alignof(T) == 0)
    return Shared<T>({reinterpret_cast<const T*>(array.data()), count}, array.owner());
  Buffer<T> copy(count);
  std::copy_n(array.data(), count * sizeof(T), reinterpret_cast<std::byte*>(copy.data()));
  return Shared<T>(std::move(copy));
}

bool AreWeights(const std::vector<float>& weights) {
  return std::all_of(weights.begin(), weights.end(),
                     [](float weight) { return weight >= 0 && std::isfinite(weight); });
}

}  // namespace

uint64_t FingerprintOf(const Binning& binning) {
  const std::string bytes = Serialize(binning);
  return XXH3_64bits(bytes.data(), bytes.size());
}

std::array<uint64_t, 2> FingerprintOf(const Part& part) {
  ByteWriter head;
  head.Put(static_cast<uint64_t>(part.num_rows));
  head.Put(static_cast<uint64_t>(part.num_features));
  head.Put(static_cast<uint64_t>(part.num_outputs));
  head.Put(!part.weights.empty());
  const std::string sizes = head.Take();
  XXH3_state_t state;
  XXH3_128bits_reset(&state);
  XXH3_128bits_update(&state, sizes.data(), sizes.size());
  for (const Bytes array : ArraysOf(part))
    if (!array.empty()) XXH3_128bits_update(&state, array.data(), array.size());
  const XXH128_hash_t hash = XXH3_128bits_digest(&state);
  return {hash.high64, hash.low64};
}

std::string Serialize(const Survey& survey) {
  ByteWriter out;
  PutSpec(out, survey.spec);
  PutColumn(out, survey.label);
  out.Put(survey.weight.has_value());
  if (survey.weight) PutColumn(out, *survey.weight);
  out.PutCount(survey.features.size());
  for (const FeatureSurvey& feature : survey.features) PutFeature(out, feature);
  PutFacts(out, survey.rows);
  out.PutCount(survey.classes.size());
  for (const auto& [key, facts] : survey.classes) {
    PutKey(out, key);
    PutFacts(out, facts);
  }
  return Seal(kSurveyTag, out.Take());
}

Result<Survey> DeserializeSurvey(std::string_view bytes) {
  RAMET_ASSIGN(const std::string_view body, Unseal(kSurveyTag, "survey", bytes));
  ByteReader in(body);
  Survey survey;
  survey.spec = GetSpec(in);
  survey.label = GetColumn(in);
  if (in.GetBool()) survey.weight = GetColumn(in);
  survey.features.resize(in.Count(kMaxTrainingFeatures, kMinFeatureBytes, "features"));
  for (FeatureSurvey& feature : survey.features) feature = GetFeature(in);
  survey.rows = GetFacts(in);
  survey.classes.resize(in.Count(kMaxClasses, kMinKeyBytes + 24, "classes"));
  for (auto& [key, facts] : survey.classes) {
    key = GetKey(in, kMaxText);
    facts = GetFacts(in);
    if (facts.rows == 0) in.Fail("a class has no rows");
  }
  RequireAscending(in, survey.classes, "classes", kFirst);
  if (survey.features.empty()) in.Fail("there are no features");
  if (!survey.spec.classification && !survey.classes.empty()) in.Fail("numbers have classes");
  return Finish(in, "survey", std::move(survey));
}

std::string Serialize(const Binning& binning) {
  ByteWriter out;
  out.Put(binning.training_rows);
  out.Put(binning.weighted);
  out.PutString(binning.label_name);
  PutStrings(out, binning.feature_names);
  PutStrings(out, binning.feature_types);
  for (const FeatureBins& bins : binning.mapper.features) {
    out.Put(bins.kind == FeatureKind::kCategorical);
    out.Put(bins.folded);
    out.Put(bins.has_values);
    out.PutArray(std::span<const double>(bins.thresholds));
    PutKeys(out, bins.categories);
  }
  PutKeys(out, binning.classes);
  out.PutArray(std::span<const double>(binning.class_factors));
  return Seal(kBinningTag, out.Take());
}

Result<Binning> DeserializeBinning(std::string_view bytes) {
  RAMET_ASSIGN(const std::string_view body, Unseal(kBinningTag, "binning", bytes));
  ByteReader in(body);
  Binning binning;
  binning.training_rows = in.Get<uint64_t>();
  binning.weighted = in.GetBool();
  binning.label_name = in.GetString(kMaxText);
  binning.feature_names = GetStrings(in, "features");
  binning.feature_types = GetStrings(in, "features");
  const size_t features = binning.feature_names.size();
  if (features == 0 || features > kMaxTrainingFeatures || binning.feature_types.size() != features)
    in.Fail("features and their types are not as many");
  if (!in.failed()) binning.mapper.features.resize(features);
  for (FeatureBins& bins : binning.mapper.features) bins = GetBins(in);
  binning.classes = GetKeys(in, kMaxClasses, kMaxText, "classes");
  binning.class_factors = in.GetArray<double>();
  RequireAscending(in, binning.classes, "classes", kItself);
  if (binning.classes.size() == 1) in.Fail("there is one class only");
  if (!binning.class_factors.empty() && binning.class_factors.size() != binning.classes.size())
    in.Fail("classes and their factors are not as many");
  for (const double factor : binning.class_factors)
    if (!(factor >= 0 && std::isfinite(factor))) in.Fail("a class's factor is no weight");
  return Finish(in, "binning", std::move(binning));
}

Bytes ArrayOf(const Sample& sample) { return AsBytes(sample.values); }

std::string Serialize(const Sample& sample) {
  ByteWriter out;
  out.Put(sample.wanted);
  out.Put(sample.seed);
  out.Put(sample.largest_hash);
  out.Put(static_cast<uint64_t>(sample.num_features));
  out.PutArray(std::span<const uint64_t>(sample.ids));
  out.PutArray(std::span<const uint64_t>(sample.hashes));
  out.PutArray(std::span<const float>(sample.weights));
  out.Put(HashOf(ArrayOf(sample)));
  return Seal(kSampleTag, out.Take());
}

Result<Sample> DeserializeSample(std::string_view bytes, const Shared<std::byte>& array) {
  RAMET_ASSIGN(const std::string_view body, Unseal(kSampleTag, "sample", bytes));
  ByteReader in(body);
  Sample sample;
  sample.wanted = in.Get<uint64_t>();
  sample.seed = in.Get<uint64_t>();
  sample.largest_hash = in.Get<uint64_t>();
  sample.num_features = in.Get<uint64_t>();
  sample.ids = in.GetArray<uint64_t>();
  sample.hashes = in.GetArray<uint64_t>();
  sample.weights = in.GetArray<float>();
  const auto hash = in.Get<uint64_t>();
  const size_t rows = sample.num_rows();
  RequireAscending(in, sample.ids, "rows", kItself);
  if (sample.hashes.size() != rows || (!sample.weights.empty() && sample.weights.size() != rows))
    in.Fail("rows and their hashes or weights are not as many");
  if (!AreWeights(sample.weights)) in.Fail("a weight is none");
  if (sample.num_features > kMaxTrainingFeatures ||
      array.size() != sample.num_features * rows * sizeof(double) ||
      HashOf({array.data(), array.size()}) != hash)
    in.Fail("its values are not those that belong to it");
  if (!in.failed()) sample.values = AsValues<double>(array);
  return Finish(in, "sample", std::move(sample));
}

std::array<Bytes, 4> ArraysOf(const Part& part) {
  return {AsBytes(part.bins), AsBytes(part.labels), AsBytes(part.weights),
          AsBytes(part.initial_scores)};
}

std::string Serialize(const Part& part) {
  ByteWriter out;
  out.Put(part.first_row);
  out.Put(static_cast<uint64_t>(part.num_rows));
  out.Put(static_cast<uint64_t>(part.num_features));
  out.Put(static_cast<uint64_t>(part.num_outputs));
  out.Put(part.binning);
  out.Put(part.fingerprint[0]);
  out.Put(part.fingerprint[1]);
  return Seal(kPartTag, out.Take());
}

Result<Part> DeserializePart(std::string_view bytes, std::span<const Shared<std::byte>> arrays) {
  RAMET_ASSIGN(const std::string_view body, Unseal(kPartTag, "part", bytes));
  ByteReader in(body);
  Part part;
  part.first_row = in.Get<uint64_t>();
  part.num_rows = in.Get<uint64_t>();
  part.num_features = in.Get<uint64_t>();
  part.num_outputs = in.Get<uint64_t>();
  part.binning = in.Get<uint64_t>();
  part.fingerprint = {in.Get<uint64_t>(), in.Get<uint64_t>()};
  if (part.num_rows > kMaxRows || part.num_features > kMaxTrainingFeatures ||
      part.num_outputs > kMaxClasses || part.first_row > ~uint64_t{0} - part.num_rows)
    in.Fail("it claims more rows, features or outputs than there can be");
  RAMET_RETURN_IF_ERROR(Finish(in, "part", true));
  if (arrays.size() != 4 || arrays[0].size() != part.num_rows * part.num_features ||
      arrays[1].size() != part.num_rows * sizeof(double) ||
      (!arrays[2].empty() && arrays[2].size() != part.num_rows * sizeof(float)) ||
      arrays[3].size() != part.num_rows * part.num_outputs * sizeof(double))
    return Damaged("part", "its arrays are not of the sizes that it names");
  part.bins = AsValues<uint8_t>(arrays[0]);
  part.labels = AsValues<double>(arrays[1]);
  part.weights = AsValues<float>(arrays[2]);
  part.initial_scores = AsValues<double>(arrays[3]);
  if (FingerprintOf(part) != part.fingerprint)
    return Damaged("part", "its fingerprint does not fit its rows");
  return part;
}

}  // namespace ramet
