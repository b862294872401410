#include "gil.h"
#include "module.h"
#include "ramet/bins/bins.h"

namespace ramet::bindings {
namespace {

std::string_view View(const nb::bytes& data) { return {data.c_str(), data.size()}; }
nb::bytes Bytes(const std::string& data) { return nb::bytes(data.data(), data.size()); }

PyModel Keep(Model model) { return {std::make_shared<const Model>(std::move(model))}; }

nb::dict ToDict(const std::vector<std::pair<std::string, std::string>>& pairs) {
  nb::dict dict;
  for (const auto& [key, value] : pairs) dict[nb::cast(key)] = value;
  return dict;
}

PyModel Load(const std::string& path) {
  Result<Model> model = [&] {
    const ReleaseGil without_gil;
    return LoadModel(path);
  }();
  if (!model.ok()) RaiseForPath(model.error(), path, false);
  return Keep(*std::move(model));
}

void Save(const PyModel& self, const std::string& path) {
  const Status status = [&] {
    const ReleaseGil without_gil;
    return SaveModel(*self.model, path);
  }();
  if (!status.ok()) RaiseForPath(status.error(), path, true);
}

const Tree& TreeAt(const PyModel& self, size_t index) {
  if (index >= self.model->trees.size())
    throw nb::index_error(("there is no tree " + std::to_string(index) + ": the model has " +
                           std::to_string(self.model->trees.size()))
                              .c_str());
  return self.model->trees[index];
}

// One entry per node of what `read` makes of it.
template <class T, class Read>
nb::object Column(const Tree& tree, const Read& read) {
  Buffer<T> values(tree.nodes.size());
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<T>(read(tree.nodes[i]));
  const size_t size = values.size();
  return MakeArray(std::move(values), {size});
}

nb::dict TreeArrays(const PyModel& self, size_t index) {
  const Tree& tree = TreeAt(self, index);
  nb::dict arrays;
  arrays["feature"] = Column<int32_t>(tree, [](const Node& node) { return node.feature; });
  arrays["left"] =
      Column<int32_t>(tree, [](const Node& node) { return node.is_leaf() ? -1 : node.left; });
  arrays["right"] =
      Column<int32_t>(tree, [](const Node& node) { return node.is_leaf() ? -1 : node.left + 1; });
  arrays["threshold"] = Column<double>(tree, [](const Node& node) { return node.threshold; });
  arrays["value"] = Column<double>(tree, [](const Node& node) { return node.value; });
  arrays["gain"] = Column<double>(tree, [](const Node& node) { return node.gain; });
  arrays["count"] = Column<uint64_t>(tree, [](const Node& node) { return node.count; });
  arrays["missing_left"] = Column<bool>(tree, [](const Node& node) { return node.missing_left; });
  arrays["category_set"] =
      Column<int32_t>(tree, [](const Node& node) { return node.category_set; });
  return arrays;
}

nb::tuple TreeCategorySet(const PyModel& self, size_t tree, size_t set) {
  const std::vector<CategorySet>& sets = TreeAt(self, tree).category_sets;
  if (set >= sets.size())
    throw nb::index_error(("there is no category set " + std::to_string(set) + ": the tree has " +
                           std::to_string(sets.size()))
                              .c_str());
  nb::list left;
  for (size_t category = 0; category < sets[set].bits.size() * 64; ++category)
    if (sets[set].Contains(category)) left.append(category);
  return nb::make_tuple(left, sets[set].others_left);
}

PyModel FirstRounds(const PyModel& self, size_t rounds) {
  if (rounds > self.model->num_rounds())
    Raise(PyExc_ValueError, "the model has " + std::to_string(self.model->num_rounds()) +
                                " rounds, not " + std::to_string(rounds) + ".");
  Model model = *self.model;
  model.trees.resize(rounds * model.num_outputs());
  return Keep(std::move(model));
}

nb::object Importance(const PyModel& self, const std::string& kind) {
  if (kind != "gain" && kind != "split")
    Raise(PyExc_ValueError, "there is no importance \"" + kind + "\". Use gain or split.");
  return MakeArray(FeatureImportance(
      *self.model, kind == "gain" ? ImportanceType::kGain : ImportanceType::kSplit));
}

nb::list FeatureKinds(const PyModel& self) {
  nb::list kinds;
  for (const ModelFeature& feature : self.model->features)
    kinds.append(feature.kind == FeatureKind::kCategorical ? "categorical" : "numeric");
  return kinds;
}

nb::list Categories(const PyModel& self) {
  nb::list categories;
  for (const ModelFeature& feature : self.model->features)
    categories.append(ToPython(feature.categories));
  return categories;
}

nb::list Folded(const PyModel& self) {
  nb::list folded;
  for (const ModelFeature& feature : self.model->features) folded.append(feature.folded);
  return folded;
}

}  // namespace

nb::object ToPython(const CategoryKey& key) {
  return std::visit([](const auto& value) { return nb::cast(value); }, key);
}

nb::list ToPython(const std::vector<CategoryKey>& keys) {
  nb::list list;
  for (const CategoryKey& key : keys) list.append(ToPython(key));
  return list;
}

void AddModel(nb::module_& module) {
  const auto get = [](auto member) {
    return [member](const PyModel& self) { return (*self.model).*member; };
  };
  nb::class_<PyModel>(module, "Model")
      .def_static("load", &Load, nb::arg("path"))
      .def_static(
          "from_bytes",
          [](const nb::bytes& data) { return Keep(ValueOrRaise(Deserialize(View(data)))); },
          nb::arg("data"))
      .def("to_bytes", [](const PyModel& self) { return Bytes(Serialize(*self.model)); })
      .def("save", &Save, nb::arg("path"))
      .def_prop_ro("digest", [](const PyModel& self) { return Digest(*self.model); })
      .def_prop_ro("algorithm_version", get(&Model::algorithm_version))
      .def_prop_ro("loss", get(&Model::loss))
      .def_prop_ro("label_name", get(&Model::label_name))
      .def_prop_ro("parameters", [](const PyModel& self) { return ToDict(self.model->parameters); })
      .def_prop_ro("provenance", [](const PyModel& self) { return ToDict(self.model->provenance); })
      .def_prop_ro("feature_names", get(&Model::feature_names))
      .def_prop_ro("feature_types", get(&Model::feature_types))
      .def_prop_ro("feature_kinds", &FeatureKinds)
      .def_prop_ro("categories", &Categories)
      .def_prop_ro("folded", &Folded)
      .def_prop_ro("classes", [](const PyModel& self) { return ToPython(self.model->classes); })
      .def_prop_ro("base_scores",
                   [](const PyModel& self) {
                     return MakeArray(std::vector<double>(self.model->base_scores));
                   })
      .def_prop_ro("num_rounds", [](const PyModel& self) { return self.model->num_rounds(); })
      .def_prop_ro("num_outputs", [](const PyModel& self) { return self.model->num_outputs(); })
      .def_prop_ro("num_trees", [](const PyModel& self) { return self.model->trees.size(); })
      .def("importance", &Importance, nb::arg("kind"))
      .def("tree", &TreeArrays, nb::arg("index"))
      .def("tree_category_set", &TreeCategorySet, nb::arg("tree"), nb::arg("set"))
      .def(
          "tree_text",
          [](const PyModel& self, size_t index) {
            TreeAt(self, index);
            return TreeToText(*self.model, index);
          },
          nb::arg("index"))
      .def(
          "tree_graphviz",
          [](const PyModel& self, size_t index) {
            TreeAt(self, index);
            return TreeToGraphviz(*self.model, index);
          },
          nb::arg("index"))
      .def("to_json", [](const PyModel& self) { return ToJson(*self.model); })
      .def("first_rounds", &FirstRounds, nb::arg("rounds"));
}

}  // namespace ramet::bindings
