#include "ramet/tree/divide.h"

#include <array>
#include <bit>
#include <optional>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ramet/tree/divide.cc"
#include <hwy/foreach_target.h>
// After foreach_target.h; highway.h is read again for each target.
#include <hwy/highway.h>

#include "ramet/base/dispatch.h"

HWY_BEFORE_NAMESPACE();
namespace ramet {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Rows whose bin b has (b - shift) mod 256 <= limit go left. Whole vectors only; returns the rows
// done, and how many went left. Stores may write a whole vector; what lies beyond the rows they
// keep is overwritten by later ones or unused.
size_t DivideByThreshold(const uint32_t* rows, size_t count, const uint8_t* column, uint32_t shift,
                         uint32_t limit, uint32_t* left, uint32_t* right, size_t* num_left) {
#if HWY_TARGET == HWY_SCALAR
  // One lane is no vector: the caller's loop does it all.
  (void)rows, (void)count, (void)column, (void)shift, (void)limit, (void)left, (void)right;
  *num_left = 0;
  return 0;
#else
  constexpr size_t kPrefetchAhead = 32;
  const hn::ScalableTag<uint32_t> d;
  const hn::RebindToSigned<decltype(d)> di;
  const size_t lanes = hn::Lanes(d);
  const auto shifts = hn::Set(di, static_cast<int32_t>(shift)),
             limits = hn::Set(di, static_cast<int32_t>(limit));
  const auto byte = hn::Set(di, 0xff);
  size_t lefts = 0, rights = 0, i = 0;
  // Where rows lie far apart, each is on a cache line of its own, which no hardware foresees.
  const bool sparse = count > 0 && (rows[count - 1] - rows[0]) / count >= 8;
  for (; i + lanes <= count; i += lanes) {
    if (sparse && i + kPrefetchAhead + lanes <= count)
      for (size_t j = 0; j < lanes; ++j) __builtin_prefetch(column + rows[i + kPrefetchAhead + j]);
    const auto ids = hn::LoadU(d, rows + i);
    const auto words =
        hn::GatherOffset(di, reinterpret_cast<const int32_t*>(column), hn::BitCast(di, ids));
    const auto goes_right =
        hn::RebindMask(d, hn::Gt(hn::And(hn::Sub(words, shifts), byte), limits));
    const size_t n = hn::CountTrue(d, goes_right);
    hn::StoreU(hn::Compress(ids, goes_right), d, right + rights);
    hn::StoreU(hn::Compress(ids, hn::Not(goes_right)), d, left + lefts);
    rights += n;
    lefts += lanes - n;
  }
  *num_left = lefts;
  return i;
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace ramet
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ramet {

HWY_EXPORT(DivideByThreshold);

namespace {

// Bins b with (b - shift) mod 256 <= limit, if `bins` is such a set: that of a numeric split.
struct Interval {
  uint8_t shift, limit;
};
std::optional<Interval> IntervalOf(const BinSet& bins) {
  const uint8_t shift = bins.Contains(0) ? 0 : 1;
  int size = 0;
  for (uint64_t word : bins.words) size += std::popcount(word);
  if (size == 0) return std::nullopt;
  for (int bin = shift; bin < shift + size; ++bin)
    if (bin > 255 || !bins.Contains(static_cast<size_t>(bin))) return std::nullopt;
  return Interval{shift, static_cast<uint8_t>(size - 1)};
}

}  // namespace

size_t DivideRows(Isa isa, const uint32_t* rows, size_t count, const uint8_t* column,
                  const BinSet& left_bins, uint32_t* left, uint32_t* right) {
  size_t num_left = 0, done = 0;
  if (const std::optional<Interval> interval = IntervalOf(left_bins))
    done = RAMET_DISPATCH(isa, DivideByThreshold)(rows, count, column, interval->shift,
                                                  interval->limit, left, right, &num_left);
  // Any set of bins, a row at a time: both places are written and one is advanced, so that no
  // branch depends on the data.
  std::array<uint8_t, 256> goes_left;
  for (size_t bin = 0; bin < goes_left.size(); ++bin) goes_left[bin] = left_bins.Contains(bin);
  size_t num_right = done - num_left;
  for (size_t i = done; i < count; ++i) {
    const uint32_t row = rows[i];
    const size_t is_left = goes_left[column[row]];
    right[num_right] = row;
    left[num_left] = row;
    num_left += is_left;
    num_right += 1 - is_left;
  }
  return num_left;
}

}  // namespace ramet
#endif
