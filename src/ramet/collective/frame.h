// How messages lie in a stream of bytes.
//
//   magic 4 | kind 1 | zero 3 | tag 8 | sequence 8 | length 8 | length bytes
//
// Numbers are little-endian. The tag is of one connection of one group, made of secrets of both
// ends, so that a frame of an older epoch, or of another connection, is not taken for one of this.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace ramet {

enum class FrameKind : uint8_t {
  kData = 1,       // a message of exchange `sequence`
  kHeartbeat = 2,  // nothing, but a sign of life
  kBye = 3,        // the last frame of one who leaves in order
  kFailed = 4,     // the last frame of one who fails: why, in text, about member `sequence`
};

struct FrameHeader {
  static constexpr uint32_t kMagic = 0x31544d52;  // RMT1
  uint32_t magic = kMagic;
  FrameKind kind = FrameKind::kHeartbeat;
  uint8_t zero[3] = {};
  uint64_t tag = 0;
  uint64_t sequence = 0;
  uint64_t length = 0;
};
static_assert(sizeof(FrameHeader) == 32 && std::endian::native == std::endian::little);

// The longest message. Longer ones are no messages of ours.
inline constexpr uint64_t kMaxMessage = uint64_t{1} << 33;
// The longest text of kFailed.
inline constexpr uint64_t kMaxNotice = 2048;

}  // namespace ramet
