// Verbs that the Python package carries out: known here, so that one help lists them all and the
// engine's own command says where to get them. The package's command never comes this far with
// them (python/ramet/_command).
#include "cli/verbs.h"

namespace ramet {
namespace {

struct HostedVerb {
  const char *name, *what, *example;
};

constexpr HostedVerb kVerbs[] = {
    {"cluster", "Make, watch and scale a training cluster on Kubernetes or Slurm",
     "Example\n  ramet cluster up --workers 4\n"},
    {"submit", "Train inside a cluster, as a job that outlives this machine",
     "Example\n  ramet submit train \"/data/flights/*.parquet\" --label late --out late.ramet\n"},
};

}  // namespace

void AddHosted(CLI::App& app, Session& session) {
  for (const HostedVerb& known : kVerbs) {
    CLI::App* verb = app.add_subcommand(known.name, known.what);
    verb->footer(std::string(known.example) +
                 "\nThis verb comes with the Python package: pip install 'ramet[kubernetes]'.");
    verb->prefix_command();  // what follows is not read
    verb->callback([&session, name = known.name] {
      session.run = [name]() -> Status {
        return InvalidArgument(
            std::string(name) +
            ": this `ramet` trains on one machine alone. The one that comes with "
            "the Python package works with clusters: pip install "
            "'ramet[kubernetes]'.");
      };
    });
  }
}

}  // namespace ramet
