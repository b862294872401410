// What tells parts and binnings apart.
//
// Private to this folder.
#pragma once

#include <array>
#include <cstdint>

#include "ramet/bins/parts.h"

namespace ramet {

uint64_t FingerprintOf(const Binning& binning);
std::array<uint64_t, 2> FingerprintOf(const Part& part);

}  // namespace ramet
