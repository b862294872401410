// Category keys as bytes, for files and messages.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "ramet/base/bytes.h"
#include "ramet/table/table.h"

namespace ramet {

// The least that a key takes: tag and an empty string.
inline constexpr uint64_t kMinKeyBytes = 1 + 4;

inline void PutKey(ByteWriter& out, const CategoryKey& key) {
  if (const auto* integer = std::get_if<int64_t>(&key)) {
    out.Put(uint8_t{0});
    out.Put(*integer);
  } else {
    out.Put(uint8_t{1});
    out.PutString(std::get<std::string>(key));
  }
}

inline CategoryKey GetKey(ByteReader& in, uint64_t max_string_bytes) {
  if (in.GetBool()) return in.GetString(max_string_bytes);
  return in.Get<int64_t>();
}

inline void PutKeys(ByteWriter& out, const std::vector<CategoryKey>& keys) {
  out.PutCount(keys.size());
  for (const CategoryKey& key : keys) PutKey(out, key);
}

inline std::vector<CategoryKey> GetKeys(ByteReader& in, uint64_t maximum, uint64_t max_string_bytes,
                                        const char* what) {
  std::vector<CategoryKey> keys(in.Count(maximum, kMinKeyBytes, what));
  for (CategoryKey& key : keys) key = GetKey(in, max_string_bytes);
  return keys;
}

}  // namespace ramet
