#include "cli/command.h"

#include <cerrno>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <string>

#include "cli/verbs.h"

namespace ramet {
namespace {

constexpr const char* kVersion = RAMET_VERSION;

constexpr const char* kHelp =
    "Example\n"
    "  ramet train flights/*.parquet --label late --out late.ramet\n"
    "  ramet predict late.ramet tomorrow.parquet --out predictions.csv\n"
    "\n"
    "Ramet trains the same model, byte for byte, whatever the number of threads, the processor's\n"
    "instruction set and the way the rows are cut into files. `ramet VERB --help` shows a verb's\n"
    "options.\n"
    "\n"
    "Exit codes: 0 done, 1 data or files are not as they must be, 2 usage, 130 stopped (Ctrl-C).\n"
    "Environment: RAMET_THREADS (number of threads), RAMET_ISA (instruction set).";

// Help with the example first: what an application's footer holds is printed above everything else.
class ExampleFirst : public CLI::Formatter {
 public:
  std::string make_description(const CLI::App* app) const override {
    return app->get_footer() + "\n\n";
  }
  std::string make_footer(const CLI::App*) const override { return {}; }
};

int ExitCodeOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return kExitUsage;
    case ErrorCode::kCancelled:
      return kExitCancelled;
    case ErrorCode::kData:
    case ErrorCode::kIo:
      break;
  }
  return kExitWorld;
}

// CLI11 throws for --help and --version too.
int ReportParse(const CLI::App& app, const CLI::ParseError& error, const Console& console) {
  if (error.get_exit_code() == 0) {
    app.exit(error, console.out, console.err);
    return kExitDone;
  }
  std::string verb;
  for (const CLI::App* used : app.get_subcommands()) verb = " " + used->get_name();
  console.err << "ramet: " << error.what() << "\nSee `ramet" << verb << " --help`.\n";
  return kExitUsage;
}

// An error if what should be a verb is none; CLI11 would only call it unexpected.
Status CheckVerb(const CLI::App& app, int argc, const char* const* argv) {
  const std::string named = argc < 2 ? "" : argv[1];
  if (named.starts_with('-')) return {};
  std::string verbs;
  for (const CLI::App* verb : app.get_subcommands({})) {
    if (verb->get_name() == named) return {};
    verbs += (verbs.empty() ? "" : ", ") + verb->get_name();
  }
  return InvalidArgument(
      (named.empty() ? "a verb is missing" : "there is no verb \"" + named + "\"") +
      ". The verbs are: " + verbs + "; see `ramet --help`.");
}

int Run(int argc, const char* const* argv, const TableSource& source, const Console& console) {
  CLI::App app("Machine learning on tables", "ramet");
  const auto formatter = std::make_shared<ExampleFirst>();
  formatter->column_width(36);
  app.formatter(formatter);
  app.footer(kHelp);
  app.set_version_flag("--version", std::string("ramet ") + kVersion);
  app.require_subcommand(0, 1);  // none at all has an error of its own, below
  Session session{source, console, {}};
  AddTrain(app, session);
  AddPredict(app, session);
  AddEvaluate(app, session);
  AddInspect(app, session);
  AddDigest(app, session);
  AddDoctor(app, session);
  AddHosted(app, session);
  if (const Status known = CheckVerb(app, argc, argv); !known.ok()) {
    console.err << "ramet: " << known.error().message << "\n";
    return kExitUsage;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return ReportParse(app, error, console);
  }
  if (!session.run) {
    console.err << "ramet: a verb is missing. See `ramet --help`.\n";
    return kExitUsage;
  }
  const Status status = session.run();
  console.out.flush();
  if (!status.ok()) {
    console.err << "ramet: " << status.error().message << "\n";
    return ExitCodeOf(status.error().code);
  }
  if (!console.out) {
    console.err << "ramet: standard output could not be written (" << std::strerror(errno)
                << "). Check the disk or the program that reads it.\n";
    return kExitWorld;
  }
  return kExitDone;
}

}  // namespace

int RunCommand(int argc, const char* const* argv, const TableSource& source,
               const Console& console) {
  try {
    return Run(argc, argv, source, console);
  } catch (const std::bad_alloc&) {
    console.err << "ramet: out of memory. Use fewer columns (--features, --drop), fewer rows, or a "
                   "machine with more memory.\n";
  } catch (const std::exception& error) {
    console.err << "ramet: unexpected failure: " << error.what()
                << ". Please report it with the command line.\n";
  }
  return kExitWorld;
}

}  // namespace ramet
