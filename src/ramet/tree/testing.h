// Rows of bins with gradients that depend on them, random parameters, and trees grown on them.
#pragma once

#include <algorithm>
#include <random>
#include <vector>

#include "ramet/parallel/parallel.h"
#include "ramet/tree/grow.h"

namespace ramet {

struct Problem {
  size_t num_rows;
  BinMapper mapper;
  BinnedMatrix bins;
  std::vector<NodeSums> rows;  // of one row each
  QuantisedGradients quantised;
};

inline Problem MakeProblem(size_t num_rows, size_t num_features, std::mt19937_64& random) {
  Problem p{num_rows, {}, BinnedMatrix(num_rows, num_features), {}, {}};
  std::vector<int64_t> signal(num_rows, 0);
  for (size_t f = 0; f < num_features; ++f) {
    FeatureBins feature;
    const bool categorical = random() % 3 == 0;
    const size_t size = 1 + random() % (random() % 2 == 0 ? 8 : 250);
    if (categorical) {
      feature.kind = FeatureKind::kCategorical;
      for (size_t i = 0; i < size; ++i) feature.categories.emplace_back(static_cast<int64_t>(i));
      feature.folded = random() % 2 == 0;
    } else {
      feature.has_values = true;
      for (size_t i = 0; i < size; ++i) feature.thresholds.push_back(static_cast<double>(i));
    }
    p.mapper.features.push_back(feature);
    const size_t bins = static_cast<size_t>(feature.num_bins());
    const bool missing = random() % 2 == 0;
    const int64_t slope = static_cast<int64_t>(random() % 4000);
    for (size_t row = 0; row < num_rows; ++row) {
      const uint8_t bin =
          static_cast<uint8_t>(missing && random() % 6 == 0 ? 0 : 1 + random() % (bins - 1));
      p.bins.mutable_column(f)[row] = p.bins.mutable_row(row)[f] = bin;
      signal[row] += bin % 3 == 0 ? slope : -slope;
    }
  }
  p.quantised.format = {false, 10, 12};
  p.quantised.words = Buffer<uint64_t>(2 * num_rows);
  for (size_t row = 0; row < num_rows; ++row) {
    const int64_t g = signal[row] + static_cast<int64_t>(random() % 8001) - 4000;
    const uint64_t h = 1 + random() % 4096;
    p.rows.push_back({g, h, 1});
    p.quantised.words[2 * row] = static_cast<uint64_t>(g);
    p.quantised.words[2 * row + 1] = (uint64_t{1} << 48) + h;
  }
  return p;
}

inline GrowParameters RandomParameters(std::mt19937_64& random) {
  GrowParameters parameters;
  parameters.max_leaf_nodes = 2 + random() % 40;
  parameters.max_depth = random() % 3 == 0 ? 1 + random() % 6 : 0;
  parameters.split.min_samples_leaf = 1 + random() % 20;
  parameters.split.min_child_weight = random() % 2 == 0 ? 0 : 1e-3;
  parameters.split.l2_regularization = random() % 2 == 0 ? 0 : 1;
  return parameters;
}

struct Grown {
  GrownTree grown;
  std::vector<uint32_t> row_ids;  // of each leaf ascending
};

inline Grown Grow(const Problem& p, const GrowParameters& parameters, const Context& context,
                  const std::vector<uint32_t>* rows = nullptr) {
  Grown result;
  RunOnThreads(context, [&] {
    TreeGrower grower(context, p.mapper, p.bins, parameters);
    if (rows != nullptr) grower.UseRows(*rows);
    result.grown = grower.Grow(p.quantised, 99);
    result.row_ids.assign(grower.row_ids(),
                          grower.row_ids() + (rows == nullptr ? p.num_rows : rows->size()));
  });
  for (const LeafRows& leaf : result.grown.leaves)
    std::sort(result.row_ids.begin() + leaf.begin, result.row_ids.begin() + leaf.end);
  return result;
}

inline Context ContextOf(int threads, Isa isa = SupportedIsas().back()) {
  Context context;
  context.threads = threads;
  context.isa = isa;
  return context;
}

// Monotonic constraints on some numeric features, and groups of features or a limit, or neither.
inline void ConstrainAtRandom(const Problem& p, std::mt19937_64& random,
                              GrowParameters& parameters) {
  const size_t num_features = p.mapper.features.size();
  if (random() % 3 > 0) {
    for (const FeatureBins& feature : p.mapper.features) {
      const int direction =
          feature.kind == FeatureKind::kCategorical ? 0 : static_cast<int>(random() % 3) - 1;
      parameters.monotonic.push_back(static_cast<int8_t>(direction));
    }
  }
  if (random() % 3 == 0) {
    parameters.interactions.max_path_features = 1 + random() % 2;
  } else if (random() % 2 == 0) {
    std::vector<std::vector<uint32_t>>& groups = parameters.interactions.groups;
    groups.resize(1 + random() % 4);
    for (uint32_t f = 0; f < num_features; ++f) {
      const size_t home = random() % groups.size();
      for (size_t g = 0; g < groups.size(); ++g)
        if (g == home || random() % 4 == 0) groups[g].push_back(f);
    }
  }
}

}  // namespace ramet
