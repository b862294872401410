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

// Rows that a split of the top sends right.
template <bool kMissing, class D, class Bin>
HWY_INLINE hn::Mask<D> GoRight(D d, const TopNode<Bin>& node, const Bin* bins, size_t row) {
  const auto bin = hn::Load(d, bins + node.feature * kRowsPerBlock + row);
  if (!kMissing) return hn::Gt(bin, hn::Set(d, node.present_limit));
  return hn::Gt(hn::Sub(bin, hn::Set(d, node.missing_right)), hn::Set(d, node.limit));
}

template <bool kMissing, class Bin>
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
      const auto right = GoRight<kMissing>(d, node, bins, row);
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

// A top of five whole levels: its exits are numbered by the way to them, so that a row's number is
// the bits of its turns.
template <bool kMissing, class Bin>
HWY_INLINE void WalkWholeTopOf(const ForestTree<Bin>& tree, const Bin* bins, size_t rows,
                               Bin* exits) {
  const hn::ScalableTag<Bin> d;
  using Mask = hn::Mask<decltype(d)>;
  for (size_t row = 0; row < rows; row += hn::Lanes(d)) {
    Mask arrive[kMaxTopNodes + 1];
    arrive[0] = hn::Eq(hn::Zero(d), hn::Zero(d));
    auto exit = hn::Zero(d);
    const TopNode<Bin>* node = tree.top.data();
    for (size_t width = 1; width <= kMaxTopNodes; width *= 2) {
      const Mask* here = arrive + width - 1;
      Mask* below = arrive + 2 * width - 1;
      Mask rights = hn::Not(arrive[0]);
      for (size_t i = 0; i < width; ++i, ++node) {
        const auto right = GoRight<kMissing>(d, *node, bins, row);
        const auto goes_right = hn::And(here[i], right);
        rights = hn::Or(rights, goes_right);
        if (2 * width > kMaxTopNodes) continue;
        below[2 * i] = hn::AndNot(right, here[i]);
        below[2 * i + 1] = goes_right;
      }
      exit = hn::Add(hn::Add(exit, exit), hn::IfThenElseZero(rights, hn::Set(d, Bin{1})));
    }
    hn::Store(exit, d, exits + row);
  }
}

template <class Bin>
HWY_INLINE void WalkAnyTop(const ForestTree<Bin>& tree, const ForestBlock<Bin>& block, size_t rows,
                           Bin* exits) {
  if (tree.whole_top && block.has_missing)
    WalkWholeTopOf<true>(tree, block.columns, rows, exits);
  else if (tree.whole_top)
    WalkWholeTopOf<false>(tree, block.columns, rows, exits);
  else if (block.has_missing)
    WalkTopOf<true>(tree, block.columns, rows, exits);
  else
    WalkTopOf<false>(tree, block.columns, rows, exits);
}

void WalkTop8(const ForestTree<uint8_t>& tree, const ForestBlock<uint8_t>& block, size_t rows,
              uint8_t* exits) {
  WalkAnyTop(tree, block, rows, exits);
}
void WalkTop16(const ForestTree<uint16_t>& tree, const ForestBlock<uint16_t>& block, size_t rows,
               uint16_t* exits) {
  WalkAnyTop(tree, block, rows, exits);
}
void WalkTop32(const ForestTree<uint32_t>& tree, const ForestBlock<uint32_t>& block, size_t rows,
               uint32_t* exits) {
  WalkAnyTop(tree, block, rows, exits);
}

#if HWY_TARGET != HWY_SCALAR
// A row's way through a triplet, 0 to 7: the bins of the seven splits, shuffled together, against
// their limits.
template <size_t kShuffles, bool kMissing>
HWY_INLINE size_t WayThrough(const Triplet& triplet, const uint8_t* row) {
  const hn::CappedTag<uint8_t, 8> d8;
  const hn::CappedTag<uint8_t, 16> d16;
  auto bins = hn::TableLookupBytesOr0(hn::LoadU(d16, row), hn::LoadU(d8, triplet.shuffle[0]));
  for (size_t j = 1; j < kShuffles; ++j)
    bins = hn::Or(bins, hn::TableLookupBytesOr0(hn::LoadU(d16, row + 16 * j),
                                                hn::LoadU(d8, triplet.shuffle[j])));
  if (kMissing) bins = hn::Sub(bins, hn::LoadU(d8, triplet.missing_right));
  const auto limit = hn::LoadU(d8, kMissing ? triplet.limit : triplet.present_limit);
  HWY_ALIGN uint8_t rights[8];
  hn::StoreMaskBits(d8, hn::Gt(bins, limit), rights);
  return kWayThrough[rights[0] & 0x7f];
}

