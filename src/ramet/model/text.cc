// Trees for people. Names and categories come from files, so control characters in them are shown,
// not sent to a terminal.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "ramet/model/model.h"

namespace ramet {
namespace {

constexpr size_t kCategoriesShown = 8;
constexpr size_t kIndentedLevels =
    40;  // deeper levels are numbered instead: a chain of a million nodes stays printable

// Six significant digits; the JSON export has them all.
std::string Number(double value) {
  char buffer[32];
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, value + 0.0, std::chars_format::general, 6).ptr;
  return std::string(buffer, end);
}

// Control characters as \xNN.
std::string Printable(const std::string& text) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7f) {
      out += c;
    } else {
      out.append("\\x").append(1, kDigits[byte >> 4]).append(1, kDigits[byte & 15]);
    }
  }
  return out;
}

// The categories in `set`, the first few by name.
std::string CategoryList(const CategorySet& set, const std::vector<CategoryKey>& categories) {
  std::string out = "{";
  size_t shown = 0, hidden = 0;
  for (size_t i = 0; i < categories.size(); ++i) {
    if (!set.Contains(i)) continue;
    if (shown == kCategoriesShown) {
      ++hidden;
      continue;
    }
    out += (shown++ == 0 ? "" : ", ") + Printable(ToString(categories[i]));
  }
  if (hidden > 0) out += " and " + std::to_string(hidden) + " more";
  return out + "}";
}

// The question that sends a row left: `hour <= 13.5 or missing`.
std::string Condition(const Model& model, const Tree& tree, const Node& node) {
  std::string out = Printable(model.feature_names[node.feature]);
  if (node.category_set < 0) {
    out += std::isinf(node.threshold) ? " is present" : " <= " + Number(node.threshold);
  } else {
    const CategorySet& set = tree.category_sets[node.category_set];
    out += " in " + CategoryList(set, model.features[node.feature].categories);
    if (set.others_left) out += " or another";
  }
  if (node.missing_left) out += " or missing";
  return out;
}

std::string NodeText(const Model& model, const Tree& tree, const Node& node) {
  const std::string rows = std::to_string(node.count) + " rows";
  if (node.is_leaf()) return "leaf " + Number(node.value) + "  (" + rows + ")";
  return Condition(model, tree, node) + "?  (" + rows + ", gain " + Number(node.gain) + ")";
}

// Depth of every node, 0 for the root: parents come before children.
std::vector<size_t> Depths(const Tree& tree) {
  std::vector<size_t> depths(tree.nodes.size(), 0);
  for (size_t i = 0; i < tree.nodes.size(); ++i) {
    const Node& node = tree.nodes[i];
    if (!node.is_leaf()) depths[node.left] = depths[node.left + 1] = depths[i] + 1;
  }
  return depths;
}

// "tree 3 (round 2, class b)".
std::string Title(const Model& model, size_t t) {
  const size_t outputs = model.num_outputs();
  std::string out = "tree " + std::to_string(t) + " (round " + std::to_string(t / outputs + 1);
  if (outputs > 1) out += ", class " + Printable(ToString(model.classes[t % outputs]));
  return out + ")";
}

std::string Indentation(size_t depth) {
  if (depth <= kIndentedLevels) return std::string(2 * depth, ' ');
  return std::string(2 * kIndentedLevels, ' ') + "[depth " + std::to_string(depth) + "] ";
}

// A Graphviz string in quotes.
std::string GraphvizQuoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

}  // namespace

std::string TreeToText(const Model& model, size_t t) {
  RAMET_CHECK(t < model.trees.size());
  const Tree& tree = model.trees[t];
  const std::vector<size_t> depths = Depths(tree);
  const size_t leaves = (tree.nodes.size() + 1) / 2;
  std::string out = Title(model, t) + ": " + std::to_string(leaves) +
                    (leaves == 1 ? " leaf" : " leaves") + ", depth " +
                    std::to_string(*std::max_element(depths.begin(), depths.end())) + "\n";
  // Depth first, left before right, on a stack of our own. Left children have odd indices (M1).
  std::vector<size_t> pending = {0};
  while (!pending.empty()) {
    const size_t i = pending.back();
    pending.pop_back();
    const Node& node = tree.nodes[i];
    const char* answer = i == 0 ? "" : i % 2 == 1 ? "yes: " : "no:  ";
    out += Indentation(depths[i]) + answer + NodeText(model, tree, node) + "\n";
    if (node.is_leaf()) continue;
    pending.push_back(node.left + 1);
    pending.push_back(node.left);
  }
  return out;
}

std::string TreeToGraphviz(const Model& model, size_t t) {
  RAMET_CHECK(t < model.trees.size());
  const Tree& tree = model.trees[t];
  std::string out = "digraph tree {\n  label=" + GraphvizQuoted(Title(model, t)) +
                    ";\n  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n";
  for (size_t i = 0; i < tree.nodes.size(); ++i) {
    const Node& node = tree.nodes[i];
    const std::string name = "n" + std::to_string(i);
    out += "  " + name + " [label=" + GraphvizQuoted(NodeText(model, tree, node)) +
           (node.is_leaf() ? ", style=\"rounded,filled\", fillcolor=\"#e8f0e8\"" : "") + "];\n";
    if (node.is_leaf()) continue;
    out += "  " + name + " -> n" + std::to_string(node.left) + " [label=\"yes\"];\n";
    out += "  " + name + " -> n" + std::to_string(node.left + 1) + " [label=\"no\"];\n";
  }
  return out + "}\n";
}

}  // namespace ramet
