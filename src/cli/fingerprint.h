// The fingerprint of a table: SHA-256 over its values in the order of rows, as training reads them.
//
//   Fingerprint fingerprint(schema);
//   for (const Chunk& chunk : chunks) fingerprint.Add(context, chunk);
//   fingerprint.Table();
//
// Invariants
//   F1. It does not depend on how the rows were cut into chunks or files, nor on the file format:
//   numbers count as
//       float64 (integers above 2^53 with all their digits), text as its UTF-8 bytes, and missing
//       as missing.
//   F2. A column counts whether it is of numbers, text or a dictionary of numbers, for these train
//   differently. Its name
//       does not count: it is not in the model's body.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ramet/base/sha256.h"
#include "ramet/parallel/context.h"
#include "ramet/table/table.h"

namespace ramet {

class Fingerprint {
 public:
  explicit Fingerprint(const Schema& schema);
  Status Add(const Context& context, const Chunk& chunk);

  size_t num_rows() const { return num_rows_; }
  // One per column. Call once, after the last chunk.
  std::vector<std::string> Columns();
  // Of the number of rows and all columns in order.
  std::string Table(const std::vector<std::string>& columns) const;

 private:
  std::vector<Sha256> columns_;
  size_t num_rows_ = 0;
};

}  // namespace ramet
