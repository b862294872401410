// A trained model: an ensemble of trees over named, typed features — and its file.
//
//   Model ──Serialize──► bytes = header | body | names ──Deserialize (validates everything)──►
//   Model
//
// The *body* is what the promise is about (design section 1): a function of the data in order, the
// model parameters and the algorithm version. The *names* section (column names, dtypes,
// provenance) may differ between equal models. Each has its own size and checksum; the digest is
// the SHA-256 of the body.
//
// Invariants of a valid model (Validate, and every loaded file)
//   M1. Every tree has 1 to kMaxNodes nodes; node 0 is the root; children come in adjacent pairs
//   (right = left + 1), after
//       their parent, and every node but the root is the child of exactly one node.
//   M2. Features, category sets and outputs are in range; thresholds, gains, values and base scores
//   are finite, but that a
//       threshold may be +infinity: all present values go left, the missing ones right.
//   M3. num trees = rounds x outputs, in order of rounds.
//   M4. One model has one form: keys and parameters ascend strictly, fields that a node does not
//   use have their defaults,
//       a category set belongs to one split and has no bits beyond the feature's categories.
// Whether outputs and classes fit the loss is known to the loss, and checked by who applies it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ramet/base/result.h"
#include "ramet/bins/bins.h"

namespace ramet {

// Rises whenever any bit of any body would change for some data (see tests/golden/).
inline constexpr uint32_t kAlgorithmVersion = 2;

// Nodes of one tree, at most: a node index fits an int32 with room to spare, and a full tree of
// depth 23 is allowed.
inline constexpr uint32_t kMaxNodes = 1u << 24;

struct Node {
  int32_t feature = -1;  // split feature; -1 for a leaf
  int32_t left = 0;      // left child; the right one is left + 1; 0 for a leaf
  double threshold = 0;  // numeric split: x <= threshold goes left
  double value = 0;      // leaf: what it adds to the raw score (learning rate included)
  double gain = 0;       // split: decrease of the loss by it, as estimated from the histogram
  uint64_t count = 0;    // training rows
  int32_t category_set =
      -1;  // categorical split: index into Tree::category_sets; -1 for numeric splits and leaves
  bool missing_left = false;  // where missing values go
  bool is_leaf() const { return feature < 0; }
  bool operator==(const Node&) const = default;
};

// The categories that a categorical split sends left: bit i is category i of the feature; keys that
// the feature does not list go left if `others_left`.
struct CategorySet {
  std::vector<uint64_t> bits;  // ceil(categories / 64) words
  bool others_left = false;
  bool Contains(size_t category) const { return (bits[category / 64] >> (category % 64)) & 1; }
  bool operator==(const CategorySet&) const = default;
};

struct Tree {
  std::vector<Node> nodes;
  std::vector<CategorySet> category_sets;
  bool operator==(const Tree&) const = default;
};

struct ModelFeature {
  FeatureKind kind = FeatureKind::kNumeric;
  std::vector<CategoryKey> categories;  // sorted, without repeats; categorical only
  bool folded = false;  // rare categories had a bin of their own: unknown keys go with them
  bool operator==(const ModelFeature&) const = default;
};

struct Model {
  // Body.
  uint32_t algorithm_version = kAlgorithmVersion;
  std::string loss;  // its registered name, as "logistic"
  std::vector<std::pair<std::string, std::string>> parameters;  // model parameters, sorted by name
  std::vector<ModelFeature> features;
  std::vector<CategoryKey> classes;  // classification: sorted; empty for regression
  std::vector<double> base_scores;   // one per output: 1, or the number of classes for softmax
  std::vector<Tree> trees;  // round-major: tree of round r and output k is trees[r * outputs + k]
  // Names.
  std::vector<std::string> feature_names;
  std::vector<std::string> feature_types;  // as the training data had them
  std::string label_name;
  std::vector<std::pair<std::string, std::string>>
      provenance;  // free text: version, date is never among them

  size_t num_outputs() const { return base_scores.size(); }
  size_t num_rounds() const { return base_scores.empty() ? 0 : trees.size() / base_scores.size(); }
  bool operator==(const Model&) const = default;
};

// M1–M4, without recursion; an error says which tree and node. O(nodes).
Status Validate(const Model& model);

// The body alone, and the whole file (layout: docs/model-format.md). -0 is written as +0, so that
// equal models have equal bytes. An invalid model has bytes too, which Deserialize refuses.
std::string SerializeBody(const Model& model);
std::string Serialize(const Model& model);
// Reads a hostile file: checks every count against the bytes that are left before anything is
// allocated; what it returns is valid. Serialize(Deserialize(bytes)) == bytes for all bytes that it
// accepts.
Result<Model> Deserialize(std::string_view bytes);

// SHA-256 of the body (or of `bytes`), 64 hexadecimal digits.
std::string Digest(const Model& model);
std::string Sha256Hex(std::string_view bytes);

// Writes to a temporary file beside `path`, syncs and renames: `path` holds the old bytes or the
// new ones, never a part. A symbolic link is followed; folders, devices and pipes are refused.
// Errors name the path, the system's reason and what to do, and leave no temporary file. SaveModel
// refuses an invalid model: what is saved can be loaded.
Status SaveModel(const Model& model, const std::string& path);
Status WriteFileAtomically(const std::string& path, std::string_view bytes);
// A file or a pipe. Errors name the path: not readable, not a model, cut short, damaged, written by
// a newer Ramet.
Result<Model> LoadModel(const std::string& path);

// The functions below take valid models only.

// For people and other programs: JSON with stable keys, a node a line; numbers in the shortest form
// that reads back equal.
std::string ToJson(const Model& model);

// Total gain or number of uses per feature.
enum class ImportanceType { kGain, kSplit };
std::vector<double> FeatureImportance(const Model& model, ImportanceType type);

// One tree for people: indented text, or a Graphviz digraph.
std::string TreeToText(const Model& model, size_t tree);
std::string TreeToGraphviz(const Model& model, size_t tree);

}  // namespace ramet
