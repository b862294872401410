// Calls the variant of a Highway kernel for a given instruction set.
//
//   HWY_EXPORT(SumOfBins);                           // after HWY_AFTER_NAMESPACE, in namespace
//   ramet RAMET_DISPATCH(context.isa, SumOfBins)(a, b);
//
// A file of kernels includes <hwy/highway.h> itself, since that header is read anew for each target
// and this one is not.
//
// Highway's own HWY_DYNAMIC_DISPATCH chooses through a global; here the choice travels in the
// Context.
#pragma once

#include <hwy/highway.h>

#include "ramet/base/isa.h"

#define RAMET_DISPATCH(isa, FUNCTION) \
  (*HWY_DISPATCH_TABLE(FUNCTION)[::ramet::HighwayTableIndex(isa)])
