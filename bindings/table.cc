#include "gil.h"
#include "module.h"
#include "ramet/table/arrow_c.h"

namespace ramet::bindings {
namespace {

constexpr const char* kUsedUp =
    "this table was used up when a data set was made of it. Make another.";

// All batches of anything with __arrow_c_stream__. The producer may be slow (a generator, a file):
// between batches Python hears of signals.
Table ReadStream(const nb::object& producer) {
  if (!nb::hasattr(producer, "__arrow_c_stream__"))
    Raise(PyExc_TypeError, "an object of type " + nb::cast<std::string>(nb::repr(producer.type())) +
                               " has no Arrow stream (__arrow_c_stream__).");
  const nb::object capsule = producer.attr("__arrow_c_stream__")();
  auto* const stream =
      static_cast<ArrowArrayStream*>(PyCapsule_GetPointer(capsule.ptr(), "arrow_array_stream"));
  if (stream == nullptr) throw nb::python_error();
  std::optional<TableStream> input;
  std::vector<Chunk> chunks;
  const auto next = [&]() -> Result<bool> {
    const ReleaseGil without_gil;
    if (!input) {
      RAMET_ASSIGN(input, TableStream::Import(stream));
    }
    RAMET_ASSIGN(std::optional<Chunk> chunk, input->Next());
    if (!chunk) return false;
    chunks.push_back(std::move(*chunk));
    return true;
  };
  while (ValueOrRaise(next()))
    if (PyErr_CheckSignals() != 0) throw nb::python_error();
  return Table(input->shared_schema(), std::move(chunks));
}

// The columns of one array, whose names begin at `first`: 1-D is one column, 2-D as many as it has.
size_t AddColumns(const ArrayView& array, const std::vector<std::string>& names, size_t first,
                  std::vector<StridedColumn>& columns) {
  if (array.ndim() != 1 && array.ndim() != 2)
    Raise(PyExc_ValueError, "an array has " + std::to_string(array.ndim()) +
                                " dimensions. Give arrays of one or two.");
  const MatrixView matrix = array.matrix();
  for (size_t i = 0; i < matrix.columns; ++i)
    columns.push_back({first + i < names.size() ? names[first + i] : "", matrix.column(i)});
  return matrix.columns;
}

// An array with the Arrow PyCapsule interface, and the capsules that its structures lie in.
struct ArrowSource {
  nb::object capsules;
  ArrowColumn column;

  static ArrowSource Of(nb::handle array, std::string name) {
    nb::object capsules = array.attr("__arrow_c_array__")();
    auto* const schema = static_cast<ArrowSchema*>(
        PyCapsule_GetPointer(nb::object(capsules[0]).ptr(), "arrow_schema"));
    auto* const values = static_cast<ArrowArray*>(
        PyCapsule_GetPointer(nb::object(capsules[1]).ptr(), "arrow_array"));
    if (schema == nullptr || values == nullptr) throw nb::python_error();
    return {std::move(capsules), {std::move(name), schema, values}};
  }
};

Table FromArrays(const std::vector<std::string>& names, nb::handle arrays) {
  std::vector<StridedColumn> columns;
  std::vector<ArrowSource> sources;
  auto views = std::make_shared<std::vector<ArrayView>>();
  size_t next = 0;
  for (nb::handle array : arrays) {
    // A missing name is an error below, where all are counted.
    if (nb::hasattr(array, "__arrow_c_array__")) {
      sources.push_back(ArrowSource::Of(array, next < names.size() ? names[next] : ""));
      ++next;
    } else {
      views->push_back(ArrayView::Of(array, "an array of the table"));
      next += AddColumns(views->back(), names, next, columns);
    }
  }
  if (next != names.size())
    Raise(PyExc_ValueError, "there are " + std::to_string(names.size()) + " names for " +
                                std::to_string(next) + " columns.");
  std::vector<ArrowColumn> arrow;
  for (ArrowSource& source : sources) arrow.push_back(std::move(source.column));
  return ValueOrRaise(Table::FromColumns(std::move(columns), std::move(views), std::move(arrow)));
}

}  // namespace

Table& PyTable::Get() {
  if (!table) Raise(PyExc_ValueError, kUsedUp);
  return *table;
}

Table PyTable::Take() {
  Table taken = std::move(Get());
  table.reset();
  return taken;
}

void AddTable(nb::module_& module) {
  nb::class_<PyTable>(module, "Table")
      .def_static(
          "from_arrow",
          [](const nb::object& stream) {
            return PyTable{std::make_unique<Table>(ReadStream(stream))};
          },
          nb::arg("stream"))
      .def_static(
          "from_arrays",
          [](const std::vector<std::string>& names, nb::handle columns) {
            return PyTable{std::make_unique<Table>(FromArrays(names, columns))};
          },
          nb::arg("names"), nb::arg("columns"))
      .def_prop_ro("num_rows", [](PyTable& self) { return self.Get().num_rows(); })
      .def_prop_ro("column_names", [](PyTable& self) {
        std::vector<std::string> names;
        for (const Field& field : self.Get().schema().fields) names.push_back(field.name);
        return names;
      });
}

}  // namespace ramet::bindings
