// Building a node's histogram: who adds which rows, and where.

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>

#include "ramet/histogram/histogram.h"
#include "ramet/histogram/kernel.h"
#include "ramet/parallel/parallel.h"
#include "ramet/parallel/per_thread.h"

namespace ramet {
namespace {

// Features whose scratch is worked on together: 32 x 2 KiB stay in the second-level cache.
constexpr size_t kFeaturesPerGroup = 32;
// Fewer updates (rows x features) than this are not worth a second thread's own cells.
constexpr size_t kUpdatesPerThread = 1 << 19;

struct Scratch {
  Buffer<uint64_t> words;  // kFeaturesPerGroup x kScratchStride x 2, all zero between uses
};

}  // namespace

HistogramLayout::HistogramLayout(const BinMapper& mapper) : begins_(1, 0) {
  for (const FeatureBins& bins : mapper.features) {
    begins_.push_back(begins_.back() + static_cast<size_t>(bins.num_bins()));
    categorical_.push_back(bins.kind == FeatureKind::kCategorical);
  }
}

HistogramLayout::HistogramLayout(const HistogramLayout& all, size_t first_feature,
                                 size_t end_feature)
    : first_feature_(first_feature), begins_(1, 0) {
  for (size_t f = first_feature; f < end_feature; ++f) {
    begins_.push_back(begins_.back() + all.num_bins(f));
    categorical_.push_back(all.categorical(f));
  }
}

Histogram::Histogram(size_t num_cells)
    : num_cells_(num_cells),
      padded_(num_cells / 16 * 16 + 16),
      storage_(Bytes(num_cells) / sizeof(uint64_t)) {}

size_t Histogram::Bytes(size_t num_cells) {
  return (num_cells / 16 * 16 + 16) * (2 * sizeof(uint64_t) + sizeof(uint32_t));
}

struct HistogramBuilder::Impl {
  PerThread<Scratch> scratch;
  std::mutex mutex;
  std::vector<Histogram> free;
  std::atomic<size_t> in_use = 0;
};

HistogramBuilder::HistogramBuilder(const Context& context, const BinnedMatrix& bins,
                                   HistogramLayout layout)
    : context_(context), bins_(bins), layout_(std::move(layout)), impl_(std::make_unique<Impl>()) {}
HistogramBuilder::~HistogramBuilder() = default;

Histogram HistogramBuilder::Acquire() {
  ++impl_->in_use;
  Histogram histogram;
  {
    std::lock_guard lock(impl_->mutex);
    if (!impl_->free.empty()) {
      histogram = std::move(impl_->free.back());
      impl_->free.pop_back();
    }
  }
  if (histogram.empty()) histogram = Histogram(layout_.num_cells());
  std::memset(histogram.gradients(), 0, Histogram::Bytes(layout_.num_cells()));
  return histogram;
}

void HistogramBuilder::Recycle(Histogram histogram) {
  if (histogram.empty()) return;
  --impl_->in_use;
  std::lock_guard lock(impl_->mutex);
  impl_->free.push_back(std::move(histogram));
}

size_t HistogramBuilder::num_in_use() const { return impl_->in_use; }

Histogram HistogramBuilder::Build(const QuantisedGradients& gradients, RowSet rows) {
  const size_t num_features = layout_.num_features();
  const size_t rows_per_block = gradients.format.max_rows();
  const size_t blocks = (rows.count + rows_per_block - 1) / rows_per_block;
  const size_t groups = (num_features + kFeaturesPerGroup - 1) / kFeaturesPerGroup;
  const bool packed = gradients.format.packed;
  std::atomic<size_t> next_piece = 0;  // pieces are (group, block), blocks of one group in a row

  const auto add_piece = [&](size_t piece, Histogram& cells, uint64_t* scratch) {
    const size_t first_feature = piece / blocks * kFeaturesPerGroup;
    const size_t features = std::min(kFeaturesPerGroup, num_features - first_feature);
    const size_t begin = piece % blocks * rows_per_block;
    const size_t count = std::min(rows_per_block, rows.count - begin);
    const auto add_rows = packed ? AddRowsPacked : AddRowsWide;
    add_rows(bins_.row(0) + first_feature, bins_.row_stride(), features,
             rows.ids == nullptr ? nullptr : rows.ids + begin, begin, count, gradients.words.data(),
             scratch);
    const auto widen = packed ? WidenPacked : WidenWide;
    const size_t stride = kScratchStride * gradients.format.words_per_row();
    for (size_t f = 0; f < features; ++f) {
      const size_t cell = layout_.begin(first_feature + f);
      widen(context_.isa, scratch + f * stride, layout_.num_bins(first_feature + f),
            cells.gradients() + cell, cells.hessians() + cell, cells.counts() + cell);
    }
  };
  const auto work = [&](Histogram& cells) {
    Scratch& scratch = impl_->scratch.Local();
    if (scratch.words.empty())
      scratch.words = Buffer<uint64_t>::Zeroed(kFeaturesPerGroup * kScratchStride * 2);
    for (size_t piece; (piece = next_piece++) < groups * blocks;)
      add_piece(piece, cells, scratch.words.data());
  };

  Histogram result = Acquire();
  const size_t useful = std::min(groups * blocks, rows.count * num_features / kUpdatesPerThread);
  const size_t workers = std::clamp<size_t>(useful, 1, static_cast<size_t>(context_.threads));
  if (workers == 1) {
    work(result);
    return result;
  }
  // Each worker takes pieces until none is left, so a slow one holds up nobody; then their cells
  // are added.
  std::vector<Histogram> cells(workers);
  ParallelFor(0, workers, 1, [&](size_t worker, size_t) {
    if (next_piece >= groups * blocks) return;
    if (worker > 0) cells[worker] = Acquire();
    work(worker == 0 ? result : cells[worker]);
  });
  for (size_t worker = 1; worker < workers; ++worker) {
    Histogram& other = cells[worker];
    if (other.empty()) continue;
    AddCells(context_.isa, layout_.num_cells(), result.gradients(), result.hessians(),
             result.counts(), other.gradients(), other.hessians(), other.counts());
    Recycle(std::move(other));
  }
  return result;
}

void Subtract(const Context& context, Histogram& parent, const Histogram& child) {
  SubtractCells(context.isa, parent.num_cells(), parent.gradients(), parent.hessians(),
                parent.counts(), child.gradients(), child.hessians(), child.counts());
}

NodeSums HistogramBuilder::Total(const Histogram& histogram) const {
  NodeSums total;
  for (size_t cell = layout_.begin(0); cell < layout_.begin(1); ++cell)
    total = total + histogram.cell(cell);
  return total;
}

}  // namespace ramet
