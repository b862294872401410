// Arrow structures taken over, and their schemas read.
//
// Private to this folder.
#pragma once

#include "ramet/base/result.h"
#include "ramet/table/arrow_c.h"
#include "ramet/table/table.h"

namespace ramet::table {

// Releases what an importing function has taken over, unless it is handed on.
template <class T>
struct Owned {
  explicit Owned(T* from) : value(*from) { from->release = nullptr; }
  Owned() = default;
  Owned(Owned&& other) noexcept : value(other.Take()) {}
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  ~Owned() {
    if (value.release != nullptr) value.release(&value);
  }
  T Take() {
    T taken = value;
    value.release = nullptr;
    return taken;
  }
  T value = {};
};

// What a column is, from its schema; an error for types that Ramet does not read.
Result<Field> ImportField(const ArrowSchema& schema);

}  // namespace ramet::table
