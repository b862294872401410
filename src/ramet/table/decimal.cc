#include "ramet/table/decimal.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <limits>

namespace ramet::table {
namespace {

constexpr int kExactPowers = 23;  // 10^0 … 10^22 are float64 values
constexpr double kPowersOfTen[kExactPowers] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                               1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                               1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
constexpr uint64_t kExactIntegers = uint64_t{1} << 53;

// Divides by `divisor` in place; returns the remainder.
uint32_t DivideBy(std::array<uint64_t, 4>& value, uint32_t divisor) {
  uint64_t remainder = 0;
  for (size_t i = 4; i-- > 0;) {
    for (const int shift : {32, 0}) {
      const uint64_t part = remainder << 32 | (value[i] >> shift & 0xffffffff);
      const uint64_t quotient = part / divisor;
      remainder = part % divisor;
      value[i] = (value[i] & ~(uint64_t{0xffffffff} << shift)) | quotient << shift;
    }
  }
  return static_cast<uint32_t>(remainder);
}

}  // namespace

Decimal LoadDecimal(const Layout& layout, const void* buffer, size_t i) {
  Decimal decimal{.scale = layout.scale};
  std::array<uint64_t, 4>& words = decimal.magnitude;
  size_t filled = 1;
  switch (layout.storage) {
    case Storage::kDecimal32:
      words[0] = static_cast<uint64_t>(int64_t{Load<int32_t>(buffer, i)});
      break;
    case Storage::kDecimal64:
      words[0] = Load<uint64_t>(buffer, i);
      break;
    default: {
      filled = layout.storage == Storage::kDecimal128 ? 2 : 4;
      for (size_t w = 0; w < filled; ++w) words[w] = Load<uint64_t>(buffer, i * filled + w);
    }
  }
  decimal.negative = words[filled - 1] >> 63 != 0;
  if (!decimal.negative) return decimal;
  bool carry = true;  // two's complement: invert and add one
  for (size_t w = 0; w < filled; ++w) {
    words[w] = ~words[w] + carry;
    carry = carry && words[w] == 0;
  }
  return decimal;
}

std::string Digits(const Decimal& decimal) {
  std::array<uint64_t, 4> rest = decimal.magnitude;
  std::string reversed;
  while ((rest[0] | rest[1] | rest[2] | rest[3]) != 0) {
    uint32_t group = DivideBy(rest, 1'000'000'000);
    for (int digit = 0; digit < 9; ++digit, group /= 10)
      reversed += static_cast<char>('0' + group % 10);
  }
  while (!reversed.empty() && reversed.back() == '0') reversed.pop_back();
  std::reverse(reversed.begin(), reversed.end());
  return reversed.empty() ? "0" : reversed;
}

double ToDouble(const Decimal& decimal) {
  const uint64_t low = decimal.magnitude[0];
  double value;
  if (decimal.FitsWord() && low <= kExactIntegers && std::abs(decimal.scale) < kExactPowers) {
    // Both operands are exact, so the one rounding is the right one.
    const double power = kPowersOfTen[std::abs(decimal.scale)];
    value =
        decimal.scale >= 0 ? static_cast<double>(low) / power : static_cast<double>(low) * power;
  } else {
    const std::string text = Digits(decimal) + "e" + std::to_string(-decimal.scale);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc::result_out_of_range) {
      value = decimal.scale < 0 ? std::numeric_limits<double>::infinity() : 0.0;
    }
  }
  return decimal.negative ? -value + 0.0 : value;
}

std::optional<int64_t> ToInteger(const Decimal& decimal) {
  std::string digits = Digits(decimal);
  if (digits == "0") return 0;
  for (int i = 0; i < decimal.scale; ++i) {
    if (digits.empty() || digits.back() != '0') return std::nullopt;
    digits.pop_back();
  }
  for (int i = 0; i > decimal.scale && digits.size() < 20; --i) digits += '0';
  if (decimal.negative) digits.insert(digits.begin(), '-');
  int64_t value;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc()) return std::nullopt;
  return value;
}

}  // namespace ramet::table
