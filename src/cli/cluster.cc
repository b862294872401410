#include "cli/cluster.h"

namespace ramet {

void ClusterFlags::AddTo(CLI::App& verb) {
  const std::string group = "On Dask (the same model)";
  auto* here = verb.add_option("--workers", workers, "Train with so many Dask workers here")
                   ->type_name("N")
                   ->check(CLI::Range(size_t{1}, size_t{1024}))
                   ->group(group);
  auto* at = verb.add_option("--scheduler", scheduler,
                             "Train with the workers of this Dask scheduler; they read the files")
                 ->type_name("ADDRESS")
                 ->excludes(here)
                 ->group(group);
  auto* file = verb.add_option("--scheduler-file", scheduler_file,
                               "The same, by the file that the scheduler wrote")
                   ->type_name("FILE")
                   ->excludes(here)
                   ->excludes(at)
                   ->group(group);
  auto* name =
      verb.add_option("--cluster", cluster,
                      "Train on this cluster (ramet cluster up); FILES are as its workers see them")
          ->type_name("NAME")
          ->excludes(here)
          ->excludes(at)
          ->excludes(file)
          ->group(group);
  verb.add_option("--namespace,-n", name_space, "The cluster's namespace on Kubernetes")
      ->type_name("NAMESPACE")
      ->needs(name)
      ->group(group);
  // Whoever hands the line on has dealt with it; here it is for the help.
  verb.add_flag_callback(
          "--slurm", [] {}, "That cluster is one of Slurm's (ramet cluster up --slurm)")
      ->needs(name)
      ->group(group);
}

std::string ClusterFlags::Name() const {
  if (workers > 0) return "--workers";
  if (!cluster.empty()) return "--cluster";
  return scheduler.empty() ? "--scheduler-file" : "--scheduler";
}

}  // namespace ramet
