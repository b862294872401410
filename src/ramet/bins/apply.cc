// ApplyBins: every value to its bin.

#include <algorithm>
#include <atomic>
#include <bit>

#include "ramet/bins/bins.h"
#include "ramet/bins/encode.h"
#include "ramet/parallel/parallel.h"

namespace ramet {
namespace {

// A block of rows: its float64 values of one feature and its bins of all features stay in the
// first-level cache.
constexpr size_t kRowsPerBlock = 1024;

size_t RowStride(size_t num_features) {
  // Rows of up to 32 features do not straddle more cache lines than needed.
  if (num_features > 32) return (num_features + 31) / 32 * 32;
  return std::bit_ceil(std::max<size_t>(num_features, 1));
}

// Encodes rows [begin, end) of some columns; those of a row-major matrix by way of a tile.
template <class Out>
Status EncodeTogether(Isa isa, std::span<const FeatureEncoder> encoders,
                      std::span<const ColumnView> columns, size_t begin, size_t end,
                      const Out& out) {
  ColumnTile tile;
  for (size_t row = begin; row < end;) {
    const size_t tile_end = std::min(end, row + ColumnTile::kMaxRows);
    const bool tiled = tile.Copy(columns, row, tile_end);
    const size_t last = tiled ? tile_end : end;
    for (size_t j = 0; j < columns.size(); ++j) {
      uint8_t* bins = out(j) + (row - begin);
      RAMET_RETURN_IF_ERROR(tiled ? encoders[j].Encode(isa, tile.column(j), 0, last - row, bins)
                                  : encoders[j].Encode(isa, columns[j], row, last, bins));
    }
    row = last;
  }
  return {};
}

}  // namespace

BinnedMatrix::BinnedMatrix(size_t num_rows, size_t num_features)
    : num_rows_(num_rows),
      num_features_(num_features),
      row_stride_(RowStride(num_features)),
      column_stride_((num_rows + 63) / 64 * 64),
      rows_(num_rows * row_stride_),
      columns_(num_features * column_stride_) {}

void BinnedMatrix::FillRows(size_t begin, size_t end) {
  for (size_t i = begin; i < end; ++i) {
    uint8_t* out = mutable_row(i);
    for (size_t f = 0; f < num_features_; ++f) out[f] = columns_[f * column_stride_ + i];
    for (size_t f = num_features_; f < row_stride_; ++f) out[f] = 0;
  }
}

Status EncodeTable(const Context& context, const BinMapper& mapper, Table& table,
                   std::span<const size_t> columns, bool release, const BinColumns& out,
                   FunctionRef<void(size_t, size_t)> done) {
  const size_t num_features = columns.size();
  RAMET_CHECK(mapper.features.size() == num_features);
  std::vector<FeatureEncoder> encoders;
  for (const FeatureBins& bins : mapper.features) encoders.emplace_back(bins);

  // Blocks of all chunks, so that many small chunks and one large chunk are equally parallel.
  struct Block {
    size_t chunk, begin, end;
  };
  std::vector<Block> blocks;
  std::vector<std::atomic<size_t>> blocks_left(table.num_chunks());
  for (size_t c = 0; c < table.num_chunks(); ++c) {
    const size_t rows = table.chunk(c).num_rows();
    blocks_left[c] = (rows + kRowsPerBlock - 1) / kRowsPerBlock;
    for (size_t begin = 0; begin < rows; begin += kRowsPerBlock)
      blocks.push_back({c, begin, std::min(rows, begin + kRowsPerBlock)});
  }
  std::vector<Status> statuses(blocks.size());
  const auto encode_block = [&](const Block& block, Status& status) {
    const size_t first_row = table.chunk_begin(block.chunk) + block.begin;
    std::vector<ColumnView> views;
    for (size_t f = 0; f < num_features && status.ok(); f += views.size()) {
      views.clear();
      for (size_t g = f; g < std::min(num_features, f + ColumnTile::kMaxColumns); ++g)
        views.push_back(table.chunk(block.chunk).column(columns[g]));
      status =
          EncodeTogether(context.isa, std::span(encoders).subspan(f), views, block.begin, block.end,
                         [&](size_t j) { return out.columns + (f + j) * out.stride + first_row; });
    }
    done(first_row, first_row + (block.end - block.begin));
  };
  RunOnThreads(context, [&] {
    constexpr size_t kBlocksPerTask = 8;
    ParallelFor(0, blocks.size(), kBlocksPerTask, [&](size_t begin, size_t end) {
      for (size_t b = begin; b < end && !context.Cancelled(); ++b) {
        encode_block(blocks[b], statuses[b]);
        if (--blocks_left[blocks[b].chunk] == 0 && release) table.Release(blocks[b].chunk);
      }
    });
  });
  if (context.Cancelled()) return CancelledError("stopped while binning");
  for (Status& status : statuses)
    if (!status.ok()) return status.TakeError();
  return {};
}

Result<BinnedMatrix> ApplyBins(const Context& context, const BinMapper& mapper, Table& table,
                               std::span<const size_t> columns, bool release) {
  BinnedMatrix matrix(table.num_rows(), columns.size());
  // Rows are filled while their block is in the cache.
  RAMET_RETURN_IF_ERROR(EncodeTable(
      context, mapper, table, columns, release, {matrix.mutable_column(0), matrix.column_stride()},
      [&](size_t begin, size_t end) { matrix.FillRows(begin, end); }));
  return matrix;
}

}  // namespace ramet
