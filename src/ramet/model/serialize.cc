#include "ramet/model/format.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "ramet/base/bytes.h"
#include "ramet/table/key_bytes.h"

namespace ramet {
namespace {

void PutStrings(ByteWriter& out, const std::vector<std::string>& strings) {
  out.PutCount(strings.size());
  for (const std::string& text : strings) out.PutString(text);
}

void PutPairs(ByteWriter& out, const std::vector<std::pair<std::string, std::string>>& pairs) {
  out.PutCount(pairs.size());
  for (const auto& [name, value] : pairs) {
    out.PutString(name);
    out.PutString(value);
  }
}

// One field of all nodes: struct of arrays.
template <class T>
void PutColumn(ByteWriter& out, const std::vector<Node>& nodes, T Node::*field) {
  for (const Node& node : nodes) out.Put(node.*field);
}

void PutTree(ByteWriter& out, const Tree& tree) {
  out.PutCount(tree.nodes.size());
  out.PutCount(tree.category_sets.size());
  PutColumn(out, tree.nodes, &Node::feature);
  PutColumn(out, tree.nodes, &Node::left);
  PutColumn(out, tree.nodes, &Node::threshold);
  PutColumn(out, tree.nodes, &Node::value);
  PutColumn(out, tree.nodes, &Node::gain);
  PutColumn(out, tree.nodes, &Node::count);
  PutColumn(out, tree.nodes, &Node::category_set);
  PutColumn(out, tree.nodes, &Node::missing_left);
  for (const CategorySet& set : tree.category_sets) {
    out.Put(set.others_left);
    out.PutCount(set.bits.size());
    for (const uint64_t word : set.bits) out.Put(word);
  }
}

}  // namespace

std::string SerializeBody(const Model& model) {
  ByteWriter out;
  out.Put(model.algorithm_version);
  out.PutString(model.loss);
  PutPairs(out, model.parameters);
  out.PutCount(model.features.size());
  for (const ModelFeature& feature : model.features) {
    out.Put(static_cast<uint8_t>(feature.kind));
    out.Put(feature.folded);
    PutKeys(out, feature.categories);
  }
  PutKeys(out, model.classes);
  out.PutCount(model.base_scores.size());
  for (const double score : model.base_scores) out.Put(score);
  out.PutCount(model.trees.size());
  for (const Tree& tree : model.trees) PutTree(out, tree);
  return out.Take();
}

std::string SerializeNames(const Model& model) {
  ByteWriter out;
  PutStrings(out, model.feature_names);
  PutStrings(out, model.feature_types);
  out.PutString(model.label_name);
  PutPairs(out, model.provenance);
  return out.Take();
}

std::string AssembleFile(std::string_view body, std::string_view names) {
  ByteWriter header;
  header.Put(kFormatVersion);
  for (const std::string_view section : {body, names}) {
    header.Put(static_cast<uint64_t>(section.size()));
    header.Put(static_cast<uint64_t>(XXH3_64bits(section.data(), section.size())));
  }
  std::string file;
  file.reserve(kHeaderBytes + body.size() + names.size());
  return file.append(kMagic).append(header.Take()).append(body).append(names);
}

std::string Serialize(const Model& model) {
  return AssembleFile(SerializeBody(model), SerializeNames(model));
}

}  // namespace ramet
