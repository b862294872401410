// The Python classes of a data set in parts.
#pragma once

#include <memory>

#include "module.h"
#include "ramet/bins/parts.h"

namespace ramet::bindings {

// They do not change once made, so that threads may share them.
struct PySurvey {
  std::shared_ptr<const Survey> survey;
};
struct PySample {
  std::shared_ptr<const Sample> sample;
};
struct PyBinning {
  std::shared_ptr<const Binning> binning;
};
struct PyPart {
  std::shared_ptr<const Part> part;
};

nb::list KindsOf(const BinMapper& mapper);

void AddParts(nb::module_& module);

}  // namespace ramet::bindings
