// ramet doctor: what this machine gives the command, for reports and puzzled users.
#include <hwy/highway.h>
#include <openssl/opensslv.h>
#include <sched.h>
#include <tbb/version.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/text.h"
#include "cli/verbs.h"

namespace ramet {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kHelp =
    "Example\n"
    "  ramet doctor\n"
    "\n"
    "Prints what the command sees: processor, instruction sets, limits, memory, libraries,\n"
    "environment. Add it to a bug report.\n"
    "\n"
    "The Python package has `ramet doctor --cluster` too, which looks at a Kubernetes cluster.";

constexpr const char* kVariables[] = {"RAMET_THREADS", "RAMET_ISA", "OMP_NUM_THREADS",
                                      "LC_ALL",        "LANG",      "TMPDIR"};

std::string ProcessorModel() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(": ");
    if (colon != std::string::npos && line.starts_with("model name")) return line.substr(colon + 2);
  }
  return "unknown";
}

int AffinityProcessors() {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
}

Json Processor() {
  Json isas = Json::array();
  for (Isa isa : SupportedIsas()) isas.push_back(IsaName(isa));
  const double quota = CgroupCpuQuota();
  return {{"model", ProcessorModel()},
          {"online", sysconf(_SC_NPROCESSORS_ONLN)},
          {"affinity", AffinityProcessors()},
          {"cgroup_quota", quota > 0 ? Json(quota) : Json(nullptr)},
          {"isa_supported", isas}};
}

Json Libraries(const TableSource& source) {
  const auto dotted = [](int major, int minor, int patch) {
    return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch);
  };
  const int tbb = TBB_runtime_interface_version();
  Json libraries = {
      {"ramet", RAMET_VERSION},
      {"oneTBB", std::string(TBB_runtime_version()) + " (interface " + std::to_string(tbb) + ")"},
      {"Highway", dotted(HWY_MAJOR, HWY_MINOR, HWY_PATCH)},
      {"OpenSSL", OPENSSL_VERSION_TEXT},
      {"CLI11", CLI11_VERSION},
      {"nlohmann-json", dotted(NLOHMANN_JSON_VERSION_MAJOR, NLOHMANN_JSON_VERSION_MINOR,
                               NLOHMANN_JSON_VERSION_PATCH)}};
  for (const auto& [name, version] : source.versions) libraries[name] = version;
  return libraries;
}

Json Environment() {
  Json environment = Json::object();
  for (const char* name : kVariables)
    if (const char* value = std::getenv(name)) environment[name] = value;
  return environment;
}

std::string AsText(const Json& report) {
  std::vector<std::vector<std::string>> cells;
  for (const auto& [section, entries] : report.items()) {
    cells.push_back({section});
    for (const auto& [name, value] : entries.items()) {
      std::string text = value.is_string() ? value.get<std::string>() : value.dump();
      if (value.is_array()) text = Join(value.get<std::vector<std::string>>(), ", ");
      if (value.is_null()) text = "none";
      if (name == "bytes") text = Bytes(value.get<double>());
      cells.push_back({"  " + name, text});
    }
  }
  return AlignedTable(cells, {});
}

Status RunDoctor(bool json, const Session& session) {
  // A variable that cannot be followed is a finding here, not a failure.
  const auto context = Context::FromEnvironment();
  const Json used = context.ok() ? Json{{"threads", context->threads},
                                        {"isa", std::string(IsaName(context->isa))}}
                                 : Json{{"problem", context.error().message}};
  const Json report = {{"processor", Processor()},
                       {"used by default", used},
                       {"memory", {{"bytes", AvailableMemory()}}},
                       {"libraries", Libraries(session.source)},
                       {"environment", Environment()}};
  session.console.out << (json ? report.dump() + "\n" : AsText(report));
  if (!context.ok()) return context.error();
  return {};
}

}  // namespace

void AddDoctor(CLI::App& app, Session& session) {
  CLI::App* verb = app.add_subcommand("doctor", "Show what the command sees of this machine");
  verb->footer(kHelp);
  auto json = std::make_shared<bool>(false);
  verb->add_flag("--json", *json, "As one JSON object");
  verb->callback(
      [json, &session] { session.run = [json, &session] { return RunDoctor(*json, session); }; });
}

}  // namespace ramet