// Calls found(i, triplet, way) for the last triplet of each row, or found_leaf(i, node) where the
// exit is a leaf.
template <size_t kShuffles, bool kMissing, class Found, class FoundLeaf>
HWY_INLINE void WalkTriplets(const ForestTree<uint8_t>& tree, const ForestBlock<uint8_t>& block,
                             size_t rows, const uint8_t* exits, const Found& found,
                             const FoundLeaf& found_leaf) {
  const Triplet* triplets = tree.triplets.data();
  const int32_t* start = tree.triplet_of_exit.data();
  for (size_t i = 0; i < rows; ++i) {
    const uint8_t* row = block.rows + i * (16 * kShuffles);
    int32_t at = start[exits[i]];
    if (at < 0) {
      found_leaf(i, static_cast<uint32_t>(~at));
      continue;
    }
    for (;;) {
      const Triplet& triplet = triplets[at];
      const size_t way = WayThrough<kShuffles, kMissing>(triplet, row);
      at = triplet.next[way];
      if (at >= 0) continue;
      found(i, triplet, way);
      break;
    }
  }
}

template <size_t kShuffles>
void FindLeavesOf(const ForestTree<uint8_t>& tree, const ForestBlock<uint8_t>& block, size_t rows,
                  const uint8_t* exits, uint32_t* leaves) {
  WalkTriplets<kShuffles, true>(
      tree, block, rows, exits,
      [=](size_t i, const Triplet& triplet, size_t way)
          HWY_ATTR { leaves[i] = static_cast<uint32_t>(~triplet.next[way]); },
      [=](size_t i, uint32_t leaf) HWY_ATTR { leaves[i] = leaf; });
}

template <size_t kShuffles>
void AddTreeOf(const ForestTree<uint8_t>& tree, const ForestBlock<uint8_t>& block, size_t rows,
               const uint8_t* exits, double* scores, size_t stride) {
  const double* values = tree.values.data();
  const auto found = [=](size_t i, const Triplet& triplet, size_t way)
                         HWY_ATTR { scores[i * stride] += triplet.value[way]; };
  const auto found_leaf = [=](size_t i, uint32_t leaf)
                              HWY_ATTR { scores[i * stride] += values[leaf]; };
  if (block.has_missing)
    WalkTriplets<kShuffles, true>(tree, block, rows, exits, found, found_leaf);
  else
    WalkTriplets<kShuffles, false>(tree, block, rows, exits, found, found_leaf);
}

void FindLeavesIn(const ForestTree<uint8_t>& tree, const ForestBlock<uint8_t>& block, size_t rows,
                  const uint8_t* exits, uint32_t* leaves) {
  switch (block.row_stride / 16) {
    case 1:
      return FindLeavesOf<1>(tree, block, rows, exits, leaves);
    case 2:
      return FindLeavesOf<2>(tree, block, rows, exits, leaves);
    case 3:
      return FindLeavesOf<3>(tree, block, rows, exits, leaves);
    case 4:
      return FindLeavesOf<4>(tree, block, rows, exits, leaves);
  }
}
void AddTreeIn(const ForestTree<uint8_t>& tree, const ForestBlock<uint8_t>& block, size_t rows,
               const uint8_t* exits, double* scores, size_t stride) {
  switch (block.row_stride / 16) {
    case 1:
      return AddTreeOf<1>(tree, block, rows, exits, scores, stride);
    case 2:
      return AddTreeOf<2>(tree, block, rows, exits, scores, stride);
    case 3:
      return AddTreeOf<3>(tree, block, rows, exits, scores, stride);
    case 4:
      return AddTreeOf<4>(tree, block, rows, exits, scores, stride);
  }
}

