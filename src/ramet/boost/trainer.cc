#include "ramet/boost/trainer.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>

#include "ramet/base/hash.h"
#include "ramet/boost/monotone.h"
#include "ramet/collective/collective.h"
#include "ramet/parallel/parallel.h"
#include "ramet/predict/replay.h"

namespace ramet {
namespace {

// Rows whose scores, labels and gradients stay in the second-level cache while they are updated.
constexpr size_t kRowsPerBlock = 1 << 13;

class StepTimer {
 public:
  explicit StepTimer(double& seconds)
      : seconds_(seconds), begin_(std::chrono::steady_clock::now()) {}
  ~StepTimer() { seconds_ += elapsed(); }
  double elapsed() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  }

 private:
  double& seconds_;
  std::chrono::steady_clock::time_point begin_;
};

GrowParameters GrowParametersOf(const TrainParameters& parameters, const Constraints& constraints) {
  GrowParameters grow;
  grow.split.l2_regularization = parameters.l2_regularization;
  grow.split.min_child_weight = parameters.min_child_weight;
  grow.split.min_split_gain = parameters.min_split_gain;
  grow.split.min_samples_leaf = static_cast<uint64_t>(parameters.min_samples_leaf);
  grow.split.max_categories_one_vs_rest =
      static_cast<size_t>(parameters.max_categories_one_vs_rest);
  grow.split.categorical_smoothing = parameters.categorical_smoothing;
  grow.split.categorical_l2 = parameters.categorical_l2;
  grow.split.max_categories_per_split = static_cast<size_t>(parameters.max_categories_per_split);
  grow.split.min_samples_category = static_cast<uint64_t>(parameters.min_samples_category);
  grow.split.min_samples_category_group =
      static_cast<uint64_t>(parameters.min_samples_category_group);
  grow.max_leaf_nodes =
      parameters.max_leaf_nodes == 0 ? kMaxLeaves : static_cast<size_t>(parameters.max_leaf_nodes);
  grow.max_depth = static_cast<size_t>(parameters.max_depth);
  grow.max_features = parameters.max_features;
  grow.monotonic = constraints.monotonic;
  grow.interactions = constraints.interactions;
  return grow;
}

std::vector<double> StartScores(const Dataset& data, const std::vector<double>& base_scores) {
  if (!data.initial_scores.empty()) return data.initial_scores;
  std::vector<double> scores(base_scores.size() * data.num_rows);
  for (size_t k = 0; k < base_scores.size(); ++k)
    std::fill_n(scores.begin() + static_cast<std::ptrdiff_t>(k * data.num_rows), data.num_rows,
                base_scores[k]);
  return scores;
}

constexpr auto kMergeRanges = [](GradientRange& into, const GradientRange& from) {
  into.max_gradient = std::max(into.max_gradient, from.max_gradient);
  into.max_hessian = std::max(into.max_hessian, from.max_hessian);
  into.finite &= from.finite;
};

}  // namespace

Trainer::Trainer(const Context& context, const TrainParameters& parameters, const Loss& loss,
                 const Dataset& train, std::vector<const Dataset*> eval_data,
                 const HoldOut& hold_out, Model& model, const GradientFunction& own_gradients,
                 const Constraints& constraints)
    : context_(context),
      parameters_(parameters),
      loss_(loss),
      train_(train),
      eval_data_(std::move(eval_data)),
      model_(model),
      own_gradients_(own_gradients),
      monotonic_(constraints.monotonic),
      num_rows_(train.num_rows),
      num_outputs_(model.num_outputs()),
      weights_(train.weights),
      candidates_(TrainingRows(train.ids, train.weights, hold_out)),
      scores_(StartScores(train, model.base_scores)),
      gradients_(num_outputs_ * num_rows_),
      leaf_of_row_(num_outputs_ * num_rows_),
      leaf_values_(num_outputs_),
      grower_(context, train.mapper, train.bins, GrowParametersOf(parameters, constraints)) {
  for (const Dataset* data : eval_data_)
    eval_scores_.push_back(StartScores(*data, model.base_scores));
  if (hold_out.enabled()) {
    if (weights_.empty()) weights_.assign(num_rows_, 1);
    for (const uint32_t row : HeldOutRows(train.ids, hold_out).rows) weights_[row] = 0;
  }
  if (loss.least_at_quantile != nullptr && !own_gradients_)
    residual_quantiles_.emplace(context, loss.least_at_quantile({parameters.quantile}),
                                train.labels, weights_);
}

Status Trainer::Replay(size_t first_tree) {
  const StepTimer timer(steps_.scores);
  RAMET_RETURN_IF_ERROR(ReplayTrees(context_, model_, first_tree, train_, scores_));
  for (size_t set = 0; set < eval_data_.size(); ++set)
    RAMET_RETURN_IF_ERROR(
        ReplayTrees(context_, model_, first_tree, *eval_data_[set], eval_scores_[set]));
  return {};
}

