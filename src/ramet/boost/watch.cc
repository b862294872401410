#include "ramet/boost/watch.h"

#include <cmath>

#include "ramet/parallel/parallel.h"

namespace ramet {
namespace {

constexpr size_t kRowsPerTask = 1 << 14;

}  // namespace

Watch::Watch(const Dataset& data, std::span<const uint32_t> rows, const Metric& metric,
             size_t num_outputs)
    : metric_(metric),
      num_outputs_(num_outputs),
      num_rows_(rows.empty() ? data.num_rows : rows.size()),
      rows_(rows.begin(), rows.end()),
      data_(data) {
  for (uint32_t row : rows_) {
    labels_.push_back(data.labels[row]);
    if (!data.weights.empty()) weights_.push_back(data.weights[row]);
  }
}

double Watch::Compute(const Context& context, std::span<const double> scores) {
  Evaluation evaluation;
  evaluation.num_outputs = num_outputs_;
  evaluation.labels =
      rows_.empty() ? std::span<const double>(data_.labels) : std::span<const double>(labels_);
  evaluation.weights =
      rows_.empty() ? std::span<const float>(data_.weights) : std::span<const float>(weights_);
  if (rows_.empty() && num_outputs_ == 1) {
    evaluation.raw_scores = scores;
  } else {
    row_major_.resize(num_rows_ * num_outputs_);
    ParallelFor(0, num_rows_, kRowsPerTask, [&](size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i)
        for (size_t k = 0; k < num_outputs_; ++k)
          row_major_[i * num_outputs_ + k] =
              scores[k * data_.num_rows + (rows_.empty() ? i : rows_[i])];
    });
    evaluation.raw_scores = row_major_;
  }
  return metric_.compute(context, evaluation);
}

void EarlyStopping::Add(double value) {
  ++round_;
  const bool better = round_ == 1 || sign_ * (value - best_) > tol_ || std::isnan(best_);
  if (!better) return;
  best_ = value;
  best_round_ = round_;
}

}  // namespace ramet
