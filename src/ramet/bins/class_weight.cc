#include "ramet/bins/class_weight.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace ramet {
namespace {

using Json = nlohmann::json;

Error NotUnderstood(const std::string& text) {
  return InvalidArgument("class_weight=" + text +
                         " is not understood. Use balanced, or an object of weights by class, such "
                         "as {\"no\": 1, \"yes\": 2.5}.");
}

std::string ListOf(std::span<const CategoryKey> classes) {
  constexpr size_t kListed = 12;
  std::string list;
  for (size_t k = 0; k < classes.size() && k < kListed; ++k)
    list += (k == 0 ? "" : ", ") + ToString(classes[k]);
  if (classes.size() > kListed)
    list += ", and " + std::to_string(classes.size() - kListed) + " more";
  return list;
}

std::vector<double> Balanced(std::span<const uint64_t> rows) {
  double all = 0;
  for (uint64_t count : rows) all += static_cast<double>(count);
  std::vector<double> factors;
  for (uint64_t count : rows)
    factors.push_back(all / (static_cast<double>(rows.size()) * static_cast<double>(count)));
  return factors;
}

// Factors of the classes that are named, 1 for others.
struct NamedFactors {
  std::vector<double> factors;
  size_t named = 0;
};
Result<NamedFactors> FactorsByName(const Json& weights, std::span<const CategoryKey> classes) {
  NamedFactors result{std::vector<double>(classes.size(), 1), 0};
  for (size_t k = 0; k < classes.size(); ++k) {
    const auto found = weights.find(ToString(classes[k]));
    if (found == weights.end()) continue;
    ++result.named;
    if (!found->is_number() || !(found->get<double>() >= 0) || std::isinf(found->get<double>()))
      return InvalidArgument("class_weight of class " + ToString(classes[k]) + " is " +
                             found->dump() + ". Weights must be finite numbers, zero or more.");
    result.factors[k] = found->get<double>() + 0.0;
  }
  return result;
}

Result<Json> Parse(const std::string& class_weight) {
  Json weights = Json::parse(class_weight, nullptr, /*allow_exceptions=*/false);
  if (!weights.is_object()) return NotUnderstood(class_weight);
  return weights;
}

Status CheckNames(const Json& weights, std::span<const CategoryKey> classes) {
  for (const auto& [name, weight] : weights.items()) {
    const auto is_it = [&](const CategoryKey& key) { return ToString(key) == name; };
    if (std::none_of(classes.begin(), classes.end(), is_it))
      return InvalidArgument("class_weight names \"" + name +
                             "\", which is no class. The classes are: " + ListOf(classes) + ".");
  }
  return {};
}

}  // namespace

Result<std::vector<double>> ClassFactors(const std::string& class_weight,
                                         std::span<const CategoryKey> classes,
                                         std::span<const uint64_t> rows) {
  if (class_weight == "balanced") return Balanced(rows);
  RAMET_ASSIGN(const Json weights, Parse(class_weight));
  RAMET_ASSIGN(NamedFactors result, FactorsByName(weights, classes));
  if (result.named < classes.size() && result.named < weights.size())
    RAMET_RETURN_IF_ERROR(CheckNames(weights, classes));
  if (std::all_of(result.factors.begin(), result.factors.end(),
                  [](double factor) { return factor == 0; }))
    return InvalidArgument(
        "class_weight is zero for all classes, so there is nothing to learn from.");
  return std::move(result.factors);
}

Result<std::vector<bool>> ZeroFactors(const std::string& class_weight,
                                      std::span<const CategoryKey> classes) {
  std::vector<bool> zero(classes.size(), false);
  if (class_weight.empty() || class_weight == "balanced") return zero;
  RAMET_ASSIGN(const Json weights, Parse(class_weight));
  RAMET_ASSIGN(const NamedFactors result, FactorsByName(weights, classes));
  for (size_t k = 0; k < zero.size(); ++k) zero[k] = result.factors[k] == 0;
  return zero;
}

Status MultiplyByClass(std::span<const double> factors, std::span<const double> labels,
                       std::vector<float>& weights) {
  if (factors.empty()) return {};
  if (weights.empty()) weights.assign(labels.size(), 1);
  bool all_one = true;
  for (size_t row = 0; row < labels.size(); ++row) {
    const double factor = factors[static_cast<size_t>(labels[row])];
    const bool zero = weights[row] == 0 || factor == 0;
    weights[row] = static_cast<float>(double{weights[row]} * factor);
    if (std::isinf(weights[row]))
      return DataError("row " + std::to_string(row + 1) +
                       ": its weight times its class's is beyond float32. Use smaller weights.");
    // Which rows count is known before all classes' factors are.
    if (weights[row] == 0 && !zero)
      return DataError("row " + std::to_string(row + 1) +
                       ": its weight times its class's is zero in float32. Use larger weights.");
    all_one &= weights[row] == 1;
  }
  if (all_one) weights.clear();
  return {};
}

}  // namespace ramet
