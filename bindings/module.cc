#include "module.h"

NB_MODULE(_core, module) {
  using namespace ramet::bindings;
  // Objects that are alive when Python ends (a traceback's, say) are no leak of ours.
  nb::set_leak_warnings(false);
  module.doc() = "The engine, as the estimators see it; python/ramet/_core.pyi describes it.";
  module.attr("__version__") = RAMET_VERSION;
  module.attr("algorithm_version") = ramet::kAlgorithmVersion;
  AddContext(module);
  AddCollective(module);
  AddTable(module);
  AddModel(module);
  AddDataset(module);
  AddTrain(module);
  AddPredict(module);
  AddCommand(module);
}
