// exp of many scores, in vectors.

#include "ramet/loss/one_output.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ramet/loss/log_link.cc"
#include <hwy/foreach_target.h>
// After foreach_target.h, so that they are compiled per target.
#include "ramet/base/dispatch.h"
#include "ramet/base/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ramet {
namespace HWY_NAMESPACE {

void ExpRows(const double* raw_scores, size_t rows, double* response) {
  const hn::ScalableTag<double> d;
  const hn::CappedTag<double, 1> one;
  size_t i = 0;
  for (; i + hn::Lanes(d) <= rows; i += hn::Lanes(d))
    hn::StoreU(Exp(d, hn::LoadU(d, raw_scores + i)), d, response + i);
  for (; i < rows; ++i) hn::StoreU(Exp(one, hn::LoadU(one, raw_scores + i)), one, response + i);
}

}  // namespace HWY_NAMESPACE
}  // namespace ramet
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ramet {

HWY_EXPORT(ExpRows);

void RespondRowsByLogLink(Isa isa, const double* raw_scores, size_t rows, double* response) {
  RAMET_DISPATCH(isa, ExpRows)(raw_scores, rows, response);
}

}  // namespace ramet
#endif
