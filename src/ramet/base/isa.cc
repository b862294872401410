#include "ramet/base/isa.h"

#include <hwy/highway.h>

#include <array>
#include <cstdlib>
#include <utility>

namespace ramet {
namespace {

struct IsaEntry {
  Isa isa;
  std::string_view name;
  int64_t highway_target;
};

constexpr int64_t kHighwayScalar = (HWY_TARGETS & HWY_EMU128) ? HWY_EMU128 : HWY_SCALAR;
constexpr std::array<IsaEntry, 5> kIsas = {{{Isa::kScalar, "scalar", kHighwayScalar},
                                            {Isa::kSse4, "sse4", HWY_SSE4},
                                            {Isa::kAvx2, "avx2", HWY_AVX2},
                                            {Isa::kAvx512, "avx512", HWY_AVX3},
                                            {Isa::kNeon, "neon", HWY_NEON}}};

const IsaEntry& EntryOf(Isa isa) {
  for (const IsaEntry& entry : kIsas)
    if (entry.isa == isa) return entry;
  CheckFailed("known instruction set", __FILE__, __LINE__);
}

std::string SupportedNames() {
  std::string names;
  for (Isa isa : SupportedIsas()) names += (names.empty() ? "" : ", ") + std::string(IsaName(isa));
  return names;
}

}  // namespace

std::string_view IsaName(Isa isa) { return EntryOf(isa).name; }

Result<Isa> ParseIsa(std::string_view name) {
  for (const IsaEntry& entry : kIsas)
    if (entry.name == name) return entry.isa;
  return InvalidArgument("instruction set \"" + std::string(name) +
                         "\" is not known. Use one of: " + SupportedNames() + ".");
}

std::vector<Isa> SupportedIsas() {
  const int64_t runs_here = hwy::SupportedTargets() | kHighwayScalar;
  std::vector<Isa> isas;
  for (const IsaEntry& entry : kIsas)
    if ((HWY_TARGETS & entry.highway_target) && (runs_here & entry.highway_target))
      isas.push_back(entry.isa);
  return isas;
}

Result<Isa> ChooseIsa() {
  const char* forced = std::getenv("RAMET_ISA");
  if (forced == nullptr || *forced == '\0') return SupportedIsas().back();
  const Result<Isa> isa = ParseIsa(forced);
  if (!isa.ok())
    return InvalidArgument("RAMET_ISA=" + std::string(forced) + ": " + isa.error().message);
  for (Isa supported : SupportedIsas())
    if (supported == *isa) return supported;
  return InvalidArgument(
      "RAMET_ISA=" + std::string(forced) +
      ": this processor or build does not have it. Use one of: " + SupportedNames() + ".");
}

size_t HighwayTableIndex(Isa isa) {
  hwy::ChosenTarget target;
  target.Update(EntryOf(isa).highway_target);
  return target.GetIndex();
}

}  // namespace ramet
