// The command `ramet` with Python as its host: files are found by the engine and read by a Python
// function.
#include "cli/command.h"

#include <nanobind/stl/function.h>
#include <nanobind/stl/string_view.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <iostream>

#include "cli/cluster.h"
#include "gil.h"
#include "interrupt.h"
#include "module.h"
#include "reader/choose.h"
#include "stream.h"

namespace ramet::bindings {
namespace {

ReadOptions OptionsOf(const std::vector<std::string>& columns, const std::vector<std::string>& drop,
                      const std::vector<std::pair<std::string, std::string>>& types,
                      const std::string& format) {
  ReadOptions options;
  options.columns = columns;
  options.drop = drop;
  options.types = types;
  options.format = format;
  return options;
}

// Paths are bytes, which Python decodes as it does all file names. Files by open_files(paths, *,
// columns, drop, types, missing, delimiter, format, threads, cancelled).
Result<TableStream> OpenByPython(const nb::object& open_files, const Context& context,
                                 std::span<const std::string> files, const ReadOptions& options) {
  const AcquireGil gil;
  try {
    // The flag outlives the stream: it is the run's.
    const auto cancelled =
        nb::cpp_function([flag = context.cancelled] { return flag != nullptr && flag->load(); });
    nb::list paths;
    for (const std::string& file : files) paths.append(nb::bytes(file.data(), file.size()));
    const nb::object batches =
        open_files(paths, nb::arg("columns") = options.columns, nb::arg("drop") = options.drop,
                   nb::arg("types") = options.types, nb::arg("missing") = options.missing,
                   nb::arg("delimiter") = std::string(1, options.delimiter),
                   nb::arg("format") = options.format, nb::arg("threads") = context.threads,
                   nb::arg("cancelled") = cancelled);
    Result<TableStream> stream = StreamOf(batches);
    if (!stream.ok()) return Error{stream.error().code, files[0] + ": " + stream.error().message};
    return stream;
  } catch (nb::python_error& exception) {
    return ToError(exception);
  }
}

// A round as Python tells of it.
void Report(const ClusterTraining& training, nb::handle report) {
  std::vector<Curve> curves;
  for (auto [key, value] : nb::cast<nb::dict>(report.attr("values"))) {
    const auto [set, metric] = nb::cast<std::pair<std::string, std::string>>(key);
    curves.push_back({set, metric, false, {nb::cast<double>(value)}});
  }
  RoundReport round;
  round.round = nb::cast<size_t>(report.attr("round"));
  round.rounds = nb::cast<size_t>(report.attr("rounds"));
  round.seconds = nb::cast<double>(report.attr("seconds"));
  round.learning_rate = nb::cast<double>(report.attr("learning_rate"));
  round.validates = !curves.empty() && curves[0].set != kTrainingSet;
  round.curves = curves;
  training.on_round(round);
}

TrainResult ResultOf(nb::handle from) {
  TrainResult result;
  result.model = *nb::cast<const PyModel&>(from.attr("model")).model;
  for (auto [key, values] : nb::cast<nb::dict>(from.attr("history"))) {
    const auto [set, metric] = nb::cast<std::pair<std::string, std::string>>(key);
    result.curves.push_back({set, metric, false, nb::cast<std::vector<double>>(values)});
  }
  result.validates = !result.curves.empty() && result.curves[0].set != kTrainingSet;
  result.best_round = nb::cast<size_t>(from.attr("best_round"));
  result.stopped_early = nb::cast<bool>(from.attr("stopped_early"));
  result.seconds = nb::cast<double>(from.attr("seconds"));
  const auto steps = nb::cast<std::map<std::string, double>>(from.attr("steps"));
  const auto step = [&](const char* name) {
    const auto found = steps.find(name);
    return found == steps.end() ? 0 : found->second;
  };
  result.steps = {step("quantise"), step("partition"), step("histogram"), step("split"),
                  step("leaves"),   step("scores"),    step("metric")};
  return result;
}

// By train_on_cluster(*, workers, scheduler, …) -> (TrainResult, rows, features, seconds of reading
// and of binning), or None if it has handed the training on.
Result<ClusterResult> TrainByPython(const nb::object& train, const Context& context,
                                    const ClusterTraining& training) {
  const AcquireGil gil;
  try {
    const auto files = [](const std::vector<std::string>& names) {
      nb::list paths;
      for (const std::string& name : names) paths.append(nb::bytes(name.data(), name.size()));
      return paths;
    };
    nb::dict given;
    given["workers"] = training.cluster.workers;
    given["scheduler"] = training.cluster.scheduler;
    given["scheduler_file"] = training.cluster.scheduler_file;
    given["cluster"] = training.cluster.cluster;
    given["namespace"] = training.cluster.name_space;
    given["threads"] = training.threads.empty() ? nb::none() : nb::cast(context.threads);
    given["files"] = files(training.files);
    given["valid"] = files(training.valid);
    given["columns"] = training.read.columns;
    given["drop"] = training.read.drop;
    given["types"] = training.read.types;
    given["missing"] = training.read.missing;
    given["delimiter"] = std::string(1, training.read.delimiter);
    given["format"] = training.read.format;
    given["label"] = training.label;
    given["weight"] = training.weight;
    given["features"] = training.features;
    given["categorical"] = training.categorical;
    given["numeric"] = training.numeric;
    given["task"] = training.task;
    given["parameters"] = Texts(training.parameters.begin(), training.parameters.end());
    given["initial_model"] =
        training.initial_model == nullptr
            ? nb::none()
            : nb::cast(PyModel{std::make_shared<const Model>(*training.initial_model)});
    given["checkpoint_path"] = nb::bytes(training.checkpoint_path.c_str());
    given["checkpoint_every"] = training.checkpoint_every;
    given["on_stage"] = nb::cast(training.on_stage);
    given["on_warning"] = nb::cast(training.on_warning);
    given["on_round"] = nb::cpp_function([&](nb::handle report) { Report(training, report); });
    given["cancelled"] =
        nb::cpp_function([flag = context.cancelled] { return flag != nullptr && flag->load(); });
    const nb::object answer = train(**given);
    if (answer.is_none()) return ClusterResult{.result = {}, .handed_on = true};
    const auto done = nb::cast<nb::tuple>(answer);
    return ClusterResult{ResultOf(done[0]), nb::cast<size_t>(done[1]), nb::cast<size_t>(done[2]),
                         nb::cast<double>(done[3]), nb::cast<double>(done[4])};
  } catch (nb::python_error& exception) {
    return ToError(exception);
  }
}

// A path is listed by the engine, a URI by Python: list_store(uri) -> files.
Result<std::vector<std::string>> List(const nb::object& list_store,
                                      std::span<const std::string> paths) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    if (list_store.is_none() || path.find("://") == std::string::npos) {
      RAMET_ASSIGN(const auto found, ListFiles({&path, 1}));
      files.insert(files.end(), found.begin(), found.end());
      continue;
    }
    const AcquireGil gil;
    try {
      for (nb::handle file : list_store(nb::bytes(path.data(), path.size())))
        files.push_back(nb::cast<nb::bytes>(file).c_str());
    } catch (nb::python_error& exception) {
      return ToError(exception);
    }
  }
  return files;
}

