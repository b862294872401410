// Refuses arrays that contradict their schema. A producer's mistake must not become a wild read.
#include <string>

#include "ramet/table/layout.h"

namespace ramet::table {
namespace {

Error Broken(const Field& field, const std::string& what) {
  return DataError("column \"" + field.name + "\": the Arrow array is malformed: " + what +
                   ". This is a fault of the program that produced it.");
}

int64_t BufferCount(Storage storage) {
  switch (storage) {
    case Storage::kNull:
      return 0;
    case Storage::kString32:
    case Storage::kString64:
      return 3;
    default:
      return 2;
  }
}

Status CheckBuffers(const Field& field, const ArrowArray& array, Storage storage) {
  const bool view = storage == Storage::kStringView;
  const int64_t expected = view ? 3 : BufferCount(storage);
  if (view ? array.n_buffers < expected : array.n_buffers != expected) {
    return Broken(field, "it has " + std::to_string(array.n_buffers) + " buffers instead of " +
                             std::to_string(expected));
  }
  if (expected == 0) return Status();
  if (array.buffers == nullptr) return Broken(field, "its list of buffers is null");
  if (array.buffers[0] == nullptr && array.null_count > 0) {
    return Broken(field, "it counts " + std::to_string(array.null_count) +
                             " nulls without a validity buffer");
  }
  if (array.length > 0 && array.buffers[1] == nullptr)
    return Broken(field, "its values are a null buffer");
  if (view && array.n_buffers > 3 && array.buffers[array.n_buffers - 1] == nullptr) {
    return Broken(field, "the sizes of its string buffers are missing");
  }
  return Status();
}

Status CheckArray(const Field& field, const ArrowArray& array, Storage storage) {
  if (array.length < 0 || array.offset < 0 || array.length > INT64_MAX / 64 ||
      array.offset > INT64_MAX / 64) {
    return Broken(field, "its length or offset is impossible");
  }
  if (array.n_children != 0) return Broken(field, "it has children");
  return CheckBuffers(field, array, storage);
}

}  // namespace

Status CheckColumn(const Field& field, const ArrowArray& array, size_t offset, size_t length) {
  const Layout values = *ParseFormat(field.format);
  if (field.dictionary != (array.dictionary != nullptr)) {
    return Broken(field, field.dictionary ? "its dictionary is missing" : "it has a dictionary");
  }
  const Layout own = field.dictionary ? *ParseFormat(field.index_format) : values;
  RAMET_RETURN_IF_ERROR(CheckArray(field, array, own.storage));
  const size_t rows = static_cast<size_t>(array.length);
  const size_t skipped =
      offset - static_cast<size_t>(array.offset);  // rows left out by the parent's offset
  if (rows < skipped || rows - skipped < length) {
    return Broken(field, "it has " + std::to_string(rows) + " rows, its table needs " +
                             std::to_string(skipped + length));
  }
  if (!field.dictionary) return Status();

  const ArrowArray& dictionary = *array.dictionary;
  RAMET_RETURN_IF_ERROR(CheckArray(field, dictionary, values.storage));
  if (dictionary.dictionary != nullptr) return Broken(field, "its dictionary has a dictionary");
  const char format = field.index_format[0];
  for (size_t i = 0; i < length; ++i) {
    const int64_t index = LoadIndex(format, array.buffers[1], offset + i);
    if (index >= 0 && index < dictionary.length) continue;
    if (!IsValid(array, own, offset + i)) continue;
    return Broken(field, "row " + std::to_string(i) + " points to entry " + std::to_string(index) +
                             " of a dictionary of " + std::to_string(dictionary.length));
  }
  return Status();
}

}  // namespace ramet::table
