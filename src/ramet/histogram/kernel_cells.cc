// Scratch into cells, and cells into cells: streams of integers, in vectors.

#include "ramet/histogram/kernel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ramet/histogram/kernel_cells.cc"
#include <hwy/foreach_target.h>
// After foreach_target.h; highway.h is read again for each target.
#include <hwy/highway.h>

#include "ramet/base/dispatch.h"

HWY_BEFORE_NAMESPACE();
namespace ramet {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// p[i] += v, in 64 bits.
template <class D, class V>
HWY_INLINE void AddTo(D d, V v, hn::TFromD<D>* p) {
  hn::StoreU(hn::Add(hn::LoadU(d, p), v), d, p);
}

template <bool kPacked, class D>
HWY_INLINE size_t Widen(D du, uint64_t* scratch, size_t begin, size_t end, int64_t* gradients,
                        uint64_t* hessians, uint32_t* counts) {
  const hn::RebindToSigned<D> di;
  const hn::Rebind<uint32_t, D> du32;
  const size_t lanes = hn::Lanes(du);
  size_t i = begin;
  for (; i + lanes <= end; i += lanes) {
    hn::Vec<D> gradient, hessian, count;
    if (kPacked) {
      const auto word = hn::LoadU(du, scratch + i);
      // The gradient's low 28 bits, sign-extended; what it borrowed from the fields above is given
      // back.
      gradient = hn::BitCast(du, hn::ShiftRight<36>(hn::BitCast(di, hn::ShiftLeft<36>(word))));
      const auto rest = hn::Sub(word, gradient);
      hessian = hn::And(hn::ShiftRight<28>(rest), hn::Set(du, uint64_t{0xffffff}));
      count = hn::ShiftRight<52>(rest);
      hn::StoreU(hn::Zero(du), du, scratch + i);
    } else {
      hn::Vec<D> count_hessian;
      hn::LoadInterleaved2(du, scratch + 2 * i, gradient, count_hessian);
      hessian = hn::And(count_hessian, hn::Set(du, (uint64_t{1} << 48) - 1));
      count = hn::ShiftRight<48>(count_hessian);
      hn::StoreU(hn::Zero(du), du, scratch + 2 * i);
      hn::StoreU(hn::Zero(du), du, scratch + 2 * i + lanes);
    }
    AddTo(di, hn::BitCast(di, gradient), gradients + i);
    AddTo(du, hessian, hessians + i);
    AddTo(du32, hn::TruncateTo(du32, count), counts + i);
  }
  return i;
}

template <bool kPacked>
void WidenFeature(uint64_t* scratch, size_t num_bins, int64_t* gradients, uint64_t* hessians,
                  uint32_t* counts) {
  const size_t rest = Widen<kPacked>(hn::ScalableTag<uint64_t>(), scratch, 0, num_bins, gradients,
                                     hessians, counts);
  Widen<kPacked>(hn::CappedTag<uint64_t, 1>(), scratch, rest, num_bins, gradients, hessians,
                 counts);
}
void WidenFeaturePacked(uint64_t* scratch, size_t num_bins, int64_t* gradients, uint64_t* hessians,
                        uint32_t* counts) {
  WidenFeature<true>(scratch, num_bins, gradients, hessians, counts);
}
void WidenFeatureWide(uint64_t* scratch, size_t num_bins, int64_t* gradients, uint64_t* hessians,
                      uint32_t* counts) {
  WidenFeature<false>(scratch, num_bins, gradients, hessians, counts);
}

// a[i] = op(a[i], b[i]).
template <class T, class Op>
HWY_INLINE void Combine(T* a, const T* b, size_t size, const Op& op) {
  const hn::ScalableTag<T> d;
  size_t i = 0;
  for (; i + hn::Lanes(d) <= size; i += hn::Lanes(d))
    hn::StoreU(op(hn::LoadU(d, a + i), hn::LoadU(d, b + i)), d, a + i);
  const hn::CappedTag<T, 1> d1;
  for (; i < size; ++i) hn::StoreU(op(hn::LoadU(d1, a + i), hn::LoadU(d1, b + i)), d1, a + i);
}

void Plus(size_t n, int64_t* g, uint64_t* h, uint32_t* c, const int64_t* og, const uint64_t* oh,
          const uint32_t* oc) {
  const auto add = [](auto a, auto b) HWY_ATTR { return hn::Add(a, b); };
  Combine(g, og, n, add);
  Combine(h, oh, n, add);
  Combine(c, oc, n, add);
}
void Minus(size_t n, int64_t* g, uint64_t* h, uint32_t* c, const int64_t* og, const uint64_t* oh,
           const uint32_t* oc) {
  const auto subtract = [](auto a, auto b) HWY_ATTR { return hn::Sub(a, b); };
  Combine(g, og, n, subtract);
  Combine(h, oh, n, subtract);
  Combine(c, oc, n, subtract);
}

}  // namespace HWY_NAMESPACE
}  // namespace ramet
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ramet {

HWY_EXPORT(WidenFeaturePacked);
HWY_EXPORT(WidenFeatureWide);
HWY_EXPORT(Plus);
HWY_EXPORT(Minus);

void WidenPacked(Isa isa, uint64_t* scratch, size_t num_bins, int64_t* gradients,
                 uint64_t* hessians, uint32_t* counts) {
  RAMET_DISPATCH(isa, WidenFeaturePacked)(scratch, num_bins, gradients, hessians, counts);
}
void WidenWide(Isa isa, uint64_t* scratch, size_t num_bins, int64_t* gradients, uint64_t* hessians,
               uint32_t* counts) {
  RAMET_DISPATCH(isa, WidenFeatureWide)(scratch, num_bins, gradients, hessians, counts);
}
void AddCells(Isa isa, size_t num_cells, int64_t* gradients, uint64_t* hessians, uint32_t* counts,
              const int64_t* other_gradients, const uint64_t* other_hessians,
              const uint32_t* other_counts) {
  RAMET_DISPATCH(isa, Plus)
  (num_cells, gradients, hessians, counts, other_gradients, other_hessians, other_counts);
}
void SubtractCells(Isa isa, size_t num_cells, int64_t* gradients, uint64_t* hessians,
                   uint32_t* counts, const int64_t* other_gradients, const uint64_t* other_hessians,
                   const uint32_t* other_counts) {
  RAMET_DISPATCH(isa, Minus)
  (num_cells, gradients, hessians, counts, other_gradients, other_hessians, other_counts);
}

}  // namespace ramet
#endif
