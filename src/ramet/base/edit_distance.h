// How far apart two names are: for "did you mean".
#pragma once

#include <cstddef>
#include <string_view>

namespace ramet {

// Levenshtein distance, ignoring ASCII case. O(a x b).
size_t EditDistance(std::string_view a, std::string_view b);

}  // namespace ramet
