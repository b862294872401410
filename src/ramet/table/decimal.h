// Decimal numbers of 32 to 256 bits, exactly.
//
// Private to this folder.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "ramet/table/layout.h"

namespace ramet::table {

// sign * magnitude / 10^scale; the magnitude's words are little-endian.
struct Decimal {
  bool negative = false;
  std::array<uint64_t, 4> magnitude = {};
  int scale = 0;

  bool FitsWord() const { return (magnitude[1] | magnitude[2] | magnitude[3]) == 0; }
};

// Value i of a buffer of decimals.
Decimal LoadDecimal(const Layout& layout, const void* buffer, size_t i);

// The magnitude's decimal digits, without sign, point or leading zeros.
std::string Digits(const Decimal& decimal);

// The nearest float64, ties to even.
double ToDouble(const Decimal& decimal);

// The value, if it is an integer of 64 bits.
std::optional<int64_t> ToInteger(const Decimal& decimal);

}  // namespace ramet::table
