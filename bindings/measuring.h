// What training measures: the engine's metrics by name, and metrics of the caller's own.
#pragma once

#include "interrupt.h"
#include "module.h"
#include "ramet/boost/boost.h"

namespace ramet::bindings {

// None where all rows weigh 1.
nb::object WeightsArray(std::span<const float> weights);

// `metrics` holds names and Metrics, which must live as long as what is returned.
Measuring ToMeasuring(Interruptible& run, nb::handle metrics, bool watch_training);

void AddMetric(nb::module_& module);

}  // namespace ramet::bindings
