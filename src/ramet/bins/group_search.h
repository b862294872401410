// Placing values among up to 255 thresholds in two steps of 16: the vector kernels under
// NumericEncoder.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ramet/base/isa.h"

namespace ramet {

inline constexpr size_t kThresholdsPerGroup = 16;

// out[i] = 0 for NaN, else 1 + number of thresholds below values[i]. `thresholds` are 16 groups of
// 16, padded with +infinity; `last_of_group` holds each group's last. False, and nothing done,
// where vectors are too short for this to pay.
bool EncodeByGroups(Isa isa, const double* last_of_group, const double* thresholds,
                    const double* values, size_t count, uint8_t* out);
bool EncodeByGroups(Isa isa, const float* last_of_group, const float* thresholds,
                    const float* values, size_t count, uint8_t* out);

}  // namespace ramet
