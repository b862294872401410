// The JSON export is written as text, not built as a document: a document of a large model would
// take several times its memory, and a node a line is what people can read and compare.
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "ramet/model/model.h"

namespace ramet {
namespace {

// Quoted and escaped; bytes that are not UTF-8 become U+FFFD.
std::string Quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// The shortest digits that read back as the same number; integers exactly.
template <class T>
std::string Number(T value) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  return std::string(buffer, end);
}

std::string Key(const CategoryKey& key) {
  if (const auto* integer = std::get_if<int64_t>(&key)) return Number(*integer);
  return Quoted(std::get<std::string>(key));
}

// "[a, b]" of format(item) for each item.
template <class Items, class Format>
std::string List(const Items& items, Format format, const char* separator = ", ") {
  std::string out = "[";
  const char* before = "";
  for (const auto& item : items) {
    out.append(before).append(format(item));
    before = separator;
  }
  return out + "]";
}

std::string Pair(const std::pair<std::string, std::string>& pair) {
  return "{\"name\": " + Quoted(pair.first) + ", \"value\": " + Quoted(pair.second) + "}";
}

std::string Feature(const Model& model, size_t i) {
  const ModelFeature& feature = model.features[i];
  std::string out = "{\"name\": " + Quoted(model.feature_names[i]) +
                    ", \"type\": " + Quoted(model.feature_types[i]);
  if (feature.kind == FeatureKind::kNumeric) return out + ", \"kind\": \"numeric\"}";
  return out + ", \"kind\": \"categorical\", \"folded\": " + (feature.folded ? "true" : "false") +
         ", \"categories\": " + List(feature.categories, Key) + "}";
}

const char* Side(bool left) { return left ? "\"left\"" : "\"right\""; }

std::string CategoriesLeft(const CategorySet& set, const std::vector<CategoryKey>& categories) {
  std::string out = "[";
  const char* before = "";
  for (size_t i = 0; i < categories.size(); ++i) {
    if (!set.Contains(i)) continue;
    out.append(before).append(Key(categories[i]));
    before = ", ";
  }
  return out + "]";
}

std::string NodeObject(const Model& model, const Tree& tree, size_t i) {
  const Node& node = tree.nodes[i];
  std::string out = "{\"id\": " + Number(i);
  if (node.is_leaf()) {
    out += ", \"value\": " + Number(node.value + 0.0);
  } else {
    out += ", \"feature\": " + Number(node.feature);
    if (node.category_set < 0) {
      // JSON has no infinity: null stands for the threshold that no present value exceeds.
      out += ", \"threshold\": " +
             (std::isinf(node.threshold) ? "null" : Number(node.threshold + 0.0));
    } else {
      const CategorySet& set = tree.category_sets[node.category_set];
      out +=
          ", \"categories_left\": " + CategoriesLeft(set, model.features[node.feature].categories) +
          ", \"others\": " + Side(set.others_left);
    }
    out += std::string(", \"missing\": ") + Side(node.missing_left) +
           ", \"left\": " + Number(node.left) + ", \"right\": " + Number(node.left + 1) +
           ", \"gain\": " + Number(node.gain + 0.0);
  }
  return out + ", \"count\": " + Number(node.count) + "}";
}

void AppendTree(std::string& out, const Model& model, size_t t) {
  const Tree& tree = model.trees[t];
  out += "    {\"round\": " + Number(t / model.num_outputs() + 1) +
         ", \"output\": " + Number(t % model.num_outputs()) + ", \"nodes\": [\n";
  for (size_t i = 0; i < tree.nodes.size(); ++i) {
    out += "      " + NodeObject(model, tree, i);
    out += i + 1 < tree.nodes.size() ? ",\n" : "\n";
  }
  out += "    ]}";
}

}  // namespace

std::string ToJson(const Model& model) {
  std::vector<size_t> feature_ids(model.features.size());
  for (size_t i = 0; i < feature_ids.size(); ++i) feature_ids[i] = i;

  std::string out = "{\n  \"format\": \"ramet-model\",\n";
  out += "  \"algorithm_version\": " + Number(model.algorithm_version) + ",\n";
  out += "  \"digest\": " + Quoted(Digest(model)) + ",\n";
  out += "  \"loss\": " + Quoted(model.loss) + ",\n";
  out += "  \"parameters\": " + List(model.parameters, Pair, ",\n    ") + ",\n";
  out += "  \"label\": " + Quoted(model.label_name) + ",\n";
  out += "  \"classes\": " + List(model.classes, Key) + ",\n";
  out += "  \"base_scores\": " +
         List(model.base_scores, [](double score) { return Number(score + 0.0); }) + ",\n";
  out += "  \"features\": " +
         List(
             feature_ids, [&](size_t i) { return Feature(model, i); }, ",\n    ") +
         ",\n";
  out += "  \"provenance\": " + List(model.provenance, Pair, ",\n    ") + ",\n";
  out += "  \"rounds\": " + Number(model.num_rounds()) + ",\n  \"trees\": [\n";
  for (size_t t = 0; t < model.trees.size(); ++t) {
    AppendTree(out, model, t);
    out += t + 1 < model.trees.size() ? ",\n" : "\n";
  }
  return out + "  ]\n}\n";
}

}  // namespace ramet
