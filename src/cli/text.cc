#include "cli/text.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace ramet {
namespace {

template <class... Args>
std::string Format(const char* format, Args... args) {
  char buffer[128];
  const int length = std::snprintf(buffer, sizeof buffer, format, args...);
  return std::string(buffer, static_cast<size_t>(std::clamp(length, 0, 127)));
}

// Code points, not bytes: what a terminal shows.
size_t Width(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

std::string Thousands(uint64_t number) {
  std::string digits = std::to_string(number);
  for (size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, ",");
  return digits;
}

std::string Count(uint64_t number, std::string_view noun) {
  return Thousands(number) + " " + std::string(noun) + (number == 1 ? "" : "s");
}

std::string Duration(double seconds) {
  if (!(seconds >= 0)) seconds = 0;
  if (seconds < 10) return Format("%.2f s", seconds);
  if (seconds < 59.95) return Format("%.1f s", seconds);
  const auto whole = static_cast<uint64_t>(std::llround(seconds));
  if (whole < 3600) return Format("%u min %02u s", unsigned(whole / 60), unsigned(whole % 60));
  return Format("%llu h %02u min", static_cast<unsigned long long>(whole / 3600),
                unsigned(whole % 3600 / 60));
}

std::string Bytes(double bytes) {
  if (bytes < 1e9) return Format("%.0f MB", bytes / 1e6);
  return Format("%.2f GB", bytes / 1e9);
}

std::string Significant(double value, int digits) { return Format("%.*g", digits, value); }

std::string Shortest(double value) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  return std::string(buffer, end);
}

std::string Join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string joined;
  for (const std::string& part : parts) {
    if (!joined.empty()) joined += separator;
    joined += part;
  }
  return joined;
}

std::string AlignedTable(const std::vector<std::vector<std::string>>& rows,
                         const std::vector<size_t>& right) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Width(row[i]));
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - Width(row[i]), ' ');
      const bool to_right = std::find(right.begin(), right.end(), i) != right.end();
      line += (i == 0 ? "" : "  ") + (to_right ? padding + row[i] : row[i] + padding);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

}  // namespace ramet
