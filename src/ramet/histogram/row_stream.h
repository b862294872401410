// Private to this folder.
#pragma once

#include "ramet/base/hash.h"

namespace ramet {

// Random numbers of rows whose ids have the same upper half: local row i has the lower half
// i + low_of_first.
struct RowStream {
  RowKey key;
  uint32_t low_of_first;
};

}  // namespace ramet
