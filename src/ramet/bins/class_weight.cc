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

std::vector<double> Balanced(size_t num_classes, std::span<const double> labels) {
  std::vector<double> counts(num_classes, 0);
  for (double label : labels) ++counts[static_cast<size_t>(label)];
  std::vector<double> factors;
  for (double count : counts)
    factors.push_back(static_cast<double>(labels.size()) /
                      (static_cast<double>(num_classes) * count));
  return factors;
}

Result<std::vector<double>> ByName(const Json& weights, std::span<const CategoryKey> classes) {
  std::vector<double> factors(classes.size(), 1);
  size_t named = 0;
  for (size_t k = 0; k < classes.size(); ++k) {
    const auto found = weights.find(ToString(classes[k]));
    if (found == weights.end()) continue;
    ++named;
    if (!found->is_number() || !(found->get<double>() >= 0) || std::isinf(found->get<double>()))
      return InvalidArgument("class_weight of class " + ToString(classes[k]) + " is " +
                             found->dump() + ". Weights must be finite numbers, zero or more.");
    factors[k] = found->get<double>() + 0.0;
  }
  if (named < classes.size() && named < weights.size()) {
    for (const auto& [name, weight] : weights.items()) {
      const auto is_it = [&](const CategoryKey& key) { return ToString(key) == name; };
      if (std::none_of(classes.begin(), classes.end(), is_it))
        return InvalidArgument("class_weight names \"" + name +
                               "\", which is no class. The classes are: " + ListOf(classes) + ".");
    }
  }
  if (std::all_of(factors.begin(), factors.end(), [](double factor) { return factor == 0; }))
    return InvalidArgument(
        "class_weight is zero for all classes, so there is nothing to learn from.");
  return factors;
}

}  // namespace

Result<std::vector<double>> ClassFactors(const std::string& class_weight,
                                         std::span<const CategoryKey> classes,
                                         std::span<const double> labels) {
  if (class_weight == "balanced") return Balanced(classes.size(), labels);
  const Json weights = Json::parse(class_weight, nullptr, /*allow_exceptions=*/false);
  if (!weights.is_object()) return NotUnderstood(class_weight);
  return ByName(weights, classes);
}

Status MultiplyByClass(std::span<const double> factors, std::span<const double> labels,
                       std::vector<float>& weights) {
  if (weights.empty()) weights.assign(labels.size(), 1);
  bool all_one = true, any = false;
  for (size_t row = 0; row < labels.size(); ++row) {
    const double product = double{weights[row]} * factors[static_cast<size_t>(labels[row])];
    weights[row] = static_cast<float>(product);
    if (std::isinf(weights[row]))
      return DataError("row " + std::to_string(row + 1) +
                       ": its weight times its class's is beyond float32. Use smaller weights.");
    all_one &= weights[row] == 1;
    any |= weights[row] > 0;
  }
  if (!any)
    return DataError(
        "all rows weigh zero by class_weight and their own weights, so there is nothing to learn "
        "from.");
  if (all_one) weights.clear();
  return {};
}

}  // namespace ramet
