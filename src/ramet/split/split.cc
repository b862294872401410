#include "ramet/split/split.h"

#include <algorithm>

#include "ramet/parallel/parallel.h"
#include "ramet/split/feature.h"

namespace ramet {
namespace {

constexpr size_t kFeaturesPerTask = 64;

}  // namespace

double BoundedValue(const CellFormat& format, const NodeSums& sums,
                    const SplitParameters& parameters, const Monotone& monotone) {
  FeatureCells cells{};
  cells.gradient_step = format.gradient_step();
  cells.hessian_step = format.hessian_step();
  const double h = cells.WeightOf(sums) + parameters.l2_regularization;
  return h > 0 ? ClippedValue(cells.GradientOf(sums), h, monotone.lower, monotone.upper) : 0;
}

namespace {

FeatureCells CellsOfNode(const CellFormat& format, const NodeSums& node,
                         const SplitParameters& parameters, const Monotone& monotone) {
  FeatureCells cells{};
  cells.node = node;
  cells.gradient_step = format.gradient_step();
  cells.hessian_step = format.hessian_step();
  cells.parameters = &parameters;
  cells.bounded = !monotone.directions.empty();
  cells.lower = monotone.lower;
  cells.upper = monotone.upper;
  const double h = cells.WeightOf(node) + parameters.l2_regularization;
  const double g = cells.GradientOf(node);
  if (cells.bounded && h > 0)
    cells.node_score = ValueScore(g, h, ClippedValue(g, h, cells.lower, cells.upper));
  return cells;
}

// Nothing, where scores are gains already.
double ScoreOfNode(const FeatureCells& cells) {
  const double h = cells.WeightOf(cells.node) + cells.parameters->l2_regularization;
  const double g = cells.GradientOf(cells.node);
  return cells.bounded || !(h > 0) ? 0 : g * g / h;
}

}  // namespace

Split FindBestScore(const Context& context, const HistogramLayout& layout, const CellFormat& format,
                    const Histogram& histogram, const NodeSums& node,
                    const SplitParameters& parameters, std::span<const uint32_t> allowed,
                    const Monotone& monotone) {
  const auto first_allowed =
      std::lower_bound(allowed.begin(), allowed.end(), layout.first_feature());
  const auto end_allowed = std::lower_bound(first_allowed, allowed.end(), layout.end_feature());
  const std::span<const uint32_t> own(first_allowed, end_allowed);
  const size_t num_candidates = allowed.empty() ? layout.num_features() : own.size();
  const FeatureCells cells = CellsOfNode(format, node, parameters, monotone);
  const double score_to_beat = ScoreOfNode(cells) + parameters.min_split_gain;
  return ParallelReduce<Split>(
      0, num_candidates, kFeaturesPerTask, Split{},
      [&](Split& local, size_t begin, size_t end) {
        for (size_t i = begin; i < end; ++i) {
          const size_t feature = allowed.empty() ? layout.first_feature() + i : own[i];
          const size_t cell = layout.begin(feature);
          FeatureCells of_feature = cells;
          of_feature.gradients = histogram.gradients() + cell;
          of_feature.hessians = histogram.hessians() + cell;
          of_feature.counts = histogram.counts() + cell;
          of_feature.num_bins = layout.num_bins(feature);
          if (cells.bounded) of_feature.direction = monotone.directions[feature];
          // Features come in order, so that a later one must be strictly better (S1).
          const double to_beat = std::max(score_to_beat, local.gain);
          Split split = layout.categorical(feature)
                            ? FindCategoricalSplit(of_feature, to_beat)
                            : FindNumericSplit(context.isa, of_feature, to_beat);
          if (!(split.gain > to_beat)) continue;
          split.feature = static_cast<int32_t>(feature);
          local = split;
        }
      },
      [](Split& into, const Split& from) {
        if (Better(from, into)) into = from;
      });
}

Split SplitOfScore(Split best, const CellFormat& format, const NodeSums& node,
                   const SplitParameters& parameters, const Monotone& monotone) {
  if (best.found()) best.gain -= ScoreOfNode(CellsOfNode(format, node, parameters, monotone));
  return best.gain > 0 ? best : Split{};
}

Split FindBestSplit(const Context& context, const HistogramLayout& layout, const CellFormat& format,
                    const Histogram& histogram, const NodeSums& node,
                    const SplitParameters& parameters, std::span<const uint32_t> allowed,
                    const Monotone& monotone) {
  return SplitOfScore(
      FindBestScore(context, layout, format, histogram, node, parameters, allowed, monotone),
      format, node, parameters, monotone);
}

}  // namespace ramet
