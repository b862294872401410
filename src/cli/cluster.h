// Training by a cluster that the host of the command knows how to reach (the Python package: Dask).
//
//   flags ─► ClusterTraining ─► TableSource::train_on_cluster ─► ClusterResult
//
// The host reads the files, part by part, where the work is done; the model is the one that the
// command would have trained by itself.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ramet/boost/boost.h"
#include "reader/reader.h"

namespace ramet {

// Which cluster: --workers, --scheduler, --scheduler-file, --cluster.
struct ClusterFlags {
  size_t workers = 0;  // on this machine, for this run
  std::string scheduler, scheduler_file;
  std::string cluster, name_space;  // a release on Kubernetes, and where it is

  void AddTo(CLI::App& verb);
  bool Given() const {
    return workers > 0 || !scheduler.empty() || !scheduler_file.empty() || !cluster.empty();
  }
  // Whether paths are those of another machine, which lists them itself.
  bool FilesAreElsewhere() const { return !cluster.empty(); }
  // The flag that was given, for messages.
  std::string Name() const;
};

// A training as the host is told of it.
struct ClusterTraining {
  ClusterFlags cluster;
  std::string threads;  // of --threads; empty: left out
  // In order; `valid` may be empty. Listed, or, if FilesAreElsewhere(), as they were given.
  std::vector<std::string> files, valid;
  ReadOptions read;
  std::string label, weight;
  std::vector<std::string> features, categorical, numeric;
  std::string task;  // classification, regression, or auto: by the label's looks (input.h)
  std::vector<std::pair<std::string, std::string>> parameters;
  const Model* initial_model = nullptr;
  std::string checkpoint_path;
  size_t checkpoint_every = 10;
  // For whoever watches.
  std::function<void(std::string_view)> on_stage, on_warning;
  std::function<void(const RoundReport&)> on_round;
};

struct ClusterResult {
  TrainResult result;
  size_t num_rows = 0, num_features = 0;
  double read_seconds = 0, bin_seconds = 0;
  bool handed_on = false;  // somebody else trains, later: there is no model yet
};

}  // namespace ramet
