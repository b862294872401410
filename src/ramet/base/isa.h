// Instruction sets: which ones this processor has, and which one is used.
//
// Every kernel is written once (Google Highway) and compiled for each of these. They give the same
// bits; only time differs. `RAMET_ISA` (scalar, sse4, avx2, avx512, neon) forces one, for tests and
// for diagnosis.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "ramet/base/result.h"

namespace ramet {

enum class Isa { kScalar, kSse4, kAvx2, kAvx512, kNeon };

std::string_view IsaName(Isa isa);
Result<Isa> ParseIsa(std::string_view name);

// The instruction sets that this build has and this processor runs, slowest first; never empty.
std::vector<Isa> SupportedIsas();

// The fastest supported one, or the one that RAMET_ISA names; an error if that one cannot run here.
Result<Isa> ChooseIsa();

// Position of an instruction set in the tables that HWY_EXPORT makes (see dispatch.h).
size_t HighwayTableIndex(Isa isa);

}  // namespace ramet
