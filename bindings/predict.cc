#include "ramet/predict/predict.h"

#include "gil.h"
#include "interrupt.h"
#include "module.h"
#include "ramet/metric/metric.h"

namespace ramet::bindings {
namespace {

// Fewer rows are done before anyone could press a key.
constexpr size_t kRowsWorthInterrupting = 100'000;

struct PyPredictor {
  std::shared_ptr<const Model> model;
  Predictor predictor;

  explicit PyPredictor(const PyModel& source) : model(source.model), predictor(*source.model) {}
};

// The rows to predict: a Table by name, or the columns of a matrix by position.
class Rows {
 public:
  explicit Rows(nb::handle data) {
    if (nb::isinstance<PyTable>(data)) {
      table_ = &nb::cast<PyTable&>(data).Get();
      return;
    }
    array_.emplace(ArrayView::Of(data, "the array"));
    if (array_->ndim() != 2)
      Raise(PyExc_ValueError, "the array has " + std::to_string(array_->ndim()) +
                                  " dimensions. Give a matrix: rows x features.");
    matrix_ = array_->matrix();
  }
  size_t size() const { return table_ != nullptr ? table_->num_rows() : matrix_.rows; }
  // read(table) or read(matrix).
  template <class Read>
  auto Visit(const Read& read) const {
    return table_ != nullptr ? read(*table_) : read(matrix_);
  }

 private:
  const Table* table_ = nullptr;
  std::optional<ArrayView> array_;
  MatrixView matrix_;
};

// work(context) without the GIL; where it may take long, Ctrl-C stops it.
template <class Work>
auto Run(const Context& context, size_t rows, const Work& work) {
  if (rows > kRowsWorthInterrupting) {
    Interruptible run(context);
    auto result = run.Wait(work);
    run.RaiseIfStopped();
    return ValueOrRaise(std::move(result));
  }
  auto result = [&] {
    const ReleaseGil without_gil;
    return work(context);
  }();
  return ValueOrRaise(std::move(result));
}

Result<Buffer<double>> Scores(const PyPredictor& self, const Context& context, const Rows& rows,
                              size_t rounds) {
  return rows.Visit(
      [&](const auto& data) { return self.predictor.RawScores(context, data, rounds); });
}

nb::object RawScores(const PyPredictor& self, const Context& context, nb::handle data,
                     size_t rounds) {
  const Rows rows(data);
  Buffer<double> scores = Run(context, rows.size(), [&](const Context& stoppable) {
    return Scores(self, stoppable, rows, rounds);
  });
  return MakeArray(std::move(scores), {rows.size(), self.predictor.num_outputs()});
}

nb::object ResponseArray(const Model& model, Buffer<double> response, size_t rows) {
  if (model.classes.empty()) return MakeArray(std::move(response), {rows});
  return MakeArray(std::move(response), {rows, model.classes.size()});
}

nb::object PredictResponse(const PyPredictor& self, const Context& context, nb::handle data,
                           size_t rounds) {
  const Rows rows(data);
  Buffer<double> response =
      Run(context, rows.size(), [&](const Context& stoppable) -> Result<Buffer<double>> {
        RAMET_ASSIGN(const Buffer<double> scores, Scores(self, stoppable, rows, rounds));
        return Response(stoppable, *self.model, scores);
      });
  return ResponseArray(*self.model, std::move(response), rows.size());
}

nb::object Classes(const PyPredictor& self, const Context& context, nb::handle data,
                   size_t rounds) {
  if (self.model->classes.empty())
    Raise(PyExc_ValueError, "the model predicts numbers, not classes.");
  const Rows rows(data);
  Buffer<int64_t> classes =
      Run(context, rows.size(), [&](const Context& stoppable) -> Result<Buffer<int64_t>> {
        RAMET_ASSIGN(const Buffer<double> scores, Scores(self, stoppable, rows, rounds));
        const std::vector<uint32_t> indices = PredictedClasses(*self.model, scores);
        Buffer<int64_t> wide(indices.size());
        std::copy(indices.begin(), indices.end(), wide.begin());
        return wide;
      });
  return MakeArray(std::move(classes), {rows.size()});
}

nb::object Leaves(const PyPredictor& self, const Context& context, nb::handle data) {
  const Rows rows(data);
  Buffer<int32_t> leaves = Run(context, rows.size(), [&](const Context& stoppable) {
    return rows.Visit([&](const auto& table) { return self.predictor.Leaves(stoppable, table); });
  });
  return MakeArray(std::move(leaves), {rows.size(), self.predictor.num_trees()});
}

// The predictor is kept alive by nanobind (keep_alive below).
struct PyStagedScores {
  StagedScores staged;
  Context context;
  size_t rows, outputs;

