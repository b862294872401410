#include "ramet/loss/loss.h"

#include <array>
#include <string>

#include "ramet/loss/registry.h"

namespace ramet {

std::span<const Loss* const> AllLosses() {
  static constexpr std::array<const Loss*, 3> kLosses = {&kLogistic, &kSoftmax, &kSquaredError};
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

}  // namespace ramet
