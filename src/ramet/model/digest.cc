#include "ramet/base/sha256.h"
#include "ramet/model/model.h"

namespace ramet {

std::string Sha256Hex(std::string_view bytes) {
  Sha256 sha256;
  sha256.Add(bytes);
  return sha256.Hex();
}

std::string Digest(const Model& model) { return Sha256Hex(SerializeBody(model)); }

}  // namespace ramet
