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
HWY_INLINE size_t CountBelow(D d, const double* HWY_RESTRICT values, V x) {
  size_t count = 0;
  for (size_t i = 0; i < kThresholdsPerGroup; i += hn::Lanes(d))
    count += hn::CountTrue(d, hn::Lt(hn::LoadU(d, values + i), x));
  return count;
}

bool EncodeGroups(const double* HWY_RESTRICT last_of_group, const double* HWY_RESTRICT thresholds,
                  const double* HWY_RESTRICT values, size_t count, uint8_t* HWY_RESTRICT out) {
  const hn::ScalableTag<double> d;
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
bool EncodeGroups(const double*, const double*, const double*, size_t, uint8_t*) { return false; }
#endif

}  // namespace HWY_NAMESPACE
}  // namespace ramet
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ramet {

HWY_EXPORT(EncodeGroups);

bool EncodeByGroups(Isa isa, const double* last_of_group, const double* thresholds,
                    const double* values, size_t count, uint8_t* out) {
  return RAMET_DISPATCH(isa, EncodeGroups)(last_of_group, thresholds, values, count, out);
}

}  // namespace ramet
#endif
