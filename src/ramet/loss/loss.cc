#include "ramet/loss/loss.h"

#include <array>
#include <charconv>
#include <string>

#include "ramet/collective/collective.h"
#include "ramet/loss/registry.h"

namespace ramet {
namespace {

std::string Shortest(double value) {
  char text[32];
  return std::string(text, std::to_chars(text, text + sizeof text, value).ptr);
}

}  // namespace

std::span<const Loss* const> AllLosses() {
  static constexpr std::array kLosses = {&kLogistic, &kSoftmax, &kSquaredError, &kAbsoluteError,
                                         &kQuantile, &kPoisson, &kGamma};
  return kLosses;
}

Result<const Loss*> FindLoss(std::string_view name) {
  std::string known;
  for (const Loss* loss : AllLosses()) {
    if (loss->name == name) return loss;
    known += (known.empty() ? "" : ", ") + std::string(loss->name);
  }
  return InvalidArgument("loss \"" + std::string(name) + "\" is not known. Use one of: " + known +
                         ".");
}

Status CheckLabels(const Context& context, const Loss& loss, const RowIds& ids,
                   std::span<const double> labels, std::span<const float> weights, LabelUse use) {
  if (loss.labels == LabelDomain::kAny) return {};
  const bool zero_allowed = loss.labels == LabelDomain::kNotNegative;
  struct Findings {
    uint64_t first_outside = UINT64_MAX;  // row id
    double its_label = 0;
    bool some_positive = false;
  } found;
  for (size_t row = 0; row < labels.size(); ++row) {
    if (!weights.empty() && weights[row] == 0) continue;
    found.some_positive |= labels[row] > 0;
    if (labels[row] > 0 || (zero_allowed && labels[row] == 0)) continue;
    found.first_outside = ids[row];
    found.its_label = labels[row];
    break;
  }
  AllReduce(context, found, [](Findings& into, const Findings& from) {
    into.some_positive |= from.some_positive;
    if (from.first_outside >= into.first_outside) return;
    into.first_outside = from.first_outside;
    into.its_label = from.its_label;
  });
  if (found.first_outside != UINT64_MAX)
    return DataError("row " + std::to_string(found.first_outside + 1) + ": the label is " +
                     Shortest(found.its_label) + ", but loss " + std::string(loss.name) +
                     " needs labels " + (zero_allowed ? "of 0 or more" : "above 0") +
                     ". Remove such rows, or use loss squared_error.");
  if (use == LabelUse::kTraining && !found.some_positive)
    return DataError("all labels are 0, but loss " + std::string(loss.name) +
                     " needs some above 0: their mean has no logarithm. Check the label's column.");
  return {};
}

}  // namespace ramet
