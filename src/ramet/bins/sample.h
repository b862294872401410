// Which rows the bin edges are taken from: the k rows with the smallest hashed ids (B1).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ramet/parallel/context.h"

namespace ramet {

// Ascending ids of the min(k, rows) rows of non-zero weight whose hash is smallest (ties by id).
// `weights` has an entry a row or is empty. O(rows) time; memory for about k rows.
// Where the context is cancelled, any rows.
std::vector<uint64_t> SampleRows(const Context& context, size_t num_rows,
                                 std::span<const float> weights, uint64_t k, uint64_t seed);

}  // namespace ramet
