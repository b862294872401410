// Little-endian bytes: a writer, and a reader that a hostile file cannot lead astray.
//
//   ByteReader reader(body);
//   const uint32_t count = reader.Count(kMaxTrees, kMinTreeBytes, "trees");  // checked against the
//   bytes left
//   ...
//   RAMET_RETURN_IF_ERROR(reader.Finish());
//
// The reader's errors are sticky: after the first one every read gives zeros, so that code reads
// straight on and asks once, at the end. Nothing is allocated for a count before the bytes that it
// promises have been seen to be there.
#pragma once

#include <bit>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "ramet/base/result.h"

namespace ramet {

template <class T>
concept FixedWidth = std::integral<T> || std::same_as<T, float> || std::same_as<T, double>;

// The unsigned integer of the same width.
template <FixedWidth T>
using BitsOf =
    std::conditional_t<sizeof(T) == 8, uint64_t,
                       std::conditional_t<sizeof(T) == 4, uint32_t,
                                          std::conditional_t<sizeof(T) == 2, uint16_t, uint8_t>>>;

template <FixedWidth T>
void StoreLittleEndian(T value, char* out) {
  const auto bits = std::bit_cast<BitsOf<T>>(value);
  for (size_t i = 0; i < sizeof(T); ++i) {
    out[i] = static_cast<char>(static_cast<uint64_t>(bits) >> (8 * i));
  }
}

template <FixedWidth T>
T LoadLittleEndian(const char* in) {
  uint64_t bits = 0;
  for (size_t i = 0; i < sizeof(T); ++i) {
    bits |= static_cast<uint64_t>(static_cast<uint8_t>(in[i])) << (8 * i);
  }
  return std::bit_cast<T>(static_cast<BitsOf<T>>(bits));
}

class ByteWriter {
 public:
  // -0 is written as +0: models that compare equal have equal bytes.
  void Put(double value) { PutFixed(value + 0.0); }
  template <std::integral T>
  void Put(T value) {
    PutFixed(value);
  }
  void PutCount(size_t count) { Put(static_cast<uint32_t>(count)); }
  void PutString(std::string_view text) {
    PutCount(text.size());
    bytes_.append(text);
  }
  // Any number of them, as they are: the sign of a zero too.
  template <FixedWidth T>
  void PutArray(std::span<const T> values) {
    Put(static_cast<uint64_t>(values.size()));
    for (const T value : values) PutFixed(value);
  }
  std::string Take() { return std::move(bytes_); }

 private:
  template <FixedWidth T>
  void PutFixed(T value) {
    char buffer[sizeof(T)];
    StoreLittleEndian(value, buffer);
    bytes_.append(buffer, sizeof(T));
  }
  std::string bytes_;
};

class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : bytes_(bytes) {}

  template <std::integral T>
  requires(!std::same_as<T, bool>) T Get() { return GetFixed<T>(); }
  double GetDouble() {
    const auto value = GetFixed<double>();
    if (value == 0 && std::signbit(value)) Fail("a zero has a sign");
    return value;
  }
  bool GetBool() {
    const auto value = GetFixed<uint8_t>();
    if (value > 1) Fail("a flag is neither 0 nor 1");
    return value == 1;
  }
  // A number of things that take at least `min_bytes` each. `what` names them in errors.
  uint32_t Count(uint64_t maximum, uint64_t min_bytes, const char* what) {
    const auto count = GetFixed<uint32_t>();
    if (count > maximum) {
      Fail("it claims " + std::to_string(count) + " " + what + ", at most " +
           std::to_string(maximum) + " are allowed");
    } else if (count * min_bytes > bytes_.size() - position_) {  // below 2^32 * 2^7: no overflow
      Fail("it claims " + std::to_string(count) + " " + what + ", more than its bytes can hold");
    }
    return failed_ ? 0 : count;
  }
  std::string GetString(uint64_t max_bytes) {
    const uint32_t size = Count(max_bytes, 1, "bytes of text");
    const std::string_view text = bytes_.substr(position_, size);
    position_ += size;
    return std::string(text);
  }

  template <FixedWidth T>
  std::vector<T> GetArray() {
    const uint64_t count = GetFixed<uint64_t>();
    if (!failed_ && count > (bytes_.size() - position_) / sizeof(T))
      Fail("it claims " + std::to_string(count) + " values, more than its bytes can hold");
    std::vector<T> values(failed_ ? 0 : count);
    for (T& value : values) value = GetFixed<T>();
    return values;
  }

  bool failed() const { return failed_; }
  // For the caller's own checks. The first error is kept.
  void Fail(std::string message) {
    if (failed_) return;
    failed_ = true;
    message_ = "at byte " + std::to_string(position_) + ": " + std::move(message);
  }
  // The first error, or an error if bytes are left.
  Status Finish() {
    if (!failed_ && position_ != bytes_.size()) {
      Fail(std::to_string(bytes_.size() - position_) + " bytes are left over");
    }
    return failed_ ? Status(DataError(message_)) : Status();
  }

 private:
  template <FixedWidth T>
  T GetFixed() {
    if (!failed_ && sizeof(T) > bytes_.size() - position_) Fail("it ends too early");
    if (failed_) return T{};
    const T value = LoadLittleEndian<T>(bytes_.data() + position_);
    position_ += sizeof(T);
    return value;
  }

  std::string_view bytes_;
  size_t position_ = 0;
  bool failed_ = false;
  std::string message_;
};

}  // namespace ramet
