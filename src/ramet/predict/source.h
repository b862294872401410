// Where rows to predict come from: a table's columns, or a matrix's.
//
// Private to this folder.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ramet/table/table.h"

namespace ramet {

// A view: table, matrix and names must outlive it.
class RowSource {
 public:
  // `columns[f]`: position of the model's feature f in the table.
  RowSource(const Table& table, std::vector<size_t> columns)
      : table_(&table), columns_(std::move(columns)) {}
  RowSource(const MatrixView& matrix, std::span<const std::string> names)
      : matrix_(matrix), names_(names) {}

  size_t num_rows() const { return table_ != nullptr ? table_->num_rows() : matrix_.rows; }
  size_t num_chunks() const { return table_ != nullptr ? table_->num_chunks() : 1; }
  size_t chunk_begin(size_t c) const { return table_ != nullptr ? table_->chunk_begin(c) : 0; }
  size_t chunk_rows(size_t c) const {
    return table_ != nullptr ? table_->chunk(c).num_rows() : matrix_.rows;
  }
  ColumnView column(size_t chunk, size_t feature) const {
    if (table_ != nullptr) return table_->chunk(chunk).column(columns_[feature]);
    return {names_[feature], matrix_.column(feature)};
  }

 private:
  const Table* table_ = nullptr;  // null: the matrix
  std::vector<size_t> columns_;
  MatrixView matrix_;
  std::span<const std::string> names_;
};

// Consecutive rows of a source.
struct RowBlock {
  size_t chunk, begin, end;  // rows of the chunk
  size_t first_row;          // of the source
  size_t number;
  size_t rows() const { return end - begin; }
};

// All rows of a source, in blocks of at most `rows_per_block`.
inline std::vector<RowBlock> BlocksOf(const RowSource& source, size_t rows_per_block) {
  std::vector<RowBlock> blocks;
  for (size_t c = 0; c < source.num_chunks(); ++c) {
    const size_t rows = source.chunk_rows(c);
    for (size_t begin = 0; begin < rows; begin += rows_per_block)
      blocks.push_back({c, begin, std::min(rows, begin + rows_per_block),
                        source.chunk_begin(c) + begin, blocks.size()});
  }
  return blocks;
}

}  // namespace ramet