Status Trainer::ComputeGradients() {
  std::fill(leaf_of_row_.begin(), leaf_of_row_.end(), LeafIndex{0});
  for (auto& values : leaf_values_) values.clear();
  return UpdateScores(/*next_gradients=*/true);
}

Status Trainer::UpdateScores(bool next_gradients) {
  const StepTimer timer(steps_.scores);
  range_ = ParallelReduce<GradientRange>(
      0, num_rows_, kRowsPerBlock, GradientRange{},
      [&](GradientRange& range, size_t begin, size_t end) {
        for (size_t k = 0; k < num_outputs_; ++k) {
          if (leaf_values_[k].empty()) continue;
          const double* values = leaf_values_[k].data();
          double* scores = scores_.data() + k * num_rows_;
          const LeafIndex* leaves = leaf_of_row_.data() + k * num_rows_;
          for (size_t row = begin; row < end; ++row) scores[row] += values[leaves[row]];
        }
        if (!next_gradients || own_gradients_) return;
        LossBlock block{begin,        end - begin,       num_rows_,
                        num_outputs_, scores_.data(),    train_.labels.data(),
                        nullptr,      gradients_.data(), {parameters_.quantile}};
        if (!weights_.empty()) block.weights = weights_.data();
        range = loss_.gradients(context_.isa, block);
      },
      kMergeRanges);
  if (!next_gradients) return {};
  if (own_gradients_) RAMET_RETURN_IF_ERROR(ComputeOwnGradients());
  AllReduce(context_, range_, kMergeRanges);
  if (!range_.finite) return NonFiniteGradient();
  return {};
}

Status Trainer::ComputeOwnGradients() {
  const size_t size = num_outputs_ * num_rows_;
  std::vector<double> scores(size), gradients(size), hessians(size);
  for (size_t k = 0; k < num_outputs_; ++k)
    for (size_t row = 0; row < num_rows_; ++row)
      scores[row * num_outputs_ + k] = scores_[k * num_rows_ + row];
  RAMET_RETURN_IF_ERROR(own_gradients_(train_.labels, scores, gradients, hessians));
  range_ = GradientRange{};
  for (size_t k = 0; k < num_outputs_; ++k)
    for (size_t row = 0; row < num_rows_; ++row) {
      const double weight = weights_.empty() ? 1.0 : static_cast<double>(weights_[row]);
      const size_t from = row * num_outputs_ + k;
      if (hessians[from] < 0)
        return DataError("row " + std::to_string(train_.ids[row] + 1) +
                         ": the loss function returned a negative hessian. Return one of at "
                         "least 0.");
      const GradientHessian pair{static_cast<float>(gradients[from] * weight),
                                 static_cast<float>(hessians[from] * weight)};
      gradients_[k * num_rows_ + row] = pair;
      range_.max_gradient = std::max(range_.max_gradient, std::fabs(pair.gradient));
      range_.max_hessian = std::max(range_.max_hessian, pair.hessian);
      range_.finite &= std::isfinite(pair.gradient) && std::isfinite(pair.hessian);
    }
  return {};
}

// Names the first such row of all members, so that all give the same error.
Error Trainer::NonFiniteGradient() const {
  struct Culprit {
    uint64_t id = UINT64_MAX;
    double label = 0, score = 0;
  } first;
  for (size_t i = 0; i < gradients_.size(); ++i) {
    if (std::isfinite(gradients_[i].gradient) && std::isfinite(gradients_[i].hessian)) continue;
    const size_t row = i % num_rows_;
    if (const uint64_t id = train_.ids[row]; id < first.id)
      first = {id, train_.labels[row], scores_[i]};
  }
  AllReduce(context_, first, [](Culprit& into, const Culprit& from) {
    if (from.id < into.id) into = from;
  });
  return DataError("row " + std::to_string(first.id + 1) + ": the gradient of loss " +
                   std::string(loss_.name) + " is not finite (label " +
                   std::to_string(first.label) + ", score " + std::to_string(first.score) +
                   "). The label or weight is too large, or the learning rate too high: scale "
                   "the label, or lower it.");
}

void Trainer::ChooseRows(size_t round) {
  if (parameters_.subsample < 1) {
    const RowSelection sample = SampleRound(train_.ids, candidates_, parameters_.subsample,
                                            static_cast<uint64_t>(parameters_.random_state), round);
    uses_all_rows_ = false;
    grower_.UseRows(sample.rows);
  } else if (!candidates_.all) {
    uses_all_rows_ = false;
    grower_.UseRows(candidates_.rows);
  }
}

