// Run parameters, model parameters, and the names of losses and metrics.
#include "module.h"
#include "ramet/base/isa.h"
#include "ramet/loss/loss.h"
#include "ramet/metric/metric.h"

namespace ramet::bindings {
namespace {

Context MakeContext(std::optional<int> threads, const std::optional<std::string>& isa) {
  // What is given stands in for the environment's, which may be one that cannot be followed.
  Context context;
  if (!threads || !isa) context = ValueOrRaise(Context::FromEnvironment());
  if (threads) {
    if (*threads < 1)
      Raise(PyExc_ValueError,
            "threads is " + std::to_string(*threads) + ", but must be at least 1.");
    context.threads = *threads;
  }
  if (isa) {
    context.isa = ValueOrRaise(ParseIsa(*isa));
    bool supported = false;
    for (const Isa known : SupportedIsas()) supported |= known == context.isa;
    if (!supported)
      Raise(PyExc_ValueError,
            "this processor or build does not have the instruction set " + *isa + ".");
  }
  return context;
}

struct PyParameter {
  const ParameterInfo* info;
};

nb::object DefaultOf(const ParameterInfo& info) {
  const TrainParameters defaults;
  return std::visit([&](auto member) { return nb::cast(defaults.*member); }, info.member);
}

}  // namespace

TrainParameters ToParameters(const Texts& texts) {
  TrainParameters parameters;
  for (const auto& [name, text] : texts) OkOrRaise(SetParameter(parameters, name, text));
  OkOrRaise(Validate(parameters));
  return parameters;
}

void AddContext(nb::module_& module) {
  nb::class_<Context>(module, "Context")
      .def(
          "__init__",
          [](Context* self, std::optional<int> threads, const std::optional<std::string>& isa) {
            new (self) Context(MakeContext(threads, isa));
          },
          nb::arg("threads") = nb::none(), nb::arg("isa") = nb::none())
      .def_prop_ro("threads", [](const Context& self) { return self.threads; })
      .def_prop_ro("isa", [](const Context& self) { return std::string(IsaName(self.isa)); });

  nb::class_<PyParameter>(module, "ParameterInfo")
      .def_prop_ro("name", [](const PyParameter& self) { return std::string(self.info->name); })
      .def_prop_ro("default", [](const PyParameter& self) { return DefaultOf(*self.info); })
      .def_prop_ro("minimum", [](const PyParameter& self) { return self.info->minimum; })
      .def_prop_ro("maximum", [](const PyParameter& self) { return self.info->maximum; })
      .def_prop_ro("help", [](const PyParameter& self) { return std::string(self.info->help); });
  module.def("parameters", [] {
    nb::list all;
    for (const ParameterInfo& info : AllParameters()) all.append(PyParameter{&info});
    return all;
  });
  module.def("loss_names", [] {
    nb::list all;
    for (const Loss* loss : AllLosses())
      all.append(nb::make_tuple(std::string(loss->name), loss->classification));
    return all;
  });
  module.def(
      "default_metric",
      [](const std::string& loss) {
        return std::string(ValueOrRaise(FindLoss(loss))->default_metric);
      },
      nb::arg("loss"));
  module.def("metric_names", [] {
    nb::list all;
    for (const Metric& metric : AllMetrics())
      all.append(
          nb::make_tuple(std::string(metric.name), metric.classification, metric.higher_is_better));
    return all;
  });
}

}  // namespace ramet::bindings
