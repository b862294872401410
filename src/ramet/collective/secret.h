// Proof that a peer knows the secret of a group, without sending it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ramet {

inline constexpr size_t kProofBytes = 32;

// HMAC-SHA256 of `message` under `secret`: kProofBytes bytes.
std::string MakeProof(std::string_view secret, std::string_view message);
// Takes as long wherever they differ.
bool SameProof(std::string_view a, std::string_view b);
// Bytes that nobody can guess.
std::string RandomBytes(size_t count);

}  // namespace ramet
