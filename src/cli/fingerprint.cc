#include "cli/fingerprint.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "ramet/parallel/parallel.h"

namespace ramet {
namespace {

constexpr size_t kRowsPerBlock = 4096;
constexpr double kExactIntegers = 9007199254740992.0;  // 2^53

void AppendBytes(const void* value, size_t size, std::string& bytes) {
  bytes.append(static_cast<const char*>(value), size);
}

// What a column is, as far as training can tell.
char Tag(const Field& field) {
  if (field.type == ValueType::kString) return 's';
  return field.dictionary ? 'd' : 'n';
}

Status AddNumbers(const ColumnView& column, size_t begin, size_t end, std::string& bytes) {
  const bool whole = column.type() == ValueType::kInt64 || column.type() == ValueType::kUInt64;
  double values[kRowsPerBlock];
  column.ReadNumbers(begin, end, values);
  for (size_t i = 0; i < end - begin; ++i) {
    if (std::isnan(values[i])) values[i] = kMissing;
    AppendBytes(&values[i], sizeof(double), bytes);
    if (!whole || !(std::fabs(values[i]) >= kExactIntegers)) continue;
    KeyView key;
    // A uint64 above 2^63 has no key; its float64 has to do, as in training.
    if (column.ReadKeys(begin + i, begin + i + 1, &key).ok())
      AppendBytes(&key.integer, sizeof key.integer, bytes);
  }
  return {};
}

Status AddStrings(const ColumnView& column, size_t begin, size_t end, std::string& bytes) {
  std::vector<KeyView> keys(end - begin);
  RAMET_RETURN_IF_ERROR(column.ReadKeys(begin, end, keys.data()));
  for (const KeyView& key : keys) {
    const bool missing = key.kind == KeyView::Kind::kMissing;
    const uint64_t length = missing ? ~uint64_t{0} : key.string.size();
    AppendBytes(&length, sizeof length, bytes);
    if (!missing) bytes += key.string;
  }
  return {};
}

}  // namespace

Fingerprint::Fingerprint(const Schema& schema) : columns_(schema.fields.size()) {
  for (size_t i = 0; i < columns_.size(); ++i) {
    const char tag = Tag(schema.fields[i]);
    columns_[i].Add(std::string_view(&tag, 1));
  }
}

Status Fingerprint::Add(const Context& context, const Chunk& chunk) {
  std::vector<Status> failures(columns_.size());
  RunOnThreads(context, [&] {
    ParallelFor(0, columns_.size(), 1, [&](size_t first, size_t last) {
      std::string bytes;
      for (size_t i = first; i < last; ++i) {
        const ColumnView column = chunk.column(i);
        for (size_t begin = 0; begin < column.length() && failures[i].ok();
             begin += kRowsPerBlock) {
          const size_t end = std::min(column.length(), begin + kRowsPerBlock);
          bytes.clear();
          failures[i] = column.type() == ValueType::kString ? AddStrings(column, begin, end, bytes)
                                                            : AddNumbers(column, begin, end, bytes);
          columns_[i].Add(bytes);
        }
      }
    });
  });
  num_rows_ += chunk.num_rows();
  for (Status& failure : failures)
    if (!failure.ok()) return failure.TakeError();
  return {};
}

std::vector<std::string> Fingerprint::Columns() {
  std::vector<std::string> digests;
  for (Sha256& column : columns_) digests.push_back(column.Hex());
  return digests;
}

std::string Fingerprint::Table(const std::vector<std::string>& columns) const {
  Sha256 all;
  const uint64_t rows = num_rows_;
  all.Add({reinterpret_cast<const char*>(&rows), sizeof rows});
  for (const std::string& digest : columns) all.Add(digest);
  return all.Hex();
}

}  // namespace ramet