int TerminalColumns() {
  winsize size = {};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

int Run(const std::vector<nb::bytes>& arguments, const nb::object& open_files,
        const std::vector<std::pair<std::string, std::string>>& versions,
        const nb::object& train_on_cluster, const nb::object& list_store) {
  std::vector<const char*> argv;
  for (const nb::bytes& argument : arguments) argv.push_back(argument.c_str());
  TableSource source{
      [&](std::span<const std::string> paths) { return List(list_store, paths); },
      [&](const Context& context, std::span<const std::string> files, const ReadOptions& options) {
        return OpenByPython(open_files, context, files, options);
      },
      versions};
  if (!train_on_cluster.is_none())
    source.train_on_cluster = [&](const Context& context, const ClusterTraining& training) {
      return TrainByPython(train_on_cluster, context, training);
    };
  std::ios::sync_with_stdio(false);
  Interruptible run{Context()};
  // A signal's exception has told the run to stop: the exit code says so.
  return run.Wait([&](const Context& context) {
    const Console console{std::cout, std::cerr, isatty(STDERR_FILENO) == 1, TerminalColumns(),
                          context.cancelled};
    return RunCommand(static_cast<int>(argv.size()), argv.data(), source, console);
  });
}

// As ValueOrRaise, but that usage errors stay apart.
template <class T>
T Value(Result<T> result) {
  if (!result.ok()) RaiseReading(result.error());
  return *std::move(result);
}

}  // namespace

void AddCommand(nb::module_& module) {
  AddUsageError(module);
  module.def("run_command", &Run, nb::arg("argv"), nb::arg("open_files"), nb::arg("versions"),
             nb::arg("train_on_cluster").none() = nb::none(),
             nb::arg("list_store").none() = nb::none());
  // What readers in Python share with the engine's own.
  nb::list spellings;
  for (const std::string_view spelling : kMissingSpellings) spellings.append(std::string(spelling));
  module.attr("missing_spellings") = nb::tuple(spellings);
  module.def(
      "list_files",
      [](const std::vector<nb::bytes>& paths, const nb::object& list_store) {
        std::vector<std::string> given;
        for (const nb::bytes& path : paths) given.emplace_back(path.c_str(), path.size());
        nb::list files;
        for (const std::string& file : Value(List(list_store, given)))
          files.append(nb::bytes(file.data(), file.size()));
        return files;
      },
      nb::arg("paths"), nb::arg("list_store").none() = nb::none());
  module.def("available_memory", &AvailableMemory);
  module.def(
      "format_of",
      [](const std::string& file, const std::string& format) {
        return Value(reader::FormatOf(file, OptionsOf({}, {}, {}, format)));
      },
      nb::arg("file"), nb::arg("format") = "");
  module.def(
      "choose_columns",
      [](const std::string& file, const std::vector<std::string>& names,
         const std::vector<std::string>& columns, const std::vector<std::string>& drop,
         const std::vector<std::pair<std::string, std::string>>& types) {
        for (const auto& [column, type] : types)
          if (const Status known = reader::CheckType(column, type); !known.ok())
            RaiseReading(known.error());
        return Value(reader::ChooseColumns(file, names, OptionsOf(columns, drop, types, {})));
      },
      nb::arg("file"), nb::arg("names"), nb::arg("columns"), nb::arg("drop"), nb::arg("types"));
}

}  // namespace ramet::bindings
