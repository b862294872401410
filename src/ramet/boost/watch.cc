#include "ramet/boost/watch.h"

#include <algorithm>
#include <cmath>

#include "ramet/collective/collective.h"
#include "ramet/parallel/parallel.h"

namespace ramet {
namespace {

constexpr size_t kRowsPerTask = 1 << 14;

// Better than `reference` by more than `margin`; anything is better than NaN.
bool Better(const Curve& curve, double value, double reference, double margin) {
  if (std::isnan(reference)) return !std::isnan(value);
  return curve.higher_is_better ? value - reference > margin : reference - value > margin;
}

}  // namespace

Watch::Watch(std::string_view set, const Dataset& data, RowSelection rows, const ScoreKind& kind)
    : set_(set),
      data_(data),
      rows_(std::move(rows)),
      kind_(kind),
      num_rows_(rows_.count(data.num_rows)) {
  for (uint32_t row : rows_.rows) {
    labels_.push_back(data.labels[row]);
    if (!data.weights.empty()) weights_.push_back(data.weights[row]);
  }
}

Evaluation Watch::Held(std::span<const double> scores) {
  const size_t outputs = kind_.num_outputs;
  Evaluation evaluation;
  evaluation.num_outputs = outputs;
  evaluation.loss = kind_.loss;
  evaluation.loss_parameters = kind_.parameters;
  evaluation.labels =
      rows_.all ? std::span<const double>(data_.labels) : std::span<const double>(labels_);
  evaluation.weights =
      rows_.all ? std::span<const float>(data_.weights) : std::span<const float>(weights_);
  if (rows_.all && outputs == 1) {
    evaluation.raw_scores = scores;
    return evaluation;
  }
  row_major_.resize(num_rows_ * outputs);
  ParallelFor(0, num_rows_, kRowsPerTask, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i)
      for (size_t k = 0; k < outputs; ++k)
        row_major_[i * outputs + k] = scores[k * data_.num_rows + rows_[i]];
  });
  evaluation.raw_scores = row_major_;
  return evaluation;
}

Result<double> Watch::OfWhole(const Context& context, const Measure& metric,
                              const Evaluation& held) {
  if (NumMembers(context) == 1) return metric.compute(context, held);
  if (!whole_rows_) {
    std::vector<uint64_t> ids;
    for (size_t i = 0; i < num_rows_; ++i) ids.push_back(data_.ids[rows_[i]]);
    whole_rows_.emplace(context, ids, held);
  }
  RAMET_ASSIGN(const Evaluation whole, whole_rows_->Gather(context, held));
  Context alone = context;
  alone.collective = nullptr;
  RAMET_ASSIGN(const double value, metric.compute(alone, whole));
  // A function that is not of its arguments alone must not part the members.
  return AllGather(context, std::span(&value, 1))[0];
}

Result<std::vector<double>> Watch::Compute(const Context& context, std::span<const Measure> metrics,
                                           std::span<const double> scores) {
  const Evaluation held = Held(scores);
  std::vector<double> values;
  for (const Measure& metric : metrics) {
    RAMET_ASSIGN(const double value,
                 metric.whole ? OfWhole(context, metric, held) : metric.compute(context, held));
    values.push_back(value);
  }
  return values;
}

std::vector<Watch> WatchesOn(const Context& context, const Dataset& data, DataRole role,
                             std::string_view name, const HoldOut& hold_out,
                             const Measuring& measuring, const ScoreKind& kind) {
  std::vector<Watch> watches;
  if (role == DataRole::kEvalSet) {
    watches.emplace_back(name, data, RowSelection(), kind);
    return watches;
  }
  const bool holds_out = role == DataRole::kTraining && hold_out.enabled();
  if (holds_out) watches.emplace_back(kHeldOutSet, data, HeldOutRows(data.ids, hold_out), kind);
  if (measuring.training_rows)
    watches.emplace_back(
        kTrainingSet, data,
        MeasuredRows(context, data.ids, TrainingRows(data.ids, data.weights, hold_out)), kind);
  return watches;
}

bool ShouldStop(const Curve& curve, double tol, size_t patience) {
  if (curve.values.size() < patience + 1) return false;
  const auto recent = curve.values.end() - static_cast<std::ptrdiff_t>(patience);
  return std::none_of(recent, curve.values.end(),
                      [&](double value) { return Better(curve, value, recent[-1], tol); });
}

size_t BestRound(const Curve& curve) {
  size_t best = curve.values.size() > 1 ? 1 : 0;
  for (size_t round = 2; round < curve.values.size(); ++round)
    if (Better(curve, curve.values[round], curve.values[best], 0)) best = round;
  return best;
}

}  // namespace ramet
