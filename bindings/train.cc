#include "collective.h"
#include "interrupt.h"
#include "measuring.h"
#include "module.h"
#include "ramet/boost/boost.h"

namespace ramet::bindings {
namespace {

struct PyRoundReport {
  size_t round, rounds;
  double seconds, learning_rate;
  nb::dict values;
  std::shared_ptr<const RoundReport*> engines;  // null once the callback has returned
};

struct PyTrainResult {
  PyModel model;
  nb::dict history;
  size_t best_round;
  bool stopped_early, stopped;
  double seconds;
  nb::dict steps;
};

nb::tuple KeyOf(const Curve& curve) { return nb::make_tuple(curve.set, curve.metric); }

nb::dict StepsOf(const StepTimes& steps) {
  nb::dict seconds;
  seconds["quantise"] = steps.quantise;
  seconds["partition"] = steps.partition;
  seconds["histogram"] = steps.histogram;
  seconds["split"] = steps.split;
  seconds["leaves"] = steps.leaves;
  seconds["scores"] = steps.scores;
  seconds["metric"] = steps.metric;
  seconds["exchange"] = steps.exchange;
  return seconds;
}

PyTrainResult ToPython(TrainResult result) {
  nb::dict history;
  for (const Curve& curve : result.curves) history[KeyOf(curve)] = nb::cast(curve.values);
  return {{std::make_shared<const Model>(std::move(result.model))},
          history,
          result.best_round,
          result.stopped_early,
          result.stopped,
          result.seconds,
          StepsOf(result.steps)};
}

// As the engine goes on from it.
TrainResult FromPython(const PyTrainResult& python) {
  TrainResult result;
  result.model = *python.model.model;
  for (const auto& [key, values] : python.history) {
    const auto [set, metric] = nb::cast<std::pair<std::string, std::string>>(key);
    result.curves.push_back({set, metric, false, nb::cast<std::vector<double>>(values)});
  }
  return result;
}

// What pickle keeps.
nb::tuple StateOf(const PyTrainResult& result) {
  const std::string model = Serialize(*result.model.model);
  return nb::make_tuple(nb::bytes(model.data(), model.size()), result.history, result.best_round,
                        result.stopped_early, result.stopped, result.seconds, result.steps);
}
PyTrainResult FromState(const nb::tuple& state) {
  const nb::bytes bytes = nb::cast<nb::bytes>(state[0]);
  Model model = ValueOrRaise(Deserialize({bytes.c_str(), bytes.size()}));
  return {{std::make_shared<const Model>(std::move(model))},
          nb::cast<nb::dict>(state[1]),
          nb::cast<size_t>(state[2]),
          nb::cast<bool>(state[3]),
          nb::cast<bool>(state[4]),
          nb::cast<double>(state[5]),
          nb::cast<nb::dict>(state[6])};
}

// The rounds that a report tells of.
PyTrainResult ResultSoFar(const PyRoundReport& self) {
  const RoundReport* report = *self.engines;
  if (report == nullptr)
    Raise(PyExc_RuntimeError, "the rounds so far can be had within on_round only.");
  TrainResult result;
  result.model = *report->model;
  result.curves.assign(report->curves.begin(), report->curves.end());
  result.validates = report->validates;
  result.best_round = report->round;
  result.seconds = report->seconds;
  return ToPython(std::move(result));
}

// What the caller may give, and the engine's options that call it. Lives while training runs.
struct Callbacks {
  nb::object on_round, learning_rate, gradients;

  Result<bool> Round(Interruptible& run, const RoundReport& report) {
    return run.Call([&]() -> bool {
      nb::dict values;
      for (const Curve& curve : report.curves) values[KeyOf(curve)] = curve.values.back();
      const auto engines = std::make_shared<const RoundReport*>(&report);
      const nb::object told = nb::cast(PyRoundReport{report.round, report.rounds, report.seconds,
                                                     report.learning_rate, values, engines});
      struct Reset {
        const RoundReport*& pointer;
        ~Reset() { pointer = nullptr; }
      } reset{*engines};
      return static_cast<bool>(nb::bool_(on_round(told)));
    });
  }

