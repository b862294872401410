// From raw scores to probabilities, values and classes.
#include <algorithm>

#include "ramet/base/fpu.h"
#include "ramet/loss/loss.h"
#include "ramet/parallel/parallel.h"
#include "ramet/predict/predict.h"

namespace ramet {

Buffer<double> Response(const Context& context, const Model& model,
                        const Buffer<double>& raw_scores) {
  const Result<const Loss*> loss = FindLoss(model.loss);
  RAMET_CHECK(loss.ok());
  const size_t outputs = model.num_outputs();
  const size_t width = model.classes.empty() ? 1 : model.classes.size();
  const size_t rows = raw_scores.size() / outputs;
  Buffer<double> response(rows * width);
  const auto respond = [&](size_t begin, size_t end) {
    if ((*loss)->respond_rows != nullptr) {
      (*loss)->respond_rows(context.isa, raw_scores.data() + begin, end - begin,
                            response.data() + begin * width);
      return;
    }
    for (size_t i = begin; i < end; ++i)
      (*loss)->respond(raw_scores.data() + i * outputs, outputs, response.data() + i * width);
  };
  constexpr size_t kRowsPerTask = 1 << 14;
  if (rows <= kRowsPerTask) {
    const FloatingPointGuard guard;
    respond(0, rows);
  } else {
    RunOnThreads(context, [&] { ParallelFor(0, rows, kRowsPerTask, respond); });
  }
  return response;
}

std::vector<uint32_t> PredictedClasses(const Model& model, const Buffer<double>& raw_scores) {
  const size_t outputs = model.num_outputs();
  std::vector<uint32_t> classes(raw_scores.size() / outputs);
  for (size_t i = 0; i < classes.size(); ++i) {
    const double* scores = raw_scores.data() + i * outputs;
    // One score is the log-odds of the second class; ties go to the first.
    classes[i] = outputs == 1
                     ? (scores[0] > 0 ? 1 : 0)
                     : static_cast<uint32_t>(std::max_element(scores, scores + outputs) - scores);
  }
  return classes;
}

}  // namespace ramet
