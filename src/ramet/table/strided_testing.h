// Matrices in memory with random strides, for tests: either order, either direction of rows and
// columns, junk between the values, aligned or not.
//
//   const StridedMatrix matrix(ValueType::kFloat32, std::vector<std::vector<float>>{column, …},
//   random); Table table = matrix.ToTable({"x", …});
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "ramet/table/table.h"

namespace ramet {

class StridedMatrix {
 public:
  // `columns` are of one length. `random` is a generator of uint64_t.
  template <class T, class Generator>
  StridedMatrix(ValueType type, const std::vector<std::vector<T>>& columns, Generator& random) {
    const size_t rows = columns[0].size();
    const bool row_major = random() % 2 == 0, aligned = random() % 2 == 0;
    const auto gap = [&] { return random() % 3 * (aligned ? sizeof(T) : 1 + random() % 5); };
    const size_t inner = sizeof(T) + gap();
    const size_t outer = inner * (row_major ? columns.size() : rows) + gap();
    bytes_.resize(outer * (row_major ? rows : columns.size()) + 64);
    for (uint8_t& byte : bytes_) byte = static_cast<uint8_t>(random());
    view_ = {type,
             bytes_.data() + (aligned ? 0 : random() % 8),
             rows,
             columns.size(),
             static_cast<ptrdiff_t>(row_major ? outer : inner),
             static_cast<ptrdiff_t>(row_major ? inner : outer)};
    if (random() % 2 == 0) Reverse(rows, view_.row_stride_bytes);
    if (random() % 2 == 0) Reverse(columns.size(), view_.column_stride_bytes);
    for (size_t j = 0; j < columns.size(); ++j) {
      const StridedValues values = view_.column(j);
      for (size_t i = 0; i < rows; ++i) {
        const char* place =
            static_cast<const char*>(values.data) + static_cast<ptrdiff_t>(i) * values.stride_bytes;
        std::memcpy(bytes_.data() + (place - reinterpret_cast<const char*>(bytes_.data())),
                    &columns[j][i], sizeof(T));
      }
    }
  }

  const MatrixView& view() const { return view_; }

  // The matrix's columns, with names. The matrix must outlive the table.
  Table ToTable(const std::vector<std::string>& names) const {
    std::vector<StridedColumn> columns;
    for (size_t j = 0; j < names.size(); ++j) columns.push_back({names[j], view_.column(j)});
    return *Table::FromColumns(std::move(columns), nullptr);
  }

 private:
  void Reverse(size_t count, ptrdiff_t& stride) {
    if (count == 0) return;
    view_.data = static_cast<const char*>(view_.data) + static_cast<ptrdiff_t>(count - 1) * stride;
    stride = -stride;
  }

  std::vector<uint8_t> bytes_;
  MatrixView view_;
};

}  // namespace ramet
