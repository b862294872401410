#include "ramet/histogram/exchange.h"

#include <atomic>
#include <cstring>
#include <mutex>

namespace ramet {
namespace {

// X3: fields of the middle width. |gradient| <= 2^15 and hessian <= 2^12 of a row (Q1).
constexpr uint64_t kMaxRowsMiddle = (uint64_t{1} << 20) - 1;
constexpr int kMiddleGradientBits = 36;

// Cells of one slice of a histogram.
struct Cells {
  size_t count;
  int64_t* gradients;
  uint64_t* hessians;
  uint32_t* counts;
};
Cells CellsOf(Histogram& histogram, size_t begin, size_t count) {
  return {count, histogram.gradients() + begin, histogram.hessians() + begin,
          histogram.counts() + begin};
}

template <class T>
T* Plane(std::byte* at, size_t elements_before) {
  return reinterpret_cast<T*>(at) + elements_before;
}

void EncodePacked(const Cells& cells, uint64_t* words) {
  for (size_t i = 0; i < cells.count; ++i)
    words[i] = (uint64_t{cells.counts[i]} << 52) + (cells.hessians[i] << 28) +
               static_cast<uint64_t>(cells.gradients[i]);
}
void AddPacked(const uint64_t* words, const Cells& cells) {
  for (size_t i = 0; i < cells.count; ++i) {
    const int64_t gradient = static_cast<int64_t>(words[i] << 36) >> 36;
    const uint64_t rest = words[i] - static_cast<uint64_t>(gradient);
    cells.gradients[i] += gradient;
    cells.hessians[i] += (rest >> 28) & 0xffffff;
    cells.counts[i] += static_cast<uint32_t>(rest >> 52);
  }
}

void EncodeMiddle(const Cells& cells, uint64_t* words, uint32_t* hessians) {
  for (size_t i = 0; i < cells.count; ++i)
    words[i] = (uint64_t{cells.counts[i]} << kMiddleGradientBits) +
               static_cast<uint64_t>(cells.gradients[i]);
  for (size_t i = 0; i < cells.count; ++i) hessians[i] = static_cast<uint32_t>(cells.hessians[i]);
}
void AddMiddle(const uint64_t* words, const uint32_t* hessians, const Cells& cells) {
  constexpr int kUnused = 64 - kMiddleGradientBits;
  for (size_t i = 0; i < cells.count; ++i) {
    const int64_t gradient = static_cast<int64_t>(words[i] << kUnused) >> kUnused;
    cells.gradients[i] += gradient;
    cells.counts[i] +=
        static_cast<uint32_t>((words[i] - static_cast<uint64_t>(gradient)) >> kMiddleGradientBits);
  }
  for (size_t i = 0; i < cells.count; ++i) cells.hessians[i] += hessians[i];
}

}  // namespace

struct HistogramExchange::Pool {
  std::mutex mutex;
  std::vector<Histogram> free;
  std::atomic<size_t> in_use = 0;
};

std::vector<size_t> DealFeatures(const HistogramLayout& layout, size_t members) {
  std::vector<size_t> begins = {0};
  size_t feature = 0;
  for (size_t member = 1; member < members; ++member) {
    // The feature in whose middle the border lies goes to the nearer side.
    const size_t border = layout.num_cells() * member / members;
    while (feature < layout.num_features() &&
           layout.begin(feature) + layout.num_bins(feature) / 2 < border)
      ++feature;
    begins.push_back(feature);
  }
  begins.push_back(layout.num_features());
  return begins;
}

HistogramExchange::HistogramExchange(const Context& context, const BinMapper& mapper,
                                     const BinnedMatrix& bins)
    : context_(context),
      builder_(context, bins, HistogramLayout(mapper)),
      feature_begins_(DealFeatures(builder_.layout(), NumMembers(context))),
      own_(builder_.layout(), feature_begins_[RankOf(context)],
           feature_begins_[RankOf(context) + 1]),
      pool_(std::make_unique<Pool>()) {
  for (const size_t feature : feature_begins_)
    cell_begins_.push_back(builder_.layout().begin(feature));
}
HistogramExchange::~HistogramExchange() = default;

size_t HistogramExchange::BytesOf(Width width) {
  return width == Width::kPacked ? 8 : width == Width::kMiddle ? 12 : 20;
}

// Rounded up, so that every node's first plane is aligned.
size_t HistogramExchange::Offset(size_t node, size_t cells) const {
  return places_[node].cell_bytes_before * ((cells + 1) / 2 * 2);
}

void HistogramExchange::Begin(const CellFormat& format, std::span<const uint64_t> rows) {
  places_.clear();
  histograms_.clear();
  histograms_.resize(rows.size());
  local_sums_.assign(rows.size(), {});
  if (NumMembers(context_) == 1) return;
  size_t cell_bytes = 0;
  for (const uint64_t count : rows) {
    const Width width = !format.packed                        ? Width::kFull
                        : count <= CellFormat::kMaxRowsPacked ? Width::kPacked
                        : count <= kMaxRowsMiddle             ? Width::kMiddle
                                                              : Width::kFull;
    places_.push_back({width, cell_bytes});
    cell_bytes += BytesOf(width);
  }
  places_.push_back({Width::kFull, cell_bytes});  // the end
  outgoing_.resize(NumMembers(context_));
  for (size_t member = 0; member < outgoing_.size(); ++member) {
    const size_t cells = cell_begins_[member + 1] - cell_begins_[member];
    outgoing_[member].Reset(member == RankOf(context_) ? 0 : Offset(rows.size(), cells));
  }
}

void HistogramExchange::Build(size_t node, const QuantisedGradients& gradients, RowSet rows) {
  Histogram local = builder_.Build(gradients, rows);
  local_sums_[node] = builder_.Total(local);
  if (NumMembers(context_) == 1) {
    histograms_[node] = std::move(local);
    return;
  }
  Encode(node, local);
  Histogram own;
  {
    ++pool_->in_use;
    const std::lock_guard lock(pool_->mutex);
    if (!pool_->free.empty()) {
      own = std::move(pool_->free.back());
      pool_->free.pop_back();
    }
  }
  if (own.num_cells() != own_.num_cells() || own.empty()) own = Histogram(own_.num_cells());
  const size_t begin = cell_begins_[RankOf(context_)];
  std::copy_n(local.gradients() + begin, own_.num_cells(), own.gradients());
  std::copy_n(local.hessians() + begin, own_.num_cells(), own.hessians());
  std::copy_n(local.counts() + begin, own_.num_cells(), own.counts());
  histograms_[node] = std::move(own);
  builder_.Recycle(std::move(local));
}

void HistogramExchange::Encode(size_t node, Histogram& local) {
  for (size_t member = 0; member < outgoing_.size(); ++member) {
    if (member == RankOf(context_)) continue;
    const size_t count = cell_begins_[member + 1] - cell_begins_[member];
    const Cells cells = CellsOf(local, cell_begins_[member], count);
    std::byte* at = outgoing_[member].data() + Offset(node, count);
    switch (places_[node].width) {
      case Width::kPacked:
        EncodePacked(cells, Plane<uint64_t>(at, 0));
        break;
      case Width::kMiddle:
        EncodeMiddle(cells, Plane<uint64_t>(at, 0), Plane<uint32_t>(at, 2 * count));
        break;
      case Width::kFull:
        std::copy_n(cells.gradients, count, Plane<int64_t>(at, 0));
        std::copy_n(cells.hessians, count, Plane<uint64_t>(at, count));
        std::copy_n(cells.counts, count, Plane<uint32_t>(at, 4 * count));
    }
  }
}

void HistogramExchange::Exchange() {
  if (NumMembers(context_) == 1) return;
  std::vector<Bytes> outgoing;
  for (const Message& message : outgoing_) outgoing.push_back(message.span());
  if (!context_.collective->Exchange(outgoing, incoming_) ||
      !internal::HaveSize(*context_.collective, incoming_,
                          Offset(histograms_.size(), own_.num_cells())))
    incoming_.clear();
}

Histogram HistogramExchange::Take(size_t node) {
  Histogram& own = histograms_[node];
  const size_t count = own_.num_cells();
  for (size_t member = 0; member < incoming_.size(); ++member) {
    if (member == RankOf(context_)) continue;
    const Cells cells = CellsOf(own, 0, count);
    std::byte* at = incoming_[member].data() + Offset(node, count);
    switch (places_[node].width) {
      case Width::kPacked:
        AddPacked(Plane<uint64_t>(at, 0), cells);
        break;
      case Width::kMiddle:
        AddMiddle(Plane<uint64_t>(at, 0), Plane<uint32_t>(at, 2 * count), cells);
        break;
      case Width::kFull: {
        const int64_t* gradients = Plane<int64_t>(at, 0);
        const uint64_t* hessians = Plane<uint64_t>(at, count);
        const uint32_t* counts = Plane<uint32_t>(at, 4 * count);
        for (size_t i = 0; i < count; ++i) cells.gradients[i] += gradients[i];
        for (size_t i = 0; i < count; ++i) cells.hessians[i] += hessians[i];
        for (size_t i = 0; i < count; ++i) cells.counts[i] += counts[i];
      }
    }
  }
  return std::move(own);
}

void HistogramExchange::Recycle(Histogram histogram) {
  if (histogram.empty()) return;
  if (NumMembers(context_) == 1) return builder_.Recycle(std::move(histogram));
  --pool_->in_use;
  const std::lock_guard lock(pool_->mutex);
  pool_->free.push_back(std::move(histogram));
}

size_t HistogramExchange::bytes_in_use() const {
  const size_t in_use = NumMembers(context_) == 1 ? builder_.num_in_use() : pool_->in_use.load();
  return in_use * bytes_of_one();
}

size_t HistogramExchange::bytes_of_one() const {
  return Histogram::Bytes(builder_.layout().num_cells()) / NumMembers(context_);
}

}  // namespace ramet
