#include "ramet/bins/group_search.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ramet/bins/group_search.cc"
#include <hwy/foreach_target.h>
// After foreach_target.h; highway.h is read again for each target.
#include <hwy/highway.h>

#include "ramet/base/dispatch.h"

HWY_BEFORE_NAMESPACE();
namespace ramet {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128 && HWY_TARGET != HWY_SSE4 && \
    HWY_TARGET != HWY_NEON
// How many of 16 values are below x.
template <class D, class V>
HWY_INLINE size_t CountBelow(D d, const hn::TFromD<D>* HWY_RESTRICT values, V x) {
  size_t count = 0;
  for (size_t i = 0; i < kThresholdsPerGroup; i += hn::Lanes(d))
    count += hn::CountTrue(d, hn::Lt(hn::LoadU(d, values + i), x));
  return count;
}

template <class T>
HWY_INLINE bool EncodeGroups(const T* HWY_RESTRICT last_of_group, const T* HWY_RESTRICT thresholds,
                             const T* HWY_RESTRICT values, size_t count,
                             uint8_t* HWY_RESTRICT out) {
  const hn::CappedTag<T, kThresholdsPerGroup> d;
  for (size_t i = 0; i < count; ++i) {
    const auto x = hn::Set(d, values[i]);
    // At most 15: the last group ends with infinity.
    const size_t group = CountBelow(d, last_of_group, x);
    const size_t within = CountBelow(d, thresholds + kThresholdsPerGroup * group, x);
    out[i] =
        static_cast<uint8_t>(values[i] == values[i] ? kThresholdsPerGroup * group + within + 1 : 0);
  }
  return true;
}
#else
template <class T>
HWY_INLINE bool EncodeGroups(const T*, const T*, const T*, size_t, uint8_t*) {
  return false;
}
#endif

bool EncodeFloat64(const double* last_of_group, const double* thresholds, const double* values,
                   size_t count, uint8_t* out) {
  return EncodeGroups(last_of_group, thresholds, values, count, out);
}
bool EncodeFloat32(const float* last_of_group, const float* thresholds, const float* values,
                   size_t count, uint8_t* out) {
  return EncodeGroups(last_of_group, thresholds, values, count, out);
}

}  // namespace HWY_NAMESPACE
}  // namespace ramet
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ramet {

HWY_EXPORT(EncodeFloat64);
HWY_EXPORT(EncodeFloat32);

bool EncodeByGroups(Isa isa, const double* last_of_group, const double* thresholds,
                    const double* values, size_t count, uint8_t* out) {
  return RAMET_DISPATCH(isa, EncodeFloat64)(last_of_group, thresholds, values, count, out);
}
bool EncodeByGroups(Isa isa, const float* last_of_group, const float* thresholds,
                    const float* values, size_t count, uint8_t* out) {
  return RAMET_DISPATCH(isa, EncodeFloat32)(last_of_group, thresholds, values, count, out);
}

}  // namespace ramet
#endif
