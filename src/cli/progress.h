// Progress of a run, for whoever watches: one moving bar on a terminal, plain lines now and then in
// a log.
//
//   Progress progress(console, quiet);
//   progress.Stage("reading 3 files");
//   progress.Round(report);     // from TrainOptions::on_round
//   progress.Warn("…");
//
// A log gets the first round, the last one, and between them a line after 1, 2, 4, … 60 seconds and
// then every minute.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "cli/command.h"
#include "ramet/boost/boost.h"

namespace ramet {

class Progress {
 public:
  Progress(const Console& console, bool quiet) : console_(console), quiet_(quiet) {}
  ~Progress() { EndLine(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // What begins now. On a terminal it is shown until the next thing; a log gets a line.
  void Stage(std::string_view what);
  void Round(const RoundReport& report);
  // Warnings show even when quiet.
  void Warn(std::string_view message);
  // Leaves the bar, if one stands, as it is and goes to a new line.
  void EndLine();

 private:
  void ShowOnLine(std::string_view text);

  const Console& console_;
  bool quiet_;
  bool line_open_ = false;
  std::optional<size_t> rounds_before_;
  double next_log_seconds_ = 0;
  double log_interval_ = 1;
  std::chrono::steady_clock::time_point last_shown_{};
};

// "round 37/100  validation auc 0.769412  1.2 s, 2.1 s left"; `before`: rounds that an initial
// model brought.
std::string DescribeRound(const RoundReport& report, size_t before);
// "[#######-------------]", `width` characters between the brackets.
std::string Bar(size_t done, size_t total, size_t width);

}  // namespace ramet
