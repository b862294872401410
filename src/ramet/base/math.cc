#include "ramet/base/math.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ramet/base/math.cc"
#include <hwy/foreach_target.h>
// After foreach_target.h, so that it is compiled per target.
#include "ramet/base/dispatch.h"
#include "ramet/base/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ramet {
namespace HWY_NAMESPACE {

double ExpOne(double x) {
  const hn::CappedTag<double, 1> d;
  return hn::GetLane(Exp(d, hn::Set(d, x)));
}
double LogOne(double x) {
  const hn::CappedTag<double, 1> d;
  return hn::GetLane(Log(d, hn::Set(d, x)));
}

}  // namespace HWY_NAMESPACE
}  // namespace ramet
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ramet {

// The scalar target runs everywhere and gives the bits of all others.
double Exp(double x) { return HWY_STATIC_DISPATCH(ExpOne)(x); }
double Log(double x) { return HWY_STATIC_DISPATCH(LogOne)(x); }

}  // namespace ramet
#endif
