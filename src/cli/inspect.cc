// ramet inspect: what is in a model's file.
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>

#include "cli/options.h"
#include "cli/output.h"
#include "cli/text.h"
#include "cli/verbs.h"
#include "ramet/model/model.h"

namespace ramet {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kHelp =
    "Example\n"
    "  ramet inspect late.ramet --importance\n"
    "  ramet inspect late.ramet --tree 0 --dot | dot -Tsvg > tree.svg\n"
    "\n"
    "Shows a model: its summary, features, their importance, one tree, or all of it as JSON.";

constexpr size_t kCategoriesShown = 6;

struct InspectFlags {
  std::string model, importance, export_json;
  bool summary = false, features = false, dot = false, json = false;
  std::optional<size_t> tree;
  CLI::Option* importance_option = nullptr;
};

struct Shape {
  size_t leaves = 0, depth = 0;
};

// Children come after their parent, so one pass forward gives every depth.
Shape ShapeOf(const Tree& tree) {
  Shape shape;
  std::vector<size_t> depth(tree.nodes.size());
  for (size_t i = 0; i < tree.nodes.size(); ++i) {
    const Node& node = tree.nodes[i];
    shape.depth = std::max(shape.depth, depth[i]);
    if (node.is_leaf()) {
      ++shape.leaves;
      continue;
    }
    const auto left = static_cast<size_t>(node.left);
    depth[left] = depth[left + 1] = depth[i] + 1;
  }
  return shape;
}

Json SummaryJson(const Model& model, const std::string& path) {
  size_t leaves = 0, depth = 0;
  for (const Tree& tree : model.trees) {
    const Shape shape = ShapeOf(tree);
    leaves += shape.leaves;
    depth = std::max(depth, shape.depth);
  }
  Json classes = Json::array(), parameters = Json::object(), provenance = Json::object();
  for (const CategoryKey& key : model.classes) classes.push_back(ToString(key));
  for (const auto& [name, value] : model.parameters) parameters[name] = value;
  for (const auto& [name, value] : model.provenance) provenance[name] = value;
  return {{"model", path},
          {"digest", Digest(model)},
          {"algorithm_version", model.algorithm_version},
          {"loss", model.loss},
          {"label", model.label_name},
          {"classes", classes},
          {"features", model.features.size()},
          {"rounds", model.num_rounds()},
          {"trees", model.trees.size()},
          {"leaves", leaves},
          {"depth", depth},
          {"base_scores", model.base_scores},
          {"parameters", parameters},
          {"provenance", provenance}};
}

std::string SummaryText(const Json& summary) {
  std::vector<std::vector<std::string>> cells;
  for (const auto& [name, value] : summary.items()) {
    if (value.is_structured() && value.empty()) continue;
    if (name == "parameters" || name == "provenance") {
      cells.push_back({name});
      for (const auto& [inner, text] : value.items())
        cells.push_back({"  " + inner, text.get<std::string>()});
      continue;
    }
    std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    if (name == "classes") {
      const auto keys = value.get<std::vector<std::string>>();
      text = Thousands(keys.size()) + ": " +
             Join({keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(
                                                    std::min(keys.size(), kCategoriesShown))},
                  ", ") +
             (keys.size() > kCategoriesShown ? ", …" : "");
    }
    cells.push_back({name, text});
  }
  return AlignedTable(cells, {});
}

std::string CategoriesText(const ModelFeature& feature) {
  if (feature.kind == FeatureKind::kNumeric) return "";
  std::string text = Count(feature.categories.size(), "value") + ": ";
  for (size_t i = 0; i < std::min(kCategoriesShown, feature.categories.size()); ++i)
    text += (i == 0 ? "" : ", ") + ToString(feature.categories[i]);
  if (feature.categories.size() > kCategoriesShown) text += ", …";
  return text + (feature.folded ? "; rare ones together" : "");
}

Json FeaturesJson(const Model& model) {
  Json features = Json::array();
  for (size_t i = 0; i < model.features.size(); ++i) {
    const ModelFeature& feature = model.features[i];
    Json categories = Json::array();
    for (const CategoryKey& key : feature.categories) categories.push_back(ToString(key));
    features.push_back({{"name", model.feature_names[i]},
                        {"kind", feature.kind == FeatureKind::kNumeric ? "numeric" : "categorical"},
                        {"type", i < model.feature_types.size() ? model.feature_types[i] : ""},
                        {"categories", categories},
                        {"folded", feature.folded}});
  }
  return features;
}

std::string FeaturesText(const Model& model) {
  std::vector<std::vector<std::string>> cells = {{"#", "feature", "kind", "categories"}};
  for (size_t i = 0; i < model.features.size(); ++i)
    cells.push_back({std::to_string(i), model.feature_names[i],
                     model.features[i].kind == FeatureKind::kNumeric ? "numeric" : "categorical",
                     CategoriesText(model.features[i])});
  return AlignedTable(cells, {0});
}

// Feature indices by falling importance; ties in the features' order.
std::vector<size_t> ByImportance(const std::vector<double>& importance) {
  std::vector<size_t> order(importance.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return importance[a] > importance[b]; });
  return order;
}

