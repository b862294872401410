#include "ramet/boost/continue.h"

#include <algorithm>

#include "ramet/boost/boost.h"
#include "ramet/boost/resolve.h"
#include "ramet/predict/predict.h"
#include "ramet/predict/replay.h"

namespace ramet {

std::vector<ModelFeature> FeaturesOf(const BinMapper& mapper) {
  std::vector<ModelFeature> features;
  for (const FeatureBins& bins : mapper.features)
    features.push_back({bins.kind, bins.categories, bins.folded});
  return features;
}

void TranslateCategories(const std::vector<ModelFeature>& from, const std::vector<ModelFeature>& to,
                         Tree& tree) {
  for (Node& node : tree.nodes) {
    if (node.category_set < 0) continue;
    const ModelFeature& old_feature = from[static_cast<size_t>(node.feature)];
    const ModelFeature& new_feature = to[static_cast<size_t>(node.feature)];
    if (old_feature.categories == new_feature.categories) continue;
    CategorySet& set = tree.category_sets[static_cast<size_t>(node.category_set)];
    CategorySet translated;
    translated.others_left = set.others_left;
    translated.bits.assign((new_feature.categories.size() + 63) / 64, 0);
    for (size_t i = 0; i < new_feature.categories.size(); ++i) {
      const auto found = std::lower_bound(old_feature.categories.begin(),
                                          old_feature.categories.end(), new_feature.categories[i]);
      const bool known =
          found != old_feature.categories.end() && *found == new_feature.categories[i];
      const bool left =
          known ? set.Contains(static_cast<size_t>(found - old_feature.categories.begin()))
                : set.others_left;
      if (left) translated.bits[i / 64] |= uint64_t{1} << (i % 64);
    }
    set = std::move(translated);
  }
}

void MergeCategories(const Model& initial, Model& model) {
  for (size_t f = 0; f < model.features.size(); ++f) {
    std::vector<CategoryKey>& categories = model.features[f].categories;
    categories.insert(categories.end(), initial.features[f].categories.begin(),
                      initial.features[f].categories.end());
    std::sort(categories.begin(), categories.end());
    categories.erase(std::unique(categories.begin(), categories.end()), categories.end());
    model.features[f].folded |= initial.features[f].folded;
  }
}

Status CheckInitialModel(const Model& initial, const Dataset& data, const Loss& loss) {
  const std::string refused = "the initial model does not fit the data: ";
  if (initial.loss != loss.name)
    return InvalidArgument(refused + "its loss is " + initial.loss + ", not " +
                           std::string(loss.name) + ".");
  if (initial.classes != data.classes) return DataError(refused + "its classes are others.");
  if (initial.feature_names != data.feature_names)
    return DataError(refused + "it was trained on other features, or in another order.");
  for (size_t f = 0; f < data.mapper.features.size(); ++f)
    if (initial.features[f].kind != data.mapper.features[f].kind)
      return DataError(refused + "feature \"" + data.feature_names[f] +
                       "\" is numeric in one and categorical in the other.");
  return {};
}

namespace {

// One more value of every watch and metric, of the rows' scores (outputs x rows).
Status MeasureOnce(const Context& context, std::span<Watch> watches,
                   std::span<const Measure> metrics, std::span<const double> scores,
                   std::vector<std::vector<double>>& curves) {
  curves.resize(watches.size() * metrics.size());
  size_t curve = 0;
  for (Watch& watch : watches) {
    RAMET_ASSIGN(const std::vector<double> values, watch.Compute(context, metrics, scores));
    for (const double value : values) curves[curve++].push_back(value);
  }
  return {};
}

std::vector<double> BaseOfRows(const Model& model, size_t num_rows) {
  std::vector<double> scores;
  for (const double score : model.base_scores) scores.insert(scores.end(), num_rows, score);
  return scores;
}

}  // namespace

Result<std::vector<std::vector<double>>> CurvesOnBins(const Context& context, const Model& model,
                                                      const Dataset& data, std::span<Watch> watches,
                                                      std::span<const Measure> metrics) {
  std::vector<std::vector<double>> curves;
  std::vector<double> scores = BaseOfRows(model, data.num_rows);
  RAMET_RETURN_IF_ERROR(MeasureOnce(context, watches, metrics, scores, curves));
  Model round = model;
  const size_t outputs = model.num_outputs();
  for (size_t r = 0; r < model.num_rounds(); ++r) {
    const auto first = model.trees.begin() + static_cast<std::ptrdiff_t>(r * outputs);
    round.trees.assign(first, first + static_cast<std::ptrdiff_t>(outputs));
    RAMET_RETURN_IF_ERROR(ReplayTrees(context, round, 0, data, scores));
    RAMET_RETURN_IF_ERROR(MeasureOnce(context, watches, metrics, scores, curves));
  }
  return curves;
}

BeforeBinning ContinueFrom(const Context& context, const TrainParameters& parameters,
                           const Model& initial_model, DataRole role, const Measuring& measuring) {
  return [&context, parameters, &initial_model, role, measuring](const Table& table,
                                                                 Dataset& data) -> Status {
    RAMET_ASSIGN(const Resolved resolved, Resolve(parameters, data, measuring, false));
    RAMET_RETURN_IF_ERROR(CheckInitialModel(initial_model, data, *resolved.loss));
    const Predictor predictor(initial_model);
    const size_t outputs = initial_model.num_outputs();
    const auto transpose = [&](const Buffer<double>& row_major) {
      std::vector<double> scores(row_major.size());
      for (size_t row = 0; row < data.num_rows; ++row)
        for (size_t k = 0; k < outputs; ++k)
          scores[k * data.num_rows + row] = row_major[row * outputs + k];
      return scores;
    };
    RAMET_ASSIGN(const Buffer<double> scores, predictor.RawScores(context, table));
    data.initial_scores = transpose(scores);
    const HoldOut hold_out(parameters, resolved.stops_early && role == DataRole::kTraining);
    std::vector<Watch> watches =
        WatchesOn(context, data, role, "", hold_out, resolved.measuring, KindOf(resolved, outputs));
    if (watches.empty()) return {};
    Status status;
    const auto measure = [&](const std::vector<double>& staged) {
      if (status.ok())
        status =
            MeasureOnce(context, watches, resolved.measuring.metrics, staged, data.initial_curves);
    };
    measure(BaseOfRows(initial_model, data.num_rows));
    RAMET_RETURN_IF_ERROR(predictor.StagedRawScores(
        context, table, [&](size_t, const Buffer<double>& staged) { measure(transpose(staged)); }));
    return status;
  };
}

}  // namespace ramet
