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
  verb.add_option("--scheduler-file", scheduler_file,
                  "The same, by the file that the scheduler wrote")
      ->type_name("FILE")
      ->excludes(here)
      ->excludes(at)
      ->group(group);
}

std::string ClusterFlags::Name() const {
  if (workers > 0) return "--workers";
  return scheduler.empty() ? "--scheduler-file" : "--scheduler";
}

}  // namespace ramet
