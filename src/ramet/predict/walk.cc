#include "ramet/predict/walk.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ramet/predict/walk.cc"
#include <hwy/foreach_target.h>
// After foreach_target.h; highway.h is read again for each target.
#include <hwy/highway.h>

#include "ramet/base/dispatch.h"

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
      const auto bin = hn::Sub(hn::Load(d, bins + node.column + row), hn::Set(d, node.missing_right));
      const auto right = hn::Gt(bin, hn::Set(d, node.limit));
      const auto goes_right = hn::And(arrive[i], right);
      const auto goes_left = hn::AndNot(right, arrive[i]);
      if (node.left & TopNode<Bin>::kExit)
        exit = hn::IfThenElse(goes_left, hn::Set(d, static_cast<Bin>(node.left & ~TopNode<Bin>::kExit)), exit);
      else
        arrive[node.left] = goes_left;
      if (node.right & TopNode<Bin>::kExit)
        exit = hn::IfThenElse(goes_right, hn::Set(d, static_cast<Bin>(node.right & ~TopNode<Bin>::kExit)), exit);
      else
        arrive[node.right] = goes_right;
    }
    hn::Store(exit, d, exits + row);
  }
}

void WalkTop8(const ForestTree<uint8_t>& tree, const uint8_t* bins, size_t rows, uint8_t* exits) {
  WalkTopOf(tree, bins, rows, exits);
}
void WalkTop16(const ForestTree<uint16_t>& tree, const uint16_t* bins, size_t rows, uint16_t* exits) {
  WalkTopOf(tree, bins, rows, exits);
}
void WalkTop32(const ForestTree<uint32_t>& tree, const uint32_t* bins, size_t rows, uint32_t* exits) {
  WalkTopOf(tree, bins, rows, exits);
}

}  // namespace HWY_NAMESPACE
}  // namespace ramet
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ramet {

HWY_EXPORT(WalkTop8);
HWY_EXPORT(WalkTop16);
HWY_EXPORT(WalkTop32);

void WalkTop(Isa isa, const ForestTree<uint8_t>& tree, const uint8_t* bins, size_t rows, uint8_t* exits) {
  RAMET_DISPATCH(isa, WalkTop8)(tree, bins, rows, exits);
}
void WalkTop(Isa isa, const ForestTree<uint16_t>& tree, const uint16_t* bins, size_t rows, uint16_t* exits) {
  RAMET_DISPATCH(isa, WalkTop16)(tree, bins, rows, exits);
}
void WalkTop(Isa isa, const ForestTree<uint32_t>& tree, const uint32_t* bins, size_t rows, uint32_t* exits) {
  RAMET_DISPATCH(isa, WalkTop32)(tree, bins, rows, exits);
}

}  // namespace ramet
#endif
