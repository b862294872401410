// The command `ramet` with Python as its host: files are found by the engine and read by a Python
// function.
#include "cli/command.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <iostream>

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
  const nb::gil_scoped_acquire gil;
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

int TerminalColumns() {
  winsize size = {};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

int Run(const std::vector<nb::bytes>& arguments, const nb::object& open_files,
        const std::vector<std::pair<std::string, std::string>>& versions) {
  std::vector<const char*> argv;
  for (const nb::bytes& argument : arguments) argv.push_back(argument.c_str());
  const TableSource source{
      ListFiles,
      [&](const Context& context, std::span<const std::string> files, const ReadOptions& options) {
        return OpenByPython(open_files, context, files, options);
      },
      versions};
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
  module.def("run_command", &Run, nb::arg("argv"), nb::arg("open_files"), nb::arg("versions"));
  // What readers in Python share with the engine's own.
  nb::list spellings;
  for (const std::string_view spelling : kMissingSpellings) spellings.append(std::string(spelling));
  module.attr("missing_spellings") = nb::tuple(spellings);
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
