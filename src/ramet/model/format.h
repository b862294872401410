// The layout of a model file (docs/model-format.md), and the limits that a file is held to.
// Internal to this folder and its tests.
//
//   magic "RAMET\0" | u16 version | section table: (u64 size, u64 XXH3-64) of body and names | body
//   | names
//
// No byte is left out of account: sections follow each other without gaps and the file ends with
// the last.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ramet/base/result.h"
#include "ramet/model/model.h"

namespace ramet {

inline constexpr std::string_view kMagic("RAMET\0", 6);
inline constexpr uint16_t kFormatVersion = 1;
inline constexpr size_t kHeaderBytes = 40;

// Limits. Bytes that must be there bound every allocation already; these bound what an
// honest-looking giant can cost, and keep every index within the integers that hold it. Validate
// holds trained models to them too, so that whatever can be saved can be loaded. (Nodes per tree:
// kMaxNodes in model.h.)

// Refuses a stream that never ends. A hundred million nodes take 4.5 GB.
inline constexpr uint64_t kMaxFileBytes = uint64_t{1} << 34;
// A million rounds of a dozen classes; a tree index fits an int32.
inline constexpr uint32_t kMaxTrees = 1u << 24;
// Wider tables do not fit memory once binned (a byte a row); a feature index fits an int32.
inline constexpr uint32_t kMaxFeatures = 1u << 20;
// Softmax grows one tree per class and round, and keeps a score per class and row.
inline constexpr uint32_t kMaxModelClasses = 1u << 16;
// As many distinct keys as binning counts exactly.
inline constexpr uint32_t kMaxCategories = kMaxCategoriesPerColumn;
// Model parameters and lines of provenance: a few dozen exist.
inline constexpr uint32_t kMaxParameters = 10'000;
// Names, categories, parameter values: room for a long document, not for a hidden file.
inline constexpr uint32_t kMaxStringBytes = 1u << 20;

struct FileHeader {
  uint64_t body_size = 0, body_checksum = 0;
  uint64_t names_size = 0, names_checksum = 0;
  uint64_t file_size() const {
    return kHeaderBytes + body_size + names_size;
  }  // sizes are capped: no overflow
};

// Reads the header from a file's first bytes (more may follow). Errors: not a model, a newer
// format, sizes beyond the cap.
Result<FileHeader> ParseHeader(std::string_view bytes);

std::string SerializeNames(const Model& model);

// A file of these sections, with sizes and checksums that are right.
std::string AssembleFile(std::string_view body, std::string_view names);

}  // namespace ramet
