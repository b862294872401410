// Options that several verbs share, each group in one struct that adds its flags to a subcommand.
//
//   ReaderFlags reader;  reader.AddTo(*verb);  …  ReadOptions options = reader.ToReadOptions();
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <utility>
#include <vector>

#include "cli/command.h"
#include "ramet/boost/parameters.h"
#include "reader/reader.h"

namespace ramet {

// How files are read: --type, --missing, --delimiter, --format.
struct ReaderFlags {
  std::vector<std::string> types;  // "column=type"
  std::vector<std::string> missing;
  std::string delimiter = ",";
  std::string format;

  void AddTo(CLI::App& verb);
  Result<ReadOptions> ToReadOptions() const;
};

// What the run may use: --threads, --isa, --quiet. None of them changes a result.
struct RunFlags {
  std::string threads;
  std::string isa;
  bool quiet = false;
  bool json = false;

  void AddTo(CLI::App& verb);
  // The environment's context with the flags over it, and the console's cancellation.
  Result<Context> ToContext(const Console& console) const;
};

// One flag per model parameter, made from AllParameters(), and --params FILE.
struct ParameterFlags {
  std::vector<std::pair<std::string, CLI::Option*>> options;  // by parameter name
  std::string file;

  void AddTo(CLI::App& verb);
  // What was given, as (name, text): the file's values, with the flags' over them.
  Result<std::vector<std::pair<std::string, std::string>>> Given() const;
};

// A flag of comma-separated names, which may be repeated: --features a,b,c.
CLI::Option* AddNames(CLI::App& verb, const std::string& flag, std::vector<std::string>& names,
                      const std::string& help);

// An error names the first name that stands twice. `flag` is for the message.
Status RequireDistinct(const std::vector<std::string>& names, const std::string& flag);

// Sets the parameters in `given` over `parameters`, checks each and all together.
Status Apply(const std::vector<std::pair<std::string, std::string>>& given,
             TrainParameters& parameters);

// (name, text) pairs of a parameter file: a JSON object, or lines `name = value` with # comments
// (so the flat part of TOML). Errors name file and line.
Result<std::vector<std::pair<std::string, std::string>>> ParseParameters(const std::string& text,
                                                                         const std::string& path);

Result<std::string> ReadWholeFile(const std::string& path);

}  // namespace ramet