  Result<double> Rate(Interruptible& run, size_t round) {
    return run.Call([&] { return nb::cast<double>(nb::float_(learning_rate(round))); });
  }

  // `values` as rows x outputs float64 into `out`. With the GIL.
  static void Read(nb::handle values, const nb::object& like, const char* what,
                   std::span<double> out) {
    const nb::object array =
        nb::module_::import_("numpy").attr("asarray")(values, nb::arg("dtype") = "float64");
    const nb::object shape = array.attr("shape"), expected = like.attr("shape");
    if (!shape.equal(expected))
      Raise(PyExc_ValueError, std::string("gradients returned a ") + what + " of shape " +
                                  nb::cast<std::string>(nb::str(shape)) + ", but raw_scores has " +
                                  nb::cast<std::string>(nb::str(expected)) + ".");
    const Contiguous<double> view(array, what);
    std::copy(view.span().begin(), view.span().end(), out.begin());
  }

  Status Gradients(Interruptible& run, const Dataset& data, std::span<const double> labels,
                   std::span<const double> raw_scores, std::span<double> gradient,
                   std::span<double> hessian) {
    const Result<bool> done = run.Call([&]() -> bool {
      const size_t rows = labels.size(), outputs = raw_scores.size() / rows;
      const nb::object scores =
          outputs == 1 ? CopyArray(raw_scores, {rows}) : CopyArray(raw_scores, {rows, outputs});
      const nb::object answer =
          gradients(CopyArray(labels, {rows}), scores, WeightsArray(data.weights));
      if (!nb::isinstance<nb::sequence>(answer) || nb::len(answer) != 2)
        Raise(PyExc_TypeError, "gradients must return a pair: gradient, hessian.");
      Read(answer[0], scores, "gradient", gradient);
      Read(answer[1], scores, "hessian", hessian);
      return true;
    });
    return done.ok() ? Status() : Status(done.error());
  }
};

std::vector<EvalSet> ToEvalSets(nb::handle pairs) {
  std::vector<EvalSet> sets;
  for (nb::handle pair : pairs) {
    const auto [name, data] = nb::cast<std::pair<std::string, nb::object>>(pair);
    sets.push_back({name, nb::cast<const PyDataset&>(data).data.get()});
  }
  return sets;
}

// What stopped the run, with the rounds so far.
[[noreturn]] void RaiseWith(nb::python_error& exception, PyTrainResult result) {
  const nb::object value = nb::borrow(exception.value());
  // An exception of a class that takes no attributes is raised as it is.
  if (PyObject_SetAttrString(value.ptr(), "result", nb::cast(std::move(result)).ptr()) != 0)
    PyErr_Clear();
  throw nb::python_error(exception);
}

// A failure of the group, with the rounds so far where there are some.
[[noreturn]] void RaiseOfMembers(const Error& error, TrainResult rounds) {
  PyErr_SetString(PyExc_ConnectionError, error.message.c_str());
  nb::python_error exception;
  if (rounds.model.num_rounds() > 0) RaiseWith(exception, ToPython(std::move(rounds)));
  nb::object value = nb::borrow(exception.value());
  value.attr("result") = nb::none();
  throw nb::python_error(exception);
}

PyTrainResult RunTrain(Context context, const Texts& texts, const PyDataset& data,
                       nb::handle metrics, bool watch_training, const std::vector<EvalSet>& sets,
                       TrainOptions options, Callbacks callbacks, const PyTrainResult* so_far,
                       PyCollective* collective) {
  const TrainParameters parameters = ToParameters(texts);
  std::atomic<bool> alone{false};
  Interruptible run(context, collective == nullptr ? alone : collective->stop());
  TrainResult rounds, resume;
  if (so_far != nullptr) {
    resume = FromPython(*so_far);
    options.resume = &resume;
  }
  options.measuring = ToMeasuring(run, metrics, watch_training);
  options.rounds_so_far = &rounds;
  if (!callbacks.on_round.is_none())
    options.on_round = [&](const RoundReport& report) { return callbacks.Round(run, report); };
  if (!callbacks.learning_rate.is_none())
    options.learning_rate = [&](size_t round) { return callbacks.Rate(run, round); };
  if (!callbacks.gradients.is_none())
    options.gradients = [&](auto labels, auto scores, auto gradient, auto hessian) {
      return callbacks.Gradients(run, *data.data, labels, scores, gradient, hessian);
    };
  Result<TrainResult> result = run.Wait([&](Context stoppable) {
    if (collective != nullptr) stoppable.collective = &collective->get();
    return Train(stoppable, parameters, *data.data, sets, options);
  });
  if (run.stopped())
    RaiseWith(run.exception(), ToPython(result.ok() ? *std::move(result) : std::move(rounds)));
  if (!result.ok() && collective != nullptr && !collective->get().status().ok())
    RaiseOfMembers(result.error(), std::move(rounds));
  return ToPython(ValueOrRaise(std::move(result)));
}

}  // namespace

void AddTrain(nb::module_& module) {
  AddMetric(module);
  nb::class_<PyRoundReport>(module, "RoundReport")
      .def_ro("round", &PyRoundReport::round)
      .def_ro("rounds", &PyRoundReport::rounds)
      .def_ro("seconds", &PyRoundReport::seconds)
      .def_ro("learning_rate", &PyRoundReport::learning_rate)
      .def_ro("values", &PyRoundReport::values)
      .def("result", &ResultSoFar);
  nb::class_<PyTrainResult>(module, "TrainResult")
      .def_ro("model", &PyTrainResult::model)
      .def_ro("history", &PyTrainResult::history)
      .def_ro("best_round", &PyTrainResult::best_round)
      .def_ro("stopped_early", &PyTrainResult::stopped_early)
      .def_ro("stopped", &PyTrainResult::stopped)
      .def_ro("seconds", &PyTrainResult::seconds)
      .def_ro("steps", &PyTrainResult::steps)
      .def("__getstate__", &StateOf)
      .def("__setstate__", [](PyTrainResult& self, const nb::tuple& state) {
        new (&self) PyTrainResult(FromState(state));
      });
  module.def(
      "train",
      [](const Context& context, const Texts& parameters, const PyDataset& data,
         nb::handle eval_sets, nb::handle metrics, bool watch_training,
         const PyModel* initial_model, const std::string& checkpoint_path, size_t checkpoint_every,
         nb::object on_round, nb::object learning_rate, nb::object gradients,
         const PyTrainResult* so_far, PyCollective* collective) {
        TrainOptions options;
        options.initial_model = initial_model == nullptr ? nullptr : initial_model->model.get();
        options.checkpoint_path = checkpoint_path;
        options.checkpoint_every = checkpoint_every;
        return RunTrain(context, parameters, data, metrics, watch_training, ToEvalSets(eval_sets),
                        options,
                        {std::move(on_round), std::move(learning_rate), std::move(gradients)},
                        so_far, collective);
      },
      nb::arg("context"), nb::arg("parameters"), nb::arg("data"), nb::kw_only(),
      nb::arg("eval_sets") = nb::tuple(), nb::arg("metrics") = nb::tuple(),
      nb::arg("watch_training") = false, nb::arg("initial_model").none() = nb::none(),
      nb::arg("checkpoint_path") = "", nb::arg("checkpoint_every") = 10,
      nb::arg("on_round").none() = nb::none(), nb::arg("learning_rate").none() = nb::none(),
      nb::arg("gradients").none() = nb::none(), nb::arg("so_far").none() = nb::none(),
      nb::arg("collective").none() = nb::none());
}

}  // namespace ramet::bindings
