// SHA-256 in pieces.
//
//   Sha256 sha256;  sha256.Add("some ");  sha256.Add("bytes");  sha256.Hex();
#pragma once

#include <openssl/sha.h>

#include <string>
#include <string_view>

namespace ramet {

class Sha256 {
 public:
  Sha256();
  void Add(std::string_view bytes);
  // 64 hexadecimal digits; nothing may be added after.
  std::string Hex();

 private:
  SHA256_CTX context_;
};

}  // namespace ramet
