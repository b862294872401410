#include "ramet/boost/constraints.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "ramet/base/edit_distance.h"

namespace ramet {
namespace {

using Json = nlohmann::json;
using Groups = std::vector<std::vector<uint32_t>>;

std::string_view Trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") + 1 - begin);
}

std::string Quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

// The features that a constraint may speak of, and the parameter that errors name.
struct Features {
  std::string parameter;
  std::span<const std::string> names;

  Error Refused(const std::string& why) const { return InvalidArgument(parameter + ": " + why); }

  Result<uint32_t> ByName(std::string_view name) const {
    size_t nearest = 0;
    for (size_t f = 0; f < names.size(); ++f) {
      if (names[f] == name) return static_cast<uint32_t>(f);
      if (EditDistance(names[f], name) < EditDistance(names[nearest], name)) nearest = f;
    }
    return Refused("there is no feature " + Quoted(name) +
                   (names.empty() ? "." : ". Did you mean " + Quoted(names[nearest]) + "?"));
  }

  Result<uint32_t> ByPosition(int64_t position) const {
    if (position >= 0 && position < static_cast<int64_t>(names.size()))
      return static_cast<uint32_t>(position);
    return Refused("there is no feature " + std::to_string(position) +
                   ". Use a position from 0 to " + std::to_string(names.size() - 1) +
                   ", or a name.");
  }

  // A whole number is a position, all else a name.
  Result<uint32_t> ByText(std::string_view text) const {
    int64_t position = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), position);
    const bool is_number = error != std::errc::invalid_argument && end == text.data() + text.size();
    if (!is_number) return ByName(text);
    return ByPosition(error == std::errc() ? position : -1);
  }
};

constexpr std::string_view kDirections =
    "Use 1 (predictions rise with it), -1 (they fall) or 0 (free).";

Status SetDirection(const Features& features, uint32_t feature, std::optional<int> direction,
                    const std::string& given, std::vector<std::optional<int>>& directions) {
  if (!direction || *direction < -1 || *direction > 1)
    return features.Refused("the direction of " + Quoted(features.names[feature]) + " is " + given +
                            ". " + std::string(kDirections));
  if (directions[feature])
    return features.Refused("feature " + Quoted(features.names[feature]) +
                            " is given two directions. Give one.");
  directions[feature] = direction;
  return {};
}

Status ReadDirections(const Features& features, std::string_view text,
                      std::vector<std::optional<int>>& directions) {
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    const std::string_view item = Trimmed(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
    const size_t colon = item.rfind(':');
    if (colon == std::string_view::npos)
      return features.Refused(Quoted(item) +
                              " has no direction. Write feature:1 or feature:-1, commas between "
                              "several, or {\"feature\": 1} for a name with a comma.");
    std::string_view value = Trimmed(item.substr(colon + 1));
    RAMET_ASSIGN(const uint32_t feature, features.ByText(Trimmed(item.substr(0, colon))));
    const std::string given = Quoted(value);
    if (value.starts_with("+")) value.remove_prefix(1);
    const std::optional<int> direction = value == "1"    ? std::optional(1)
                                         : value == "-1" ? std::optional(-1)
                                         : value == "0"  ? std::optional(0)
                                                         : std::nullopt;
    RAMET_RETURN_IF_ERROR(SetDirection(features, feature, direction, given, directions));
  }
  return {};
}

Status ReadJsonDirections(const Features& features, std::string_view text,
                          std::vector<std::optional<int>>& directions) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object())
    return features.Refused(std::string(text) +
                            " is not JSON. Write {\"feature\": 1, \"other\": -1}.");
  for (const auto& [name, value] : json.items()) {
    RAMET_ASSIGN(const uint32_t feature, features.ByName(name));
    std::optional<int> direction;
    for (const int known : {-1, 0, 1})
      if (value.is_number() && value == known) direction = known;
    RAMET_RETURN_IF_ERROR(SetDirection(features, feature, direction, value.dump(), directions));
  }
  return {};
}

Status ParseMonotonic(const Features& features, std::string_view text,
                      std::span<const FeatureKind> kinds, Constraints& constraints) {
  std::vector<std::optional<int>> directions(features.names.size());
  RAMET_RETURN_IF_ERROR(text.starts_with("{") ? ReadJsonDirections(features, text, directions)
                                              : ReadDirections(features, text, directions));
  std::vector<int8_t> monotonic(directions.size(), 0);
  for (size_t f = 0; f < directions.size(); ++f) {
    const int direction = directions[f].value_or(0);
    if (direction == 0) continue;
    if (kinds[f] == FeatureKind::kCategorical)
      return features.Refused("feature " + Quoted(features.names[f]) +
                              " is categorical. Categorical features cannot have monotonic "
                              "constraints: leave it out, or read it as numeric.");
    monotonic[f] = static_cast<int8_t>(direction);
    if (!constraints.monotonic_text.empty()) constraints.monotonic_text += ",";
    constraints.monotonic_text += std::to_string(f) + ":" + std::to_string(direction);
  }
  if (!constraints.monotonic_text.empty()) constraints.monotonic = std::move(monotonic);
  return {};
}

