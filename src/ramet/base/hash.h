// Counter-based randomness (design rule 2): every random decision is a hash of what it is about.
//
//   uint64_t key = StreamKey(seed, Purpose::kRowSample, iteration);
//   bool chosen = CounterHash(key, row_id) < threshold;
//
// No state, no order: any thread or worker draws the same number for the same row. The mixer is
// SplitMix64's finaliser (Steele, Lea, Flood 2014); the 32-bit one is the two-round
// multiply-xorshift of Wellons' hash prospector ("lowbias32"), chosen because every vector unit
// multiplies 32-bit lanes.
#pragma once

#include <cstdint>

namespace ramet {

enum class Purpose : uint64_t {
  kBinSample = 1,
  kRowSample = 2,
  kFeatureSample = 3,
  kRounding = 4,
  kValidation = 5,
  kTrainingMetrics = 6,
};

constexpr uint64_t Mix64(uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ull;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebull;
  x ^= x >> 31;
  return x;
}

constexpr uint32_t Mix32(uint32_t x) {
  x ^= x >> 16;
  x *= 0x21f0aaadu;
  x ^= x >> 15;
  x *= 0xd35a2d97u;
  x ^= x >> 15;
  return x;
}

// The key of one stream of random numbers; `a` and `b` are what the stream is about besides its
// counter (iteration, class, node path).
constexpr uint64_t StreamKey(uint64_t seed, Purpose purpose, uint64_t a = 0, uint64_t b = 0) {
  uint64_t key = Mix64(seed + 0x9e3779b97f4a7c15ull);
  key = Mix64(key ^ (static_cast<uint64_t>(purpose) * 0xd6e8feb86659fd93ull));
  key = Mix64(key + a * 0x9e3779b97f4a7c15ull + 1);
  return Mix64(key + b * 0xc2b2ae3d27d4eb4full + 2);
}

constexpr uint64_t CounterHash(uint64_t key, uint64_t counter) {
  return Mix64(Mix64(counter * 0x9e3779b97f4a7c15ull + key) ^ key);
}

// 32 random bits for a row: what the rounding kernel computes in vector lanes. Rows beyond 2^32
// change the key, not the lanes.
struct RowKey {
  uint32_t a;
  uint32_t b;
};
constexpr RowKey RowKeyOf(uint64_t key, uint32_t row_high) {
  const uint64_t mixed = row_high == 0 ? key : Mix64(key + row_high);
  return {static_cast<uint32_t>(mixed), static_cast<uint32_t>(mixed >> 32)};
}
constexpr uint32_t RowHash32(RowKey key, uint32_t row_low) {
  return Mix32(Mix32(row_low ^ key.a) + key.b);
}

}  // namespace ramet
