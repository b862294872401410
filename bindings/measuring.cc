#include "measuring.h"

#include <algorithm>

#include "ramet/predict/predict.h"

namespace ramet::bindings {
namespace {

struct PyMetric {
  std::string name;
  nb::object function;
  bool higher_is_better;
};

// The rows' responses, by a model without trees that has the evaluation's loss.
nb::object ResponseArray(const Context& context, const Evaluation& evaluation, size_t rows) {
  const std::span<const double> scores = evaluation.raw_scores;
  const size_t outputs = evaluation.num_outputs;
  if (evaluation.loss == nullptr) return CopyArray(scores, {rows, outputs});
  Model model;
  model.loss = evaluation.loss->name;
  model.base_scores.resize(outputs);
  const size_t classes = evaluation.loss->classification ? std::max<size_t>(2, outputs) : 0;
  for (size_t i = 0; i < classes; ++i) model.classes.emplace_back(static_cast<int64_t>(i));
  Buffer<double> response = Response(context, model, Copied(scores));
  const size_t width = std::max<size_t>(1, classes);
  return MakeArray(std::move(response), {rows, width});
}

Measure Own(Interruptible& run, const PyMetric& metric) {
  const auto compute = [&run, &metric](const Context& context,
                                       const Evaluation& evaluation) -> Result<double> {
    return run.Call([&] {
      const size_t rows = evaluation.labels.size();
      const nb::object value = metric.function(
          CopyArray(evaluation.labels, {rows}),
          CopyArray(evaluation.raw_scores, {rows, evaluation.num_outputs}),
          ResponseArray(context, evaluation, rows), WeightsArray(evaluation.weights));
      return nb::cast<double>(nb::float_(value));
    });
  };
  return {metric.name, metric.higher_is_better, compute, /*whole=*/true};
}

Measure Known(const Metric& metric) {
  return {std::string(metric.name), metric.higher_is_better,
          [&metric](const Context& context, const Evaluation& evaluation) -> Result<double> {
            return metric.compute(context, evaluation);
          }};
}

}  // namespace

nb::object WeightsArray(std::span<const float> weights) {
  if (weights.empty()) return nb::none();
  return MakeArray(std::vector<float>(weights.begin(), weights.end()));
}

Measuring ToMeasuring(Interruptible& run, nb::handle metrics, bool watch_training) {
  Measuring measuring;
  measuring.training_rows = watch_training;
  for (nb::handle metric : metrics)
    measuring.metrics.push_back(
        nb::isinstance<nb::str>(metric)
            ? Known(*ValueOrRaise(FindMetric(nb::cast<std::string>(metric))))
            : Own(run, nb::cast<const PyMetric&>(metric)));
  return measuring;
}

void AddMetric(nb::module_& module) {
  nb::class_<PyMetric>(module, "Metric")
      .def(
          "__init__",
          [](PyMetric* self, std::string name, nb::object function, bool higher_is_better) {
            new (self) PyMetric{std::move(name), std::move(function), higher_is_better};
          },
          nb::arg("name"), nb::arg("function"), nb::arg("higher_is_better"));
}

}  // namespace ramet::bindings
