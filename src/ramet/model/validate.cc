#include <algorithm>
#include <cmath>
#include <limits>

#include "ramet/model/format.h"

namespace ramet {
namespace {

std::string Number(uint64_t value) { return std::to_string(value); }

Status CheckLimit(size_t count, uint64_t maximum, const std::string& what) {
  if (count <= maximum) return {};
  return DataError(Number(count) + " " + what + ", at most " + Number(maximum) + " are allowed");
}

Status CheckString(const std::string& text, const std::string& what) {
  return CheckLimit(text.size(), kMaxStringBytes, "bytes in " + what);
}

Status CheckKeys(const std::vector<CategoryKey>& keys, const std::string& what) {
  for (size_t i = 0; i < keys.size(); ++i) {
    if (i > 0 && !(keys[i - 1] < keys[i])) {
      return DataError(what + " are not in strictly ascending order at position " + Number(i));
    }
    if (const auto* text = std::get_if<std::string>(&keys[i])) {
      RAMET_RETURN_IF_ERROR(CheckString(*text, "one of the " + what));
    }
  }
  return {};
}

Status CheckParameters(const Model& model) {
  RAMET_RETURN_IF_ERROR(CheckString(model.loss, "the name of the loss"));
  if (model.loss.empty()) return DataError("the name of the loss is empty");
  RAMET_RETURN_IF_ERROR(CheckLimit(model.parameters.size(), kMaxParameters, "parameters"));
  for (size_t i = 0; i < model.parameters.size(); ++i) {
    const auto& [name, value] = model.parameters[i];
    RAMET_RETURN_IF_ERROR(CheckString(name, "the name of a parameter"));
    RAMET_RETURN_IF_ERROR(CheckString(value, "the value of a parameter"));
    if (i > 0 && !(model.parameters[i - 1].first < name)) {
      return DataError("parameters are not in strictly ascending order of name at position " +
                       Number(i));
    }
  }
  return {};
}

Status CheckFeatures(const Model& model) {
  RAMET_RETURN_IF_ERROR(CheckLimit(model.features.size(), kMaxFeatures, "features"));
  for (size_t i = 0; i < model.features.size(); ++i) {
    const ModelFeature& feature = model.features[i];
    const std::string where = "feature " + Number(i);
    if (feature.kind == FeatureKind::kNumeric) {
      if (!feature.categories.empty() || feature.folded) {
        return DataError(where + " is numeric but has categories");
      }
    } else if (feature.kind == FeatureKind::kCategorical) {
      RAMET_RETURN_IF_ERROR(
          CheckLimit(feature.categories.size(), kMaxCategories, "categories in " + where));
      RAMET_RETURN_IF_ERROR(CheckKeys(feature.categories, "categories of " + where));
    } else {
      return DataError(where + " is neither numeric nor categorical");
    }
  }
  return {};
}

Status CheckOutputs(const Model& model) {
  RAMET_RETURN_IF_ERROR(CheckLimit(model.classes.size(), kMaxModelClasses, "classes"));
  RAMET_RETURN_IF_ERROR(CheckKeys(model.classes, "classes"));
  const size_t classes = model.classes.size();
  const size_t outputs = model.num_outputs();
  // One output: regression, or two classes. Several: one for each class.
  const bool fits = outputs == 1 ? classes == 0 || classes == 2 : outputs > 1 && outputs == classes;
  if (!fits) {
    return DataError(Number(outputs) + " outputs do not fit " + Number(classes) + " classes");
  }
  for (const double score : model.base_scores) {
    if (!std::isfinite(score)) return DataError("a base score is not finite");
  }
  RAMET_RETURN_IF_ERROR(CheckLimit(model.trees.size(), kMaxTrees, "trees"));
  if (model.trees.size() % outputs != 0) {  // M3
    return DataError(Number(model.trees.size()) + " trees are no whole number of rounds of " +
                     Number(outputs) + " outputs");
  }
  return {};
}

Status CheckNames(const Model& model) {
  const auto check_all = [&](const std::vector<std::string>& texts,
                             const std::string& what) -> Status {
    if (texts.size() != model.features.size()) {
      return DataError(Number(texts.size()) + " " + what + "s for " +
                       Number(model.features.size()) + " features");
    }
    for (const std::string& text : texts) RAMET_RETURN_IF_ERROR(CheckString(text, "a " + what));
    return {};
  };
  RAMET_RETURN_IF_ERROR(check_all(model.feature_names, "feature name"));
  RAMET_RETURN_IF_ERROR(check_all(model.feature_types, "feature type"));
  RAMET_RETURN_IF_ERROR(CheckString(model.label_name, "the name of the label"));
  RAMET_RETURN_IF_ERROR(CheckLimit(model.provenance.size(), kMaxParameters, "lines of provenance"));
  for (const auto& [name, value] : model.provenance) {
    RAMET_RETURN_IF_ERROR(CheckString(name, "a name in the provenance"));
    RAMET_RETURN_IF_ERROR(CheckString(value, "a value in the provenance"));
  }
  return {};
}

// What is wrong with a leaf, or null. Fields that a leaf does not use have one value, so that equal
// trees are equal bytes.
const char* WrongWithLeaf(const Node& node) {
  if (node.feature != -1) return "the feature is negative, but not the -1 of a leaf";
  if (!std::isfinite(node.value)) return "the leaf's value is not finite";
  if (node.left != 0) return "the leaf has children";
  if (node.threshold != 0 || node.gain != 0 || node.category_set != -1 || node.missing_left) {
    return "the leaf has the fields of a split";
  }
  return nullptr;
}

const char* WrongWithCategorySet(const CategorySet& set, size_t num_categories) {
  if (set.bits.size() != (num_categories + 63) / 64) {
    return "the category set's size is not that of the feature's categories";
  }
  const size_t used_in_last_word = num_categories % 64;
  if (used_in_last_word != 0 && (set.bits.back() >> used_in_last_word) != 0) {
    return "the category set holds categories that the feature does not have";
  }
  return nullptr;
}

// What is wrong with split `i`, or null.
const char* WrongWithSplit(const Model& model, const Tree& tree, size_t i) {
  const Node& node = tree.nodes[i];
  if (static_cast<size_t>(node.feature) >= model.features.size()) {
    return "the feature is out of range";
  }
  // +infinity parts all present values from the missing ones.
  if (!(node.threshold >= -std::numeric_limits<double>::max())) {
    return "the threshold is not finite";
  }
  if (std::isinf(node.threshold) && node.missing_left) {
    return "an infinite threshold sends everything left";
  }
  if (!std::isfinite(node.gain)) return "the gain is not finite";
  if (node.value != 0) return "the split has the value of a leaf";
  if (node.left < 0 || static_cast<size_t>(node.left) <= i) {
    return "the children do not come after their parent";
  }
  if (static_cast<size_t>(node.left) + 1 >= tree.nodes.size()) {
    return "the children are out of range";
  }
  const ModelFeature& feature = model.features[node.feature];
  if (feature.kind == FeatureKind::kNumeric) {
    return node.category_set == -1 ? nullptr : "a numeric feature is split by categories";
  }
  if (node.threshold != 0) return "a categorical feature is split by a threshold";
  if (node.category_set < 0 ||
      static_cast<size_t>(node.category_set) >= tree.category_sets.size()) {
    return "the category set is out of range";
  }
  return WrongWithCategorySet(tree.category_sets[node.category_set], feature.categories.size());
}

// Claims `index` in `claimed`; false if somebody did before.
bool Claim(std::vector<bool>& claimed, size_t index) {
  if (claimed[index]) return false;
  claimed[index] = true;
  return true;
}

// M1 and M2 of one tree, in one pass: a parent is seen before its children, so that what is not
// claimed by the end is reachable from nowhere, and cycles cannot be.
Status CheckTree(const Model& model, size_t tree_index) {
  const Tree& tree = model.trees[tree_index];
  const std::string where = "tree " + Number(tree_index);
  const size_t num_nodes = tree.nodes.size();
  if (num_nodes == 0) return DataError(where + " has no nodes");
  RAMET_RETURN_IF_ERROR(CheckLimit(num_nodes, kMaxNodes, "nodes in " + where));

  std::vector<bool> has_parent(num_nodes, false);
  std::vector<bool> set_used(tree.category_sets.size(), false);
  has_parent[0] = true;  // the root needs none
  for (size_t i = 0; i < num_nodes; ++i) {
    const Node& node = tree.nodes[i];
    const char* wrong = node.is_leaf() ? WrongWithLeaf(node) : WrongWithSplit(model, tree, i);
    if (wrong == nullptr && !has_parent[i]) wrong = "no node has it as a child";
    if (wrong == nullptr && !node.is_leaf()) {
      const auto left = static_cast<size_t>(node.left);
      if (!Claim(has_parent, left) || !Claim(has_parent, left + 1)) {
        wrong = "a child has another parent already";
      } else if (node.category_set >= 0 && !Claim(set_used, node.category_set)) {
        wrong = "the category set belongs to another split already";
      }
    }
    if (wrong != nullptr) return DataError(where + ", node " + Number(i) + ": " + wrong);
  }
  if (std::find(set_used.begin(), set_used.end(), false) != set_used.end()) {
    return DataError(where + " has a category set that no split uses");
  }
  return {};
}

}  // namespace

Status Validate(const Model& model) {
  RAMET_RETURN_IF_ERROR(CheckParameters(model));
  RAMET_RETURN_IF_ERROR(CheckFeatures(model));
  RAMET_RETURN_IF_ERROR(CheckOutputs(model));
  RAMET_RETURN_IF_ERROR(CheckNames(model));
  for (size_t i = 0; i < model.trees.size(); ++i) {
    RAMET_RETURN_IF_ERROR(CheckTree(model, i));
  }
  return {};
}

}  // namespace ramet
