// The executable: the command with files as its table source, and signals.

#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <atomic>
#include <iostream>

#include "cli/command.h"
#include "reader/reader.h"

namespace {

// A signal handler can reach nothing else: the one global of the program.
std::atomic<bool> cancelled{false};

void OnSignal(int) { cancelled.store(true, std::memory_order_relaxed); }

// The first Ctrl-C (or SIGTERM) asks the run to stop, the second one kills it.
void StopOnSignals() {
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  action.sa_flags = SA_RESETHAND | SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  // A file beyond the process's limit is then an error of write(), with a message, and not a death.
  signal(SIGXFSZ, SIG_IGN);
}

int TerminalColumns() {
  winsize size = {};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

int main(int argc, char** argv) {
  StopOnSignals();
  std::ios::sync_with_stdio(false);
  const ramet::TableSource source{ramet::ListFiles, ramet::OpenFiles, ramet::ReaderLibraries()};
  const ramet::Console console{std::cout, std::cerr, isatty(STDERR_FILENO) == 1, TerminalColumns(),
                               &cancelled};
  return ramet::RunCommand(argc, argv, source, console);
}
