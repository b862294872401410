// What Table::FromColumns was given.
//
// Private to this folder.
#pragma once

#include <memory>
#include <vector>

#include "ramet/table/owned.h"
#include "ramet/table/table.h"

namespace ramet {

struct MemoryColumns {
  std::vector<StridedValues> strided;
  std::vector<table::Owned<ArrowArray>> arrow;  // columns after the strided ones
  std::shared_ptr<const void> owner;
};

}  // namespace ramet
