// What the files of this folder share: the Python classes' C++ side, and who registers what.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "arrays.h"
#include "errors.h"
#include "ramet/bins/dataset.h"
#include "ramet/boost/parameters.h"
#include "ramet/model/model.h"
#include "ramet/parallel/context.h"
#include "ramet/table/table.h"

namespace ramet::bindings {

// A table until Dataset.make takes it.
struct PyTable {
  std::unique_ptr<Table> table;
  Table& Get();
  Table Take();
};

// Models and data sets do not change once made, so that threads may share them.
struct PyModel {
  std::shared_ptr<const Model> model;
};
struct PyDataset {
  std::shared_ptr<const Dataset> data;
};

// Python's int | str.
nb::object ToPython(const CategoryKey& key);
nb::list ToPython(const std::vector<CategoryKey>& keys);
// The parameters' texts over the defaults; ValueError for an unknown name or value.
using Texts = std::map<std::string, std::string>;
TrainParameters ToParameters(const Texts& texts);
void AddCollective(nb::module_& module);
void AddContext(nb::module_& module);
void AddTable(nb::module_& module);
void AddModel(nb::module_& module);
void AddDataset(nb::module_& module);
void AddTrain(nb::module_& module);
void AddPredict(nb::module_& module);
void AddCommand(nb::module_& module);

}  // namespace ramet::bindings