  nb::object Next() {
    const bool more =
        Run(context, rows, [&](const Context& stoppable) { return staged.Next(stoppable); });
    if (!more) throw nb::stop_iteration();
    return CopyArray(staged.scores().span(), {rows, outputs});
  }
};

PyStagedScores Stage(const PyPredictor& self, const Context& context, nb::handle data) {
  const Rows rows(data);
  StagedScores staged = Run(context, rows.size(), [&](const Context& stoppable) {
    return rows.Visit([&](const auto& table) { return self.predictor.Stage(stoppable, table); });
  });
  return {std::move(staged), context, rows.size(), self.predictor.num_outputs()};
}

nb::object ResponseOf(const PyModel& model, nb::handle raw_scores) {
  const Contiguous<double> scores(raw_scores, "raw_scores");
  if (scores.columns() != model.model->num_outputs())
    Raise(PyExc_ValueError, "raw_scores has " + std::to_string(scores.columns()) +
                                " columns, the model has " +
                                std::to_string(model.model->num_outputs()) + " outputs.");
  const Context context = ValueOrRaise(Context::FromEnvironment());
  Buffer<double> response = [&] {
    const ReleaseGil without_gil;
    return Response(context, *model.model, Copied(scores.span()));
  }();
  return ResponseArray(*model.model, std::move(response), scores.rows());
}

double ComputeMetric(const Context& context, const std::string& name, nb::handle labels,
                     nb::handle raw_scores, nb::handle weights, const std::string& loss,
                     double quantile) {
  const Metric* const metric = ValueOrRaise(FindMetric(name));
  const Contiguous<double> label_values(labels, "labels"), scores(raw_scores, "raw_scores");
  std::optional<Contiguous<float>> weight_values;
  if (!weights.is_none()) weight_values.emplace(weights, "weights");
  const size_t rows = label_values.rows();
  if (scores.rows() != rows || (weight_values && weight_values->rows() != rows))
    Raise(PyExc_ValueError, "labels, raw_scores and weights must have equally many rows.");
  Evaluation evaluation;
  evaluation.raw_scores = scores.span();
  evaluation.num_outputs = scores.columns();
  evaluation.labels = label_values.span();
  if (weight_values) evaluation.weights = weight_values->span();
  if (!loss.empty()) evaluation.loss = ValueOrRaise(FindLoss(loss));
  evaluation.loss_parameters.quantile = quantile;
  const ReleaseGil without_gil;
  return metric->compute(context, evaluation);
}

}  // namespace

void AddPredict(nb::module_& module) {
  nb::class_<PyStagedScores>(module, "StagedScores")
      .def("__iter__", [](nb::handle self) { return nb::borrow(self); })
      .def("__next__", &PyStagedScores::Next);
  nb::class_<PyPredictor>(module, "Predictor")
      .def(nb::init<const PyModel&>(), nb::arg("model"))
      .def_prop_ro("num_outputs",
                   [](const PyPredictor& self) { return self.predictor.num_outputs(); })
      .def("raw_scores", &RawScores, nb::arg("context"), nb::arg("data"), nb::arg("rounds") = 0)
      .def("response", &PredictResponse, nb::arg("context"), nb::arg("data"), nb::arg("rounds") = 0)
      .def("classes", &Classes, nb::arg("context"), nb::arg("data"), nb::arg("rounds") = 0)
      .def("leaves", &Leaves, nb::arg("context"), nb::arg("data"))
      .def("staged_raw_scores", &Stage, nb::arg("context"), nb::arg("data"),
           nb::keep_alive<0, 1>());
  module.def("response_of", &ResponseOf, nb::arg("model"), nb::arg("raw_scores"));
  module.def("compute_metric", &ComputeMetric, nb::arg("context"), nb::arg("name"),
             nb::arg("labels"), nb::arg("raw_scores"), nb::arg("weights").none(),
             nb::arg("loss") = "", nb::arg("quantile") = 0.5);
}

}  // namespace ramet::bindings