GrownTree Trainer::GrowTree(size_t round, size_t k) {
  const uint64_t seed = static_cast<uint64_t>(parameters_.random_state);
  const std::span<const GradientHessian> gradients(gradients_.data() + k * num_rows_, num_rows_);
  {
    const StepTimer timer(steps_.quantise);
    Quantise(context_, gradients, train_.ids, range_, StreamKey(seed, Purpose::kRounding, round, k),
             quantised_);
  }
  const auto before = [&] {
    const GrowTimes& times = grower_.times();
    return std::array<double, 3>{static_cast<double>(times.partition_ns),
                                 static_cast<double>(times.histogram_ns),
                                 static_cast<double>(times.split_ns)};
  };
  const std::array<double, 3> start = before();
  const int64_t exchanged_before = grower_.times().exchange_ns;
  double wall = 0;
  GrownTree grown;
  {
    const StepTimer timer(wall);
    grown = grower_.Grow(quantised_, StreamKey(seed, Purpose::kFeatureSample, round, k));
  }
  const double exchange =
      1e-9 * static_cast<double>(grower_.times().exchange_ns - exchanged_before);
  steps_.exchange += exchange;
  wall -= exchange;
  // Work inside nodes ran on several threads: its shares of the wall-clock time.
  const std::array<double, 3> end = before();
  const double total = std::max(1.0, end[0] - start[0] + end[1] - start[1] + end[2] - start[2]);
  steps_.partition += wall * (end[0] - start[0]) / total;
  steps_.histogram += wall * (end[1] - start[1]) / total;
  steps_.split += wall * (end[2] - start[2]) / total;
  return grown;
}

void Trainer::SetLeafValues(GrownTree& grown, size_t k) {
  const StepTimer timer(steps_.leaves);
  const std::span<LeafIndex> leaf_of_row(leaf_of_row_.data() + k * num_rows_, num_rows_);
  AssignLeaves(grown, grower_.row_ids(), uses_all_rows_, leaf_of_row);
  const std::vector<LeafSums> sums =
      SumLeaves(context_, grown.leaves.size(), leaf_of_row,
                {gradients_.data() + k * num_rows_, num_rows_}, range_);
  std::vector<double>& values = leaf_values_[k];
  values = residual_quantiles_
               ? residual_quantiles_->OfLeaves(grown.leaves.size(), leaf_of_row, scores_)
               : NewtonSteps(sums, parameters_.l2_regularization);
  for (size_t leaf = 0; leaf < sums.size(); ++leaf) {
    values[leaf] = values[leaf] * learning_rate_ + 0.0;
    if (!std::isfinite(values[leaf])) values[leaf] = 0;
  }
  if (!monotonic_.empty()) {
    std::vector<double> weights;
    for (const LeafSums& of_leaf : sums)
      weights.push_back(of_leaf.hessian + parameters_.l2_regularization);
    MakeMonotone(grown.tree, grown.leaves, monotonic_, weights, values);
  }
  for (size_t leaf = 0; leaf < values.size(); ++leaf)
    grown.tree.nodes[static_cast<size_t>(grown.leaves[leaf].node)].value = values[leaf];
  if (!uses_all_rows_) RouteUnusedRows(grown, train_.bins, leaf_of_row);
}

Status Trainer::Round(size_t round, bool last, double learning_rate) {
  learning_rate_ = learning_rate;
  ChooseRows(round);
  std::vector<GrownTree> trees;
  for (size_t k = 0; k < num_outputs_; ++k) {
    trees.push_back(GrowTree(round, k));
    if (context_.Cancelled()) return CancelledError("training was stopped");
    SetLeafValues(trees.back(), k);
    // Sums over members that failed are not to be believed.
    if (context_.Cancelled()) return CancelledError("training was stopped");
  }
  const Status status = UpdateScores(/*next_gradients=*/!last);
  UpdateEvalScores(trees);
  for (GrownTree& grown : trees) model_.trees.push_back(std::move(grown.tree));
  return status;
}

void Trainer::UpdateEvalScores(const std::vector<GrownTree>& trees) {
  const StepTimer timer(steps_.scores);
  for (size_t set = 0; set < eval_data_.size(); ++set) {
    const Dataset& data = *eval_data_[set];
    ParallelFor(0, data.num_rows, kRowsPerBlock, [&](size_t begin, size_t end) {
      for (size_t k = 0; k < num_outputs_; ++k)
        for (size_t row = begin; row < end; ++row) {
          const int32_t node = RouteRow(trees[k].route, data.bins.row(row));
          eval_scores_[set][k * data.num_rows + row] +=
              trees[k].tree.nodes[static_cast<size_t>(node)].value;
        }
    });
  }
}

}  // namespace ramet
