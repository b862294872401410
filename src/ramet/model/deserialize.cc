#include "ramet/model/format.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "ramet/base/bytes.h"
#include "ramet/table/key_bytes.h"

namespace ramet {
namespace {

// The least that one of these takes in a file.
constexpr uint64_t kMinFeatureBytes = 1 + 1 + 4;  // kind, flag, no categories
constexpr uint64_t kNodeBytes = 4 + 4 + 8 + 8 + 8 + 8 + 4 + 1;
constexpr uint64_t kMinTreeBytes = 4 + 4 + kNodeBytes;
constexpr uint64_t kMinCategorySetBytes = 1 + 4;
constexpr uint64_t kMinPairBytes = 4 + 4;

std::vector<std::string> GetStrings(ByteReader& in, uint64_t maximum, const char* what) {
  std::vector<std::string> strings(in.Count(maximum, 4, what));
  for (std::string& text : strings) text = in.GetString(kMaxStringBytes);
  return strings;
}

std::vector<std::pair<std::string, std::string>> GetPairs(ByteReader& in, const char* what) {
  std::vector<std::pair<std::string, std::string>> pairs(
      in.Count(kMaxParameters, kMinPairBytes, what));
  for (auto& [name, value] : pairs) {
    name = in.GetString(kMaxStringBytes);
    value = in.GetString(kMaxStringBytes);
  }
  return pairs;
}

ModelFeature GetFeature(ByteReader& in) {
  ModelFeature feature;
  feature.kind = in.GetBool() ? FeatureKind::kCategorical : FeatureKind::kNumeric;
  feature.folded = in.GetBool();
  feature.categories = GetKeys(in, kMaxCategories, kMaxStringBytes, "categories");
  return feature;
}

Tree GetTree(ByteReader& in) {
  const uint32_t num_nodes = in.Count(kMaxNodes, kNodeBytes, "nodes");
  const uint32_t num_sets = in.Count(kMaxNodes, kMinCategorySetBytes, "category sets");
  Tree tree;
  tree.nodes.resize(in.failed() ? 0 : num_nodes);
  for (Node& node : tree.nodes) node.feature = in.Get<int32_t>();
  for (Node& node : tree.nodes) node.left = in.Get<int32_t>();
  for (Node& node : tree.nodes) node.threshold = in.GetDouble();
  for (Node& node : tree.nodes) node.value = in.GetDouble();
  for (Node& node : tree.nodes) node.gain = in.GetDouble();
  for (Node& node : tree.nodes) node.count = in.Get<uint64_t>();
  for (Node& node : tree.nodes) node.category_set = in.Get<int32_t>();
  for (Node& node : tree.nodes) node.missing_left = in.GetBool();
  tree.category_sets.resize(in.failed() ? 0 : num_sets);
  for (CategorySet& set : tree.category_sets) {
    set.others_left = in.GetBool();
    set.bits.resize(in.Count((kMaxCategories + 63) / 64, 8, "words of a category set"));
    for (uint64_t& word : set.bits) word = in.Get<uint64_t>();
  }
  return tree;
}

Status ReadBody(std::string_view bytes, Model& model) {
  ByteReader in(bytes);
  model.algorithm_version = in.Get<uint32_t>();
  model.loss = in.GetString(kMaxStringBytes);
  model.parameters = GetPairs(in, "parameters");
  model.features.resize(in.Count(kMaxFeatures, kMinFeatureBytes, "features"));
  for (ModelFeature& feature : model.features) feature = GetFeature(in);
  model.classes = GetKeys(in, kMaxModelClasses, kMaxStringBytes, "classes");
  model.base_scores.resize(in.Count(kMaxModelClasses, 8, "outputs"));
  for (double& score : model.base_scores) score = in.GetDouble();
  model.trees.resize(in.Count(kMaxTrees, kMinTreeBytes, "trees"));
  for (Tree& tree : model.trees) tree = GetTree(in);
  return in.Finish();
}

Status ReadNames(std::string_view bytes, Model& model) {
  ByteReader in(bytes);
  model.feature_names = GetStrings(in, kMaxFeatures, "feature names");
  model.feature_types = GetStrings(in, kMaxFeatures, "feature types");
  model.label_name = in.GetString(kMaxStringBytes);
  model.provenance = GetPairs(in, "lines of provenance");
  return in.Finish();
}

Error Damaged(const std::string& detail) {
  return DataError("the model file is damaged: " + detail +
                   ". Copy it again from its source, or train the model again.");
}

Status CheckSection(const char* name, std::string_view section, uint64_t checksum) {
  if (XXH3_64bits(section.data(), section.size()) == checksum) return {};
  return Damaged(std::string("the checksum of its ") + name + " does not fit its bytes");
}

}  // namespace

Result<FileHeader> ParseHeader(std::string_view bytes) {
  if (bytes.empty()) {
    return DataError("the file is empty, not a model. Give a file that `ramet train` wrote.");
  }
  const std::string_view start = bytes.substr(0, kMagic.size());
  if (start != kMagic.substr(0, start.size())) {
    return DataError(
        "this is not a Ramet model: it does not begin with \"RAMET\". "
        "Give a file that `ramet train` wrote.");
  }
  if (bytes.size() < kHeaderBytes) {
    return Damaged("it is cut short, only " + std::to_string(bytes.size()) + " bytes are there");
  }
  ByteReader in(bytes.substr(kMagic.size(), kHeaderBytes - kMagic.size()));
  const auto version = in.Get<uint16_t>();
  if (version > kFormatVersion) {
    return DataError("the model was written by a newer Ramet: its file format is version " +
                     std::to_string(version) + ", this program reads versions up to " +
                     std::to_string(kFormatVersion) + ". Update Ramet.");
  }
  if (version == 0) return Damaged("its format version is 0");
  FileHeader header;
  header.body_size = in.Get<uint64_t>();
  header.body_checksum = in.Get<uint64_t>();
  header.names_size = in.Get<uint64_t>();
  header.names_checksum = in.Get<uint64_t>();
  if (header.body_size > kMaxFileBytes || header.names_size > kMaxFileBytes ||
      header.file_size() > kMaxFileBytes) {
    return Damaged("its header claims more than the " + std::to_string(kMaxFileBytes) +
                   " bytes that a model may have");
  }
  return header;
}

Result<Model> Deserialize(std::string_view bytes) {
  RAMET_ASSIGN(const FileHeader header, ParseHeader(bytes));
  if (bytes.size() < header.file_size()) {
    return Damaged("it is cut short, " + std::to_string(bytes.size()) + " of " +
                   std::to_string(header.file_size()) + " bytes are there");
  }
  if (bytes.size() > header.file_size()) {
    return Damaged(std::to_string(bytes.size() - header.file_size()) + " bytes follow its end");
  }
  const std::string_view body = bytes.substr(kHeaderBytes, header.body_size);
  const std::string_view names = bytes.substr(kHeaderBytes + header.body_size);
  RAMET_RETURN_IF_ERROR(CheckSection("body", body, header.body_checksum));
  RAMET_RETURN_IF_ERROR(CheckSection("names", names, header.names_checksum));

  Model model;
  if (Status status = ReadBody(body, model); !status.ok()) {
    return Damaged("body, " + status.error().message);
  }
  if (Status status = ReadNames(names, model); !status.ok()) {
    return Damaged("names, " + status.error().message);
  }
  if (Status status = Validate(model); !status.ok()) return Damaged(status.error().message);
  return model;
}

}  // namespace ramet
