#include "ramet/split/split.h"

#include "ramet/parallel/parallel.h"
#include "ramet/split/feature.h"

namespace ramet {
namespace {

constexpr size_t kFeaturesPerTask = 64;

}  // namespace

Split FindBestSplit(const Context& context, const HistogramLayout& layout, const CellFormat& format,
                    const Histogram& histogram, const NodeSums& node, const SplitParameters& parameters,
                    std::span<const uint32_t> allowed) {
  const size_t num_candidates = allowed.empty() ? layout.num_features() : allowed.size();
  const double gradient_step = format.gradient_step(), hessian_step = format.hessian_step();
  return ParallelReduce<Split>(
      0, num_candidates, kFeaturesPerTask, Split{},
      [&](Split& best, size_t begin, size_t end) {
        for (size_t i = begin; i < end; ++i) {
          const size_t feature = allowed.empty() ? i : allowed[i];
          const size_t cell = layout.begin(feature);
          const FeatureCells cells{histogram.gradients() + cell, histogram.hessians() + cell, histogram.counts() + cell,
                                   layout.num_bins(feature),     node,                        gradient_step,
                                   hessian_step,                 &parameters};
          Split split =
              layout.categorical(feature) ? FindCategoricalSplit(cells) : FindNumericSplit(context.isa, cells);
          if (!(split.gain > 0)) continue;
          split.feature = static_cast<int32_t>(feature);
          if (Better(split, best)) best = split;
        }
      },
      [](Split& into, const Split& from) {
        if (Better(from, into)) into = from;
      });
}

}  // namespace ramet
