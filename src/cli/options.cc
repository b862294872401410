#include "cli/options.h"

#include <algorithm>
#include <charconv>
#include <set>

namespace ramet {
namespace {

std::string Dashed(std::string_view name) {
  std::string dashed(name);
  std::replace(dashed.begin(), dashed.end(), '_', '-');
  return dashed;
}

bool Contains(const std::vector<Isa>& isas, Isa isa) {
  return std::find(isas.begin(), isas.end(), isa) != isas.end();
}

}  // namespace

CLI::Option* AddNames(CLI::App& verb, const std::string& flag, std::vector<std::string>& names,
                      const std::string& help) {
  return verb.add_option(flag, names, help)
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("A,B,C");
}

Status RequireDistinct(const std::vector<std::string>& names, const std::string& flag) {
  std::set<std::string_view> seen;
  for (const std::string& name : names)
    if (!seen.insert(name).second)
      return InvalidArgument(flag + ": column \"" + name + "\" is named twice. Name it once.");
  return {};
}

void ReaderFlags::AddTo(CLI::App& verb) {
  const std::string group = "Reading";
  verb.add_option("--type", types, "Read a column as this type; may be repeated")
      ->allow_extra_args(false)
      ->type_name("COLUMN=TYPE")
      ->group(group);
  verb.add_option("--missing", missing, "Also read this text as missing (CSV); may be repeated")
      ->allow_extra_args(false)
      ->type_name("TEXT")
      ->group(group);
  verb.add_option("--delimiter", delimiter, "Between the fields of a CSV file; \\t for tab")
      ->type_name("CHAR [,]")
      ->group(group);
  verb.add_option("--format", format, "csv, parquet or feather; left out, the file's name says it")
      ->type_name("NAME")
      ->group(group);
}

Result<ReadOptions> ReaderFlags::ToReadOptions() const {
  ReadOptions options;
  for (const std::string& text : types) {
    const size_t equals = text.rfind('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == text.size())
      return InvalidArgument(
          "--type " + text +
          ": not of the form COLUMN=TYPE. Write, for example, --type zip=string.");
    options.types.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  options.missing = missing;
  if (delimiter != "\\t" && delimiter.size() != 1)
    return InvalidArgument("--delimiter \"" + delimiter +
                           "\": not one character. Use, for example, ; or \\t.");
  options.delimiter = delimiter == "\\t" ? '\t' : delimiter[0];
  options.format = format;
  return options;
}

void RunFlags::AddTo(CLI::App& verb) {
  const std::string group = "Running (never changes a result)";
  verb.add_option("--threads", threads,
                  "Threads; left out, the processors and CPU quota this process may use")
      ->type_name("N")
      ->group(group);
  verb.add_option("--isa", isa,
                  "Instruction set: scalar, sse4, avx2, avx512, neon; left out, the best here")
      ->type_name("NAME")
      ->group(group);
  verb.add_flag("--quiet,-q", quiet, "No progress on standard error")->group(group);
  verb.add_flag("--json", json, "Results as one JSON object")->group(group);
}

Result<Context> RunFlags::ToContext(const Console& console) const {
  RAMET_ASSIGN(Context context, Context::FromEnvironment());
  if (!threads.empty()) {
    const auto end = threads.data() + threads.size();
    const auto [parsed, error] = std::from_chars(threads.data(), end, context.threads);
    if (error != std::errc() || parsed != end || context.threads < 1 || context.threads > 4096)
      return InvalidArgument("--threads " + threads +
                             ": not a number of threads. Use a whole number from 1 to 4096.");
  }
  if (!isa.empty()) {
    RAMET_ASSIGN(context.isa, ParseIsa(isa));
    if (!Contains(SupportedIsas(), context.isa))
      return InvalidArgument("--isa " + isa +
                             ": this processor or build does not have it. `ramet doctor` lists "
                             "those that it has.");
  }
  context.cancelled = console.cancelled;
  return context;
}

void ParameterFlags::AddTo(CLI::App& verb) {
  verb.add_option("--params", file,
                  "Model parameters from a file: a JSON object, or lines `name = value`; flags win")
      ->type_name("FILE");
  const std::string group = "Model parameters";
  const TrainParameters defaults;
  for (const ParameterInfo& info : AllParameters()) {
    const std::string name(info.name);
    const std::string flag = "--" + Dashed(name), help(info.help);
    const bool is_switch = std::holds_alternative<bool TrainParameters::*>(info.member);
    const bool is_text = std::holds_alternative<std::string TrainParameters::*>(info.member);
    CLI::Option* option = is_switch ? verb.add_flag(flag, help) : verb.add_option(flag, help);
    option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    const std::string type = is_switch ? "" : is_text ? "TEXT" : "NUMBER";
    const std::string value = GetParameter(defaults, name);
    option->type_name(value.empty() ? type : type + (type.empty() ? "[" : " [") + value + "]");
    options.emplace_back(name, option);
    option->group(group);
  }
}

Result<std::vector<std::pair<std::string, std::string>>> ParameterFlags::Given() const {
  std::vector<std::pair<std::string, std::string>> all;
  if (!file.empty()) {
    RAMET_ASSIGN(const std::string text, ReadWholeFile(file));
    RAMET_ASSIGN(all, ParseParameters(text, file));
    TrainParameters scratch;
    for (const auto& [key, value] : all)
      if (Status status = SetParameter(scratch, key, value); !status.ok())
        return InvalidArgument(file + ": " + status.error().message);
  }
  for (const auto& [name, option] : options) {
    if (option->count() == 0) continue;
    std::erase_if(all, [&](const auto& pair) { return pair.first == name; });
    all.emplace_back(name, option->results().back());
  }
  return all;
}

Status Apply(const std::vector<std::pair<std::string, std::string>>& given,
             TrainParameters& parameters) {
  for (const auto& [name, value] : given)
    if (Status status = SetParameter(parameters, name, value); !status.ok())
      return InvalidArgument("--" + Dashed(name) + " " + value + ": " + status.error().message);
  return Validate(parameters);
}

}  // namespace ramet
