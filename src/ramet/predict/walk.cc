#include "ramet/predict/walk.h"

#include <array>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ramet/predict/walk.cc"
#include <hwy/foreach_target.h>
// After foreach_target.h; highway.h is read again for each target.
#include <hwy/highway.h>

#include "ramet/base/dispatch.h"

#ifndef RAMET_PREDICT_WAY_THROUGH_
#define RAMET_PREDICT_WAY_THROUGH_
namespace ramet {

// Bit i of the index: split i of a triplet sends right. The way through: three bits, the first
// split's the highest.
inline constexpr auto kWayThrough = [] {
  std::array<uint8_t, 128> ways{};
  for (unsigned rights = 0; rights < 128; ++rights) {
    const unsigned first = rights & 1;
    const unsigned second = (rights >> (1 + first)) & 1;
    const unsigned third = (rights >> (3 + 2 * first + second)) & 1;
    ways[rights] = static_cast<uint8_t>(4 * first + 2 * second + third);
  }
  return ways;
}();

}  // namespace ramet
#endif

HWY_BEFORE_NAMESPACE();
namespace ramet {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

template <class Bin>
HWY_INLINE void WalkTopOf(const ForestTree<Bin>& tree, const Bin* bins, size_t rows, Bin* exits) {
  const hn::ScalableTag<Bin> d;
  const size_t lanes = hn::Lanes(d);
  const size_t size = tree.top.size();
  hn::Mask<decltype(d)> arrive[kMaxTopNodes];  // rows that get to each node of the top
  for (size_t row = 0; row < rows; row += lanes) {
    arrive[0] = hn::Eq(hn::Zero(d), hn::Zero(d));
    auto exit = hn::Zero(d);
    for (size_t i = 0; i < size; ++i) {
      const TopNode<Bin>& node = tree.top[i];
      const auto bin = hn::Sub(hn::Load(d, bins + node.feature * kRowsPerBlock + row),
                               hn::Set(d, node.missing_right));
      const auto right = hn::Gt(bin, hn::Set(d, node.limit));
      const auto goes_right = hn::And(arrive[i], right);
      const auto goes_left = hn::AndNot(right, arrive[i]);
      if (node.left & TopNode<Bin>::kExit)
        exit = hn::IfThenElse(goes_left,
                              hn::Set(d, static_cast<Bin>(node.left & ~TopNode<Bin>::kExit)), exit);
      else
        arrive[node.left] = goes_left;
      if (node.right & TopNode<Bin>::kExit)
        exit = hn::IfThenElse(
            goes_right, hn::Set(d, static_cast<Bin>(node.right & ~TopNode<Bin>::kExit)), exit);
      else
        arrive[node.right] = goes_right;
    }
    hn::Store(exit, d, exits + row);
  }
}

void WalkTop8(const ForestTree<uint8_t>& tree, const uint8_t* bins, size_t rows, uint8_t* exits) {
  WalkTopOf(tree, bins, rows, exits);
}
void WalkTop16(const ForestTree<uint16_t>& tree, const uint16_t* bins, size_t rows,
               uint16_t* exits) {
  WalkTopOf(tree, bins, rows, exits);
}
void WalkTop32(const ForestTree<uint32_t>& tree, const uint32_t* bins, size_t rows,
               uint32_t* exits) {
  WalkTopOf(tree, bins, rows, exits);
}

#if HWY_TARGET != HWY_SCALAR
// The next triplet (or ~leaf) of a row: the bins of the seven splits, shuffled together, against
// their limits.
template <size_t kShuffles>
HWY_INLINE int32_t Next(const Triplet& triplet, const uint8_t* row) {
  const hn::CappedTag<uint8_t, 8> d8;
  const hn::CappedTag<uint8_t, 16> d16;
  auto bins = hn::TableLookupBytesOr0(hn::LoadU(d16, row), hn::LoadU(d8, triplet.shuffle[0]));
  for (size_t j = 1; j < kShuffles; ++j)
    bins = hn::Or(bins, hn::TableLookupBytesOr0(hn::LoadU(d16, row + 16 * j),
                                                hn::LoadU(d8, triplet.shuffle[j])));
  bins = hn::Sub(bins, hn::LoadU(d8, triplet.missing_right));
  HWY_ALIGN uint8_t rights[8];
  hn::StoreMaskBits(d8, hn::Gt(bins, hn::LoadU(d8, triplet.limit)), rights);
  return triplet.next[kWayThrough[rights[0] & 0x7f]];
}

template <size_t kShuffles>
HWY_INLINE void WalkTripletsOf(const Triplet* triplets, const uint8_t* rows_major,
                               size_t row_stride, size_t rows, const int32_t* start,
                               uint32_t* leaves) {
  for (size_t row = 0; row < rows; ++row) {
    int32_t at = start[row];
    while (at >= 0) at = Next<kShuffles>(triplets[at], rows_major + row * row_stride);
    leaves[row] = static_cast<uint32_t>(~at);
  }
}
#endif

void WalkTripletsFrom(const Triplet* triplets, const uint8_t* rows_major, size_t row_stride,
                      size_t rows, const int32_t* start, uint32_t* leaves) {
#if HWY_TARGET != HWY_SCALAR
  switch (row_stride / 16) {
    case 1:
      return WalkTripletsOf<1>(triplets, rows_major, row_stride, rows, start, leaves);
    case 2:
      return WalkTripletsOf<2>(triplets, rows_major, row_stride, rows, start, leaves);
    case 3:
      return WalkTripletsOf<3>(triplets, rows_major, row_stride, rows, start, leaves);
    case 4:
      return WalkTripletsOf<4>(triplets, rows_major, row_stride, rows, start, leaves);
  }
#endif
  (void)triplets, (void)rows_major, (void)row_stride, (void)rows, (void)start, (void)leaves;
}

}  // namespace HWY_NAMESPACE
}  // namespace ramet
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ramet {

HWY_EXPORT(WalkTop8);
HWY_EXPORT(WalkTop16);
HWY_EXPORT(WalkTop32);
HWY_EXPORT(WalkTripletsFrom);

void WalkTop(Isa isa, const ForestTree<uint8_t>& tree, const uint8_t* bins, size_t rows,
             uint8_t* exits) {
  RAMET_DISPATCH(isa, WalkTop8)(tree, bins, rows, exits);
}
void WalkTop(Isa isa, const ForestTree<uint16_t>& tree, const uint16_t* bins, size_t rows,
             uint16_t* exits) {
  RAMET_DISPATCH(isa, WalkTop16)(tree, bins, rows, exits);
}
void WalkTop(Isa isa, const ForestTree<uint32_t>& tree, const uint32_t* bins, size_t rows,
             uint32_t* exits) {
  RAMET_DISPATCH(isa, WalkTop32)(tree, bins, rows, exits);
}

void WalkTriplets(Isa isa, std::span<const Triplet> triplets, const uint8_t* rows_major,
                  size_t row_stride, size_t rows, const int32_t* start, uint32_t* leaves) {
  RAMET_CHECK(isa != Isa::kScalar);
  RAMET_DISPATCH(isa, WalkTripletsFrom)
  (triplets.data(), rows_major, row_stride, rows, start, leaves);
}

}  // namespace ramet
#endif
