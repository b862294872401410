#include "interrupt.h"
#include "measuring.h"
#include "module.h"
#include "parts.h"
#include "ramet/boost/boost.h"

namespace ramet::bindings {
namespace {

PyDataset Make(const Context& context, PyTable& table, const DataSpec& spec,
               const TrainParameters& parameters, const PyDataset* reference,
               const PyModel* initial_model, DataRole role, nb::handle metrics,
               bool watch_training) {
  const BinningParameters binning = BinningOf(parameters);
  Table taken = table.Take();
  Interruptible run(context);
  const Measuring measuring = ToMeasuring(run, metrics, watch_training);
  Result<Dataset> data = run.Wait([&](const Context& stoppable) {
    const BeforeBinning before =
        initial_model == nullptr
            ? BeforeBinning()
            : ContinueFrom(stoppable, parameters, *initial_model->model, role, measuring);
    return MakeDataset(stoppable, std::move(taken), spec, binning,
                       reference == nullptr ? nullptr : reference->data.get(), before);
  });
  run.RaiseIfStopped();
  return {std::make_shared<const Dataset>(ValueOrRaise(std::move(data)))};
}

size_t MemoryBytes(const Dataset& data) {
  return data.bins.memory_bytes() + data.labels.size() * sizeof(double) +
         data.weights.size() * sizeof(float) + data.initial_scores.size() * sizeof(double);
}

PyDataset Assemble(const Context& context, const PyBinning& binning,
                   const std::vector<nb::object>& objects, uint64_t total_rows,
                   std::optional<bool> weighted) {
  std::vector<std::shared_ptr<const Part>> kept;
  std::vector<const Part*> parts;
  for (const nb::object& object : objects) {
    kept.push_back(nb::cast<const PyPart&>(object).part);
    parts.push_back(kept.back().get());
  }
  Interruptible run(context);
  Result<Dataset> data = run.Wait([&](const Context& stoppable) {
    return AssembleDataset(stoppable, *binning.binning, parts, total_rows, weighted);
  });
  run.RaiseIfStopped();
  return {std::make_shared<const Dataset>(ValueOrRaise(std::move(data)))};
}

}  // namespace

void AddDataset(nb::module_& module) {
  AddParts(module);
  nb::class_<PyDataset>(module, "Dataset")
      .def_static(
          "make",
          [](const Context& context, PyTable& table, const std::string& label,
             const std::string& weight, const std::vector<std::string>& features,
             const std::vector<std::string>& categorical, const std::vector<std::string>& numeric,
             bool classification, const Texts& parameters, const PyDataset* reference,
             const PyModel* initial_model, bool validation, nb::handle metrics,
             bool watch_training) {
            const TrainParameters all = ToParameters(parameters);
            const DataSpec spec{label,   weight,         features,        categorical,
                                numeric, classification, all.class_weight};
            const DataRole role = reference != nullptr ? DataRole::kEvalSet
                                  : validation         ? DataRole::kTrainingWithEvalSets
                                                       : DataRole::kTraining;
            return Make(context, table, spec, all, reference, initial_model, role, metrics,
                        watch_training);
          },
          nb::arg("context"), nb::arg("table"), nb::kw_only(), nb::arg("label"),
          nb::arg("weight") = "", nb::arg("features") = std::vector<std::string>(),
          nb::arg("categorical") = std::vector<std::string>(),
          nb::arg("numeric") = std::vector<std::string>(), nb::arg("classification"),
          nb::arg("parameters"), nb::arg("reference").none() = nb::none(),
          nb::arg("initial_model").none() = nb::none(), nb::arg("validation") = false,
          nb::arg("metrics") = nb::tuple(), nb::arg("watch_training") = false)
      .def_static("assemble", &Assemble, nb::arg("context"), nb::arg("binning"), nb::arg("parts"),
                  nb::kw_only(), nb::arg("total_rows"), nb::arg("weighted") = nb::none())
      .def_prop_ro("num_rows", [](const PyDataset& self) { return self.data->num_rows; })
      .def_prop_ro("feature_names", [](const PyDataset& self) { return self.data->feature_names; })
      .def_prop_ro("feature_kinds",
                   [](const PyDataset& self) { return KindsOf(self.data->mapper); })
      .def_prop_ro("classes", [](const PyDataset& self) { return ToPython(self.data->classes); })
      .def_prop_ro("memory_bytes", [](const PyDataset& self) { return MemoryBytes(*self.data); });
}

}  // namespace ramet::bindings