Result<Groups> ReadGroups(const Features& features, std::string_view text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  const std::string example =
      "Give pairwise, no_interactions, or groups of positions or names: "
      "[[0,1],[\"age\",\"dose\"]].";
  if (!json.is_array()) return features.Refused(std::string(text) + " is not known. " + example);
  Groups groups;
  for (const Json& members : json) {
    if (!members.is_array())
      return features.Refused(members.dump() + " is not a group. " + example);
    if (members.empty())
      return features.Refused("group " + std::to_string(groups.size() + 1) +
                              " is empty. Leave it out: features that no group lists may meet each "
                              "other.");
    std::vector<uint32_t> group;
    for (const Json& member : members) {
      if (member.is_string()) {
        RAMET_ASSIGN(const uint32_t feature, features.ByName(member.get<std::string>()));
        group.push_back(feature);
      } else if (member.is_number_integer()) {
        const bool fits = !member.is_number_unsigned() || member.get<uint64_t>() <= INT64_MAX;
        RAMET_ASSIGN(const uint32_t feature,
                     features.ByPosition(fits ? member.get<int64_t>() : INT64_MAX));
        group.push_back(feature);
      } else {
        return features.Refused(member.dump() + " is neither a position nor a name. " + example);
      }
    }
    std::sort(group.begin(), group.end());
    group.erase(std::unique(group.begin(), group.end()), group.end());
    groups.push_back(std::move(group));
  }
  return groups;
}

// Adds the group of features that no other lists; sorts; drops repeats. A group of all features
// forbids nothing, so that there are none.
Groups Completed(Groups groups, size_t num_features) {
  std::vector<bool> listed(num_features, false);
  for (const auto& group : groups)
    for (const uint32_t feature : group) listed[feature] = true;
  std::vector<uint32_t> rest;
  for (uint32_t f = 0; f < num_features; ++f)
    if (!listed[f]) rest.push_back(f);
  if (!rest.empty()) groups.push_back(std::move(rest));
  std::sort(groups.begin(), groups.end());
  groups.erase(std::unique(groups.begin(), groups.end()), groups.end());
  const bool one_holds_all = std::any_of(groups.begin(), groups.end(), [&](const auto& group) {
    return group.size() == num_features;
  });
  return one_holds_all ? Groups() : groups;
}

Status ParseInteractions(const Features& features, std::string_view text,
                         Constraints& constraints) {
  const size_t most = text == "no_interactions" ? 1 : text == "pairwise" ? 2 : 0;
  if (most != 0) {
    if (most >= features.names.size()) return {};
    constraints.interactions.max_path_features = most;
    constraints.interaction_text = text;
    return {};
  }
  RAMET_ASSIGN(Groups groups, ReadGroups(features, text));
  constraints.interactions.groups = Completed(std::move(groups), features.names.size());
  if (!constraints.interactions.none())
    constraints.interaction_text = Json(constraints.interactions.groups).dump();
  return {};
}

}  // namespace

Result<Constraints> ParseConstraints(std::string_view monotonic_cst,
                                     std::string_view interaction_cst,
                                     std::span<const std::string> feature_names,
                                     std::span<const FeatureKind> kinds) {
  RAMET_CHECK(feature_names.size() == kinds.size());
  Constraints constraints;
  const std::string_view monotonic = Trimmed(monotonic_cst);
  if (!monotonic.empty())
    RAMET_RETURN_IF_ERROR(
        ParseMonotonic({"monotonic_cst", feature_names}, monotonic, kinds, constraints));
  const std::string_view interactions = Trimmed(interaction_cst);
  if (!interactions.empty())
    RAMET_RETURN_IF_ERROR(
        ParseInteractions({"interaction_cst", feature_names}, interactions, constraints));
  return constraints;
}

Status CheckOutputs(const Constraints& constraints, size_t num_outputs) {
  if (constraints.monotonic.empty() || num_outputs == 1) return {};
  return InvalidArgument(
      "monotonic_cst: monotonic constraints are not supported for multiclass classification: the "
      "label has " +
      std::to_string(num_outputs) + " classes. Leave it out, or train on two classes.");
}

}  // namespace ramet
