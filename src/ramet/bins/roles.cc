#include "ramet/bins/roles.h"

#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace ramet {
namespace {

using ColumnsByName = std::unordered_map<std::string_view, size_t>;

Result<size_t> FindColumn(const Schema& schema, const ColumnsByName& by_name,
                          const std::string& name) {
  const auto found = by_name.find(name);
  return found != by_name.end() ? Result<size_t>(found->second) : schema.Require(name);
}

Result<std::vector<size_t>> FeatureColumns(const Schema& schema, const ColumnsByName& by_name,
                                           const DataSpec& spec, const Roles& roles) {
  std::vector<size_t> features;
  if (spec.features.empty()) {
    for (size_t i = 0; i < schema.fields.size(); ++i)
      if (i != roles.label && roles.weight != i) features.push_back(i);
  }
  std::unordered_set<size_t> seen;
  for (const std::string& name : spec.features) {
    RAMET_ASSIGN(const size_t column, FindColumn(schema, by_name, name));
    if (!seen.insert(column).second)
      return InvalidArgument(Quoted(name) + " is listed twice among the features.");
    if (column == roles.label)
      return InvalidArgument(
          Quoted(name) + " is the label and cannot be a feature too. Remove it from one of them.");
    if (roles.weight == column)
      return InvalidArgument(
          Quoted(name) + " is the weight and cannot be a feature too. Remove it from one of them.");
    features.push_back(column);
  }
  if (features.empty())
    return InvalidArgument("no features are left to train on. Drop fewer columns.");
  if (features.size() > kMaxTrainingFeatures)
    return DataError("the table has " + std::to_string(features.size()) + " features; at most " +
                     std::to_string(kMaxTrainingFeatures) + " can be trained on. Drop some.");
  return features;
}

}  // namespace

Result<Roles> FindRoles(const Schema& schema, const DataSpec& spec) {
  ColumnsByName by_name;  // the first of equal names
  for (size_t i = 0; i < schema.fields.size(); ++i) by_name.emplace(schema.fields[i].name, i);
  Roles roles;
  RAMET_ASSIGN(roles.label, schema.Require(spec.label));
  if (!spec.weight.empty()) {
    RAMET_ASSIGN(roles.weight, schema.Require(spec.weight));
    if (*roles.weight == roles.label)
      return InvalidArgument(Quoted(spec.label) + " is both label and weight.");
    if (!IsNumeric(schema.fields[*roles.weight].type))
      return DataError(Quoted(spec.weight) + " holds strings; weights are numbers.");
  }
  RAMET_ASSIGN(roles.features, FeatureColumns(schema, by_name, spec, roles));
  std::vector<bool> is_feature(schema.fields.size(), false);
  for (size_t column : roles.features) is_feature[column] = true;
  for (const auto* names : {&spec.categorical, &spec.numeric}) {
    for (const std::string& name : *names) {
      RAMET_ASSIGN(const size_t column, FindColumn(schema, by_name, name));
      if (!is_feature[column])
        return InvalidArgument(Quoted(name) +
                               " is declared categorical or numeric, but is not a feature.");
    }
  }
  const std::unordered_set<std::string_view> categorical(spec.categorical.begin(),
                                                         spec.categorical.end());
  const std::unordered_set<std::string_view> numeric(spec.numeric.begin(), spec.numeric.end());
  for (size_t column : roles.features) {
    const Field& field = schema.fields[column];
    const bool as_numbers = numeric.contains(field.name);
    const bool as_categories = categorical.contains(field.name) ||
                               ((field.dictionary || !IsNumeric(field.type)) && !as_numbers);
    if (as_categories && as_numbers)
      return InvalidArgument(Quoted(field.name) + " is declared both categorical and numeric.");
    roles.kinds.push_back(as_categories ? FeatureKind::kCategorical : FeatureKind::kNumeric);
  }
  return roles;
}

}  // namespace ramet
