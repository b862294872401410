// The functions of one hash, and not EVP's of any: so that a program that links OpenSSL statically
// gets a few kilobytes of it.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "ramet/base/sha256.h"

#include "ramet/base/result.h"

namespace ramet {

Sha256::Sha256() { RAMET_CHECK(SHA256_Init(&context_) == 1); }

void Sha256::Add(std::string_view bytes) {
  RAMET_CHECK(SHA256_Update(&context_, bytes.data(), bytes.size()) == 1);
}

std::string Sha256::Hex() {
  unsigned char hash[SHA256_DIGEST_LENGTH];
  RAMET_CHECK(SHA256_Final(hash, &context_) == 1);
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const unsigned char byte : hash) {
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
  }
  return hex;
}

}  // namespace ramet
