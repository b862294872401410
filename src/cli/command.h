// The command `ramet`, as a function.
//
//   argv ──► verb + options ──► TableSource ──► the engine ──► results on `out`, progress and
//   warnings on `err`
//
//   ramet train flights/*.parquet --label late --out late.ramet
//
// The executable plugs in `src/reader`; another host (a Python wheel) may plug in streams of its
// own. One file per verb (train.cc, predict.cc, …), one small file for what they share (options,
// input, output, progress, text).
//
// Invariants
//   C1. Exit codes: 0 done, 1 the world failed (data, files, disk), 2 usage, 130 stopped by the
//   user. C2. Nothing is written under an output's name unless it is whole: a temporary file beside
//   it is renamed at the end. C3. An error is one message, `ramet: what, where, what to do`, on
//   `err`. No exception leaves RunCommand.
#pragma once

#include <atomic>
#include <functional>
#include <ostream>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ramet/base/result.h"
#include "ramet/parallel/context.h"
#include "ramet/table/table.h"
#include "reader/reader.h"

namespace ramet {

struct ClusterTraining;  // cluster.h
struct ClusterResult;

// Where tables come from: the functions of reader.h, or a host's own.
struct TableSource {
  std::function<Result<std::vector<std::string>>(std::span<const std::string> paths)> list_files;
  std::function<Result<TableStream>(const Context&, std::span<const std::string> files,
                                    const ReadOptions&)>
      open_files;
  // (library, version) of what reads the files, for `ramet doctor`.
  std::vector<std::pair<std::string, std::string>> versions;
  // Trains on a cluster; empty where the host has none.
  std::function<Result<ClusterResult>(const Context&, const ClusterTraining&)> train_on_cluster =
      nullptr;
};

struct Console {
  std::ostream& out;
  std::ostream& err;
  bool err_is_terminal = false;  // progress as one moving bar instead of lines
  int columns = 80;              // width of that terminal
  // Set by the host (a signal handler) to stop the run.
  const std::atomic<bool>* cancelled = nullptr;
};

enum ExitCode { kExitDone = 0, kExitWorld = 1, kExitUsage = 2, kExitCancelled = 130 };

// Runs one command line (argv[0] is the program's name) and returns its exit code. Never throws.
int RunCommand(int argc, const char* const* argv, const TableSource& source,
               const Console& console);

}  // namespace ramet