// 16 columns of 16 bytes to 16 rows: four times, each vector is zipped with the one eight places
// on.
HWY_INLINE void Transpose16(const uint8_t* const* columns, size_t row, uint8_t* rows_major,
                            size_t row_stride) {
  const hn::CappedTag<uint8_t, 16> d;
  hn::Vec<decltype(d)> a[16], b[16];
  for (size_t i = 0; i < 16; ++i)
    a[i] = columns[i] == nullptr ? hn::Zero(d) : hn::LoadU(d, columns[i] + row);
  const auto zip = [&](const auto& from, auto& to) HWY_ATTR {
    for (size_t i = 0; i < 8; ++i) {
      to[2 * i] = hn::InterleaveLower(d, from[i], from[i + 8]);
      to[2 * i + 1] = hn::InterleaveUpper(d, from[i], from[i + 8]);
    }
  };
  zip(a, b);
  zip(b, a);
  zip(a, b);
  zip(b, a);
  for (size_t i = 0; i < 16; ++i) hn::StoreU(a[i], d, rows_major + (row + i) * row_stride);
}
#else
// One lane is no vector: FindLeaves and AddTree go one level at a time then.
void FindLeavesIn(const ForestTree<uint8_t>&, const ForestBlock<uint8_t>&, size_t, const uint8_t*,
                  uint32_t*) {}
void AddTreeIn(const ForestTree<uint8_t>&, const ForestBlock<uint8_t>&, size_t, const uint8_t*,
               double*, size_t) {}
#endif

void Transpose(const uint8_t* columns, size_t num_features, uint8_t* rows_major,
               size_t row_stride) {
#if HWY_TARGET == HWY_SCALAR
  for (size_t row = 0; row < kRowsPerBlock; ++row)
    for (size_t f = 0; f < row_stride; ++f)
      rows_major[row * row_stride + f] = f < num_features ? columns[f * kRowsPerBlock + row] : 0;
#else
  for (size_t first = 0; first < row_stride; first += 16) {
    const uint8_t* group[16];
    for (size_t i = 0; i < 16; ++i)
      group[i] = first + i < num_features ? columns + (first + i) * kRowsPerBlock : nullptr;
    for (size_t row = 0; row < kRowsPerBlock; row += 16)
      Transpose16(group, row, rows_major + first, row_stride);
  }
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace ramet
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ramet {

HWY_EXPORT(WalkTop8);
HWY_EXPORT(WalkTop16);
HWY_EXPORT(WalkTop32);
HWY_EXPORT(FindLeavesIn);
HWY_EXPORT(AddTreeIn);
HWY_EXPORT(Transpose);

void WalkTop(Isa isa, const ForestTree<uint8_t>& tree, const ForestBlock<uint8_t>& block,
             size_t rows, uint8_t* exits) {
  RAMET_DISPATCH(isa, WalkTop8)(tree, block, rows, exits);
}
void WalkTop(Isa isa, const ForestTree<uint16_t>& tree, const ForestBlock<uint16_t>& block,
             size_t rows, uint16_t* exits) {
  RAMET_DISPATCH(isa, WalkTop16)(tree, block, rows, exits);
}
void WalkTop(Isa isa, const ForestTree<uint32_t>& tree, const ForestBlock<uint32_t>& block,
             size_t rows, uint32_t* exits) {
  RAMET_DISPATCH(isa, WalkTop32)(tree, block, rows, exits);
}

void FindLeavesByTriplets(Isa isa, const ForestTree<uint8_t>& tree,
                          const ForestBlock<uint8_t>& block, size_t rows, const uint8_t* exits,
                          uint32_t* leaves) {
  RAMET_CHECK(isa != Isa::kScalar);
  RAMET_DISPATCH(isa, FindLeavesIn)(tree, block, rows, exits, leaves);
}
void AddTreeByTriplets(Isa isa, const ForestTree<uint8_t>& tree, const ForestBlock<uint8_t>& block,
                       size_t rows, const uint8_t* exits, double* scores, size_t stride) {
  RAMET_CHECK(isa != Isa::kScalar);
  RAMET_DISPATCH(isa, AddTreeIn)(tree, block, rows, exits, scores, stride);
}

void TransposeBlock(Isa isa, const uint8_t* columns, size_t num_features, uint8_t* rows_major,
                    size_t row_stride) {
  RAMET_DISPATCH(isa, Transpose)(columns, num_features, rows_major, row_stride);
}

}  // namespace ramet
#endif