std::string ImportanceOutput(const Model& model, ImportanceType type, bool json) {
  const std::vector<double> importance = FeatureImportance(model, type);
  const double total = std::accumulate(importance.begin(), importance.end(), 0.0);
  const std::string name = type == ImportanceType::kGain ? "gain" : "splits";
  Json list = Json::array();
  std::vector<std::vector<std::string>> cells = {{"feature", name, "share"}};
  for (size_t i : ByImportance(importance)) {
    const double share = total > 0 ? importance[i] / total : 0;
    list.push_back({{"name", model.feature_names[i]}, {name, importance[i]}, {"share", share}});
    cells.push_back(
        {model.feature_names[i], Significant(importance[i]), Significant(share * 100, 3) + " %"});
  }
  return json ? list.dump() + "\n" : AlignedTable(cells, {1, 2});
}

Result<std::string> TreeOutput(const InspectFlags& flags, const Model& model) {
  if (*flags.tree >= model.trees.size())
    return InvalidArgument("--tree " + std::to_string(*flags.tree) + ": " + flags.model + " has " +
                           Count(model.trees.size(), "tree") + ", counted from 0.");
  return flags.dot ? TreeToGraphviz(model, *flags.tree) : TreeToText(model, *flags.tree);
}

Status RunInspect(const InspectFlags& flags, const Session& session) {
  if (flags.dot && !flags.tree)
    return InvalidArgument("--dot draws one tree. Say which with --tree N.");
  RAMET_ASSIGN(const Model model, LoadModel(flags.model));
  std::ostream& out = session.console.out;
  if (!flags.export_json.empty()) {
    RAMET_RETURN_IF_ERROR(CheckWritable(flags.export_json, "--export-json"));
    RAMET_ASSIGN(AtomicFile file, AtomicFile::Create(flags.export_json));
    RAMET_RETURN_IF_ERROR(file.Write(ToJson(model)));
    RAMET_RETURN_IF_ERROR(file.Commit());
    out << "written to " << flags.export_json << "\n";
    return {};
  }
  if (flags.tree) {
    RAMET_ASSIGN(const std::string text, TreeOutput(flags, model));
    out << text;
  } else if (flags.features) {
    out << (flags.json ? FeaturesJson(model).dump() + "\n" : FeaturesText(model));
  } else if (flags.importance_option->count() > 0) {
    const bool split = flags.importance == "split";
    out << ImportanceOutput(model, split ? ImportanceType::kSplit : ImportanceType::kGain,
                            flags.json);
  } else {
    const Json summary = SummaryJson(model, flags.model);
    out << (flags.json ? summary.dump() + "\n" : SummaryText(summary));
  }
  return {};
}

}  // namespace

void AddInspect(CLI::App& app, Session& session) {
  CLI::App* verb = app.add_subcommand("inspect", "Show what is in a model");
  verb->footer(kHelp);
  auto flags = std::make_shared<InspectFlags>();
  verb->add_option("MODEL", flags->model, "A model's file")->required();
  CLI::App* choice = verb->add_option_group("Show one of", "the summary if none is named");
  choice->footer("");
  choice->add_flag("--summary", flags->summary, "Loss, classes, size, parameters, digest");
  choice->add_flag("--features", flags->features, "Features, their kinds and categories");
  flags->importance_option =
      choice
          ->add_flag("--importance{gain}", flags->importance,
                     "Importance of features by total gain; --importance=split: by number of uses")
          ->check(CLI::IsMember({"gain", "split"}));
  choice->add_option("--tree", flags->tree, "One tree, counted from 0")->type_name("N");
  choice->add_option("--export-json", flags->export_json, "Write all of the model as JSON")
      ->type_name("FILE");
  choice->require_option(0, 1);
  verb->add_flag("--dot", flags->dot, "The tree as a Graphviz digraph");
  verb->add_flag("--json", flags->json, "Summary, features or importance as JSON");
  verb->callback([flags, &session] {
    session.run = [flags, &session] { return RunInspect(*flags, session); };
  });
}

}  // namespace ramet
