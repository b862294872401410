// The verbs: each adds its subcommand to the application and sets what runs once the line is
// parsed.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

#include "cli/command.h"

namespace ramet {

// What a verb is given, and where it leaves the work to do.
struct Session {
  const TableSource& source;
  const Console& console;
  std::function<Status()> run;  // set by the verb that was named
};

void AddTrain(CLI::App& app, Session& session);
void AddPredict(CLI::App& app, Session& session);
void AddEvaluate(CLI::App& app, Session& session);
void AddInspect(CLI::App& app, Session& session);
void AddDigest(CLI::App& app, Session& session);
void AddDoctor(CLI::App& app, Session& session);
void AddHosted(CLI::App& app, Session& session);

}  // namespace ramet
