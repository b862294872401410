#include "cli/progress.h"

#include <algorithm>

#include "cli/text.h"

namespace ramet {
namespace {

constexpr auto kRefresh = std::chrono::milliseconds(100);
constexpr double kLongestLogInterval = 60;

}  // namespace

std::string Bar(size_t done, size_t total, size_t width) {
  const size_t filled = total == 0 ? 0 : std::min(done, total) * width / total;
  return "[" + std::string(filled, '#') + std::string(width - filled, '-') + "]";
}

std::string DescribeRound(const RoundReport& report, size_t before) {
  std::string text = "round " + Thousands(report.round) + "/" + Thousands(report.rounds);
  if (report.validates)
    text += "  " + report.curves[0].set + " " + report.curves[0].metric + " " +
            Significant(report.curves[0].values.back());
  text += "  " + Duration(report.seconds);
  if (report.round > before && report.round < report.rounds)
    text += ", " +
            Duration(report.seconds / static_cast<double>(report.round - before) *
                     static_cast<double>(report.rounds - report.round)) +
            " left";
  return text;
}

void Progress::ShowOnLine(std::string_view text) {
  console_.err << "\r\033[K" << text << std::flush;
  line_open_ = true;
}

void Progress::EndLine() {
  if (line_open_) console_.err << std::endl;
  line_open_ = false;
}

void Progress::Stage(std::string_view what) {
  if (quiet_) return;
  if (console_.err_is_terminal) {
    ShowOnLine(what);
  } else {
    console_.err << what << std::endl;
  }
}

void Progress::Warn(std::string_view message) {
  if (line_open_) console_.err << "\r\033[K";
  line_open_ = false;
  console_.err << "ramet: warning: " << message << std::endl;
}

void Progress::Round(const RoundReport& report) {
  if (quiet_) return;
  if (!rounds_before_) rounds_before_ = report.round - 1;
  const bool last = report.round >= report.rounds;
  if (console_.err_is_terminal) {
    const auto now = std::chrono::steady_clock::now();
    if (!last && now - last_shown_ < kRefresh) return;
    last_shown_ = now;
    const std::string description = DescribeRound(report, *rounds_before_);
    const int room = console_.columns - static_cast<int>(description.size()) - 4;
    if (room < 10) return ShowOnLine(description.substr(0, static_cast<size_t>(console_.columns)));
    const auto width = static_cast<size_t>(std::min(room, 40));
    return ShowOnLine(Bar(report.round, report.rounds, width) + " " + description);
  }
  if (!last && report.seconds < next_log_seconds_) return;
  console_.err << DescribeRound(report, *rounds_before_) << std::endl;
  next_log_seconds_ = report.seconds + log_interval_;
  log_interval_ = std::min(log_interval_ * 2, kLongestLogInterval);
}

}  // namespace ramet
