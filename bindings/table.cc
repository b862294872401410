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
    const nb::gil_scoped_release without_gil;
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

// The columns of one array: 1-D is one column, 2-D as many as it has.
void AddColumns(const ArrayView& array, const std::vector<std::string>& names,
                std::vector<StridedColumn>& columns) {
  if (array.ndim() != 1 && array.ndim() != 2)
    Raise(PyExc_ValueError, "an array has " + std::to_string(array.ndim()) +
                                " dimensions. Give arrays of one or two.");
  const MatrixView matrix = array.matrix();
  for (size_t i = 0; i < matrix.columns; ++i) {
    // A missing name is an error of the caller below, who counts.
    const size_t position = columns.size();
    columns.push_back({position < names.size() ? names[position] : "", matrix.column(i)});
  }
}

Table FromArrays(const std::vector<std::string>& names, nb::handle arrays) {
  std::vector<StridedColumn> columns;
  auto views = std::make_shared<std::vector<ArrayView>>();
  for (nb::handle array : arrays) {
    views->push_back(ArrayView::Of(array, "an array of the table"));
    AddColumns(views->back(), names, columns);
  }
  if (columns.size() != names.size())
    Raise(PyExc_ValueError, "there are " + std::to_string(names.size()) + " names for " +
                                std::to_string(columns.size()) + " columns.");
  return ValueOrRaise(Table::FromColumns(std::move(columns), std::move(views)));
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
