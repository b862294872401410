// Files of model parameters: a JSON object, or lines `name = value`.
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "cli/options.h"

namespace ramet {
namespace {

using Parameters = std::vector<std::pair<std::string, std::string>>;

std::string Trimmed(const std::string& text) {
  const char* blank = " \t\r";
  const size_t begin = text.find_first_not_of(blank);
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(blank) - begin + 1);
}

// The value of one line: what stands in quotes, or the text up to a comment. False if a quote is
// not closed.
bool ParseValue(const std::string& text, std::string& value) {
  if (!text.empty() && (text[0] == '"' || text[0] == '\'')) {
    const size_t end = text.find(text[0], 1);
    if (end == std::string::npos) return false;
    value = text.substr(1, end - 1);
    const std::string rest = Trimmed(text.substr(end + 1));
    return rest.empty() || rest[0] == '#';
  }
  value = Trimmed(text.substr(0, text.find('#')));
  return !value.empty();
}

Result<Parameters> ParseLines(const std::string& text, const std::string& path) {
  Parameters parameters;
  std::istringstream lines(text);
  size_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    line = Trimmed(line);
    if (line.empty() || line[0] == '#') continue;
    const size_t equals = line.find('=');
    const std::string name = Trimmed(line.substr(0, equals));
    std::string value;
    if (equals == std::string::npos || name.empty() ||
        !ParseValue(Trimmed(line.substr(equals + 1)), value))
      return InvalidArgument(path + ": line " + std::to_string(number) + ": \"" + line +
                             "\" is not of the form `name = value`. Write, for example, "
                             "learning_rate = 0.1.");
    parameters.emplace_back(name, value);
  }
  return parameters;
}

Result<Parameters> ParseJson(const std::string& text, const std::string& path) {
  nlohmann::json json;
  try {
    json = nlohmann::json::parse(text);
  } catch (const nlohmann::json::exception& error) {
    return InvalidArgument(path + ": not valid JSON (" + error.what() +
                           "). Correct it, or write lines `name = value`.");
  }
  if (!json.is_object())
    return InvalidArgument(path + ": not a JSON object. Write {\"learning_rate\": 0.1, …}.");
  Parameters parameters;
  for (const auto& [name, value] : json.items()) {
    // Class weights and constraints are JSON themselves.
    const bool structured = name.ends_with("_weight") || name.ends_with("_cst");
    if (value.is_null() || (value.is_structured() && !structured))
      return InvalidArgument(path + ": \"" + name +
                             "\" is not a number, text or true/false. Give one value each.");
    parameters.emplace_back(name, value.is_string() ? value.get<std::string>() : value.dump());
  }
  return parameters;
}

}  // namespace

Result<std::string> ReadWholeFile(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  std::string bytes;
  if (file != nullptr) {
    char block[1 << 16];
    for (size_t got; (got = std::fread(block, 1, sizeof block, file)) > 0;)
      bytes.append(block, got);
  }
  const int reason = file == nullptr || std::ferror(file) ? errno : 0;
  if (file != nullptr) std::fclose(file);
  if (reason != 0)
    return IoError(path + ": cannot be read (" + std::strerror(reason) +
                   "). Check the name and its permissions.");
  return bytes;
}

Result<Parameters> ParseParameters(const std::string& text, const std::string& path) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  const bool json = first != std::string::npos && (text[first] == '{' || text[first] == '[');
  RAMET_ASSIGN(Parameters parameters, json ? ParseJson(text, path) : ParseLines(text, path));
  std::set<std::string> seen;
  for (auto& [name, value] : parameters) {
    std::replace(name.begin(), name.end(), '-', '_');
    if (!seen.insert(name).second)
      return InvalidArgument(path + ": \"" + name + "\" stands twice. Keep one.");
  }
  return parameters;
}

}  // namespace ramet
