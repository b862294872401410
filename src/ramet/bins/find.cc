// Bins: quantiles of sampled rows for numbers, exact counts for categories.

#include "ramet/bins/find.h"

#include <algorithm>
#include <cmath>

#include "ramet/bins/class_weight.h"
#include "ramet/bins/quantiles.h"
#include "ramet/bins/roles.h"

namespace ramet {
namespace {

Error Stopped() { return CancelledError("stopped while finding bins"); }

// For one feature after the other: the system may take a freed block back at once, and clear its
// pages anew at the next use.
struct Space {
  std::vector<WeightedValue> values, sorting;
};

FeatureBins BinsOfValues(std::span<const double> sampled, std::span<const float> weights,
                         int max_bins, Space& space) {
  std::vector<WeightedValue>& values = space.values;
  values.clear();
  values.reserve(sampled.size());
  for (size_t i = 0; i < sampled.size(); ++i)
    if (!std::isnan(sampled[i])) values.push_back({sampled[i], weights.empty() ? 1.0 : weights[i]});
  SortByValue(values, space.sorting);
  FeatureBins bins;
  bins.kind = FeatureKind::kNumeric;
  bins.has_values = !values.empty();
  bins.thresholds = NumericThresholds(values, max_bins);
  return bins;
}

// The most frequent ones; of equally frequent ones the larger keys.
FeatureBins BinsOfCategories(const std::vector<std::pair<CategoryKey, uint64_t>>& counts) {
  std::vector<uint32_t> order(counts.size());
  for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  FeatureBins bins;
  bins.kind = FeatureKind::kCategorical;
  bins.folded = counts.size() > kMaxCategoryBins;
  if (bins.folded) {
    // Keys ascend with i.
    std::nth_element(order.begin(), order.begin() + kMaxCategoryBins, order.end(),
                     [&](uint32_t a, uint32_t b) {
                       return std::pair(counts[a].second, a) > std::pair(counts[b].second, b);
                     });
    order.resize(kMaxCategoryBins);
    std::sort(order.begin(), order.end());
  }
  for (const uint32_t i : order) bins.categories.push_back(counts[i].first);
  return bins;
}

size_t ThreadsOf(const Context& context) {
  return static_cast<size_t>(std::max(1, context.threads));
}

// How many features' values are held at a time: read together, because in a row-major matrix they
// share cache lines.
size_t FeaturesAtATime(size_t threads) {
  constexpr size_t kTogether = 16;
  return (threads + kTogether - 1) / kTogether * kTogether;
}

std::vector<size_t> NumericOnes(std::span<const FeatureSurvey> features) {
  std::vector<size_t> numeric;
  for (size_t i = 0; i < features.size(); ++i)
    if (features[i].kind == FeatureKind::kNumeric) numeric.push_back(i);
  return numeric;
}

Status CheckSample(const Survey& survey, const Sample& sample,
                   const BinningParameters& parameters) {
  const size_t numeric = NumericOnes(survey.features).size();
  const uint64_t wanted = numeric == 0 ? 0 : parameters.sample_rows;
  if (sample.num_features != numeric || sample.wanted != wanted || sample.seed != parameters.seed)
    return InvalidArgument(
        "the sample was taken with other settings than the survey. Take them alike.");
  const uint64_t expected = std::min(wanted, survey.rows.counted);
  if (sample.num_rows() == expected) return {};
  return InvalidArgument(
      "the sample has " + std::to_string(sample.num_rows()) + " rows, not the " +
      std::to_string(expected) + " that the survey says." +
      (sample.enough() ? " Merge the samples of all parts that were surveyed, each once."
                       : " Merge the samples of all parts; if it says so again, take them with "
                         "everything."));
}

// True if all products of weight and factor are 1.
bool AllOne(const WeightFacts& facts, double factor) {
  const auto is_one = [&](float weight) {
    return static_cast<float>(double{weight} * factor) == 1;
  };
  return facts.rows == 0 || (is_one(facts.least) && is_one(facts.most));
}

Status CheckClasses(const Survey& survey) {
  if (!survey.spec.classification || survey.classes.size() >= 2) return {};
  return DataError(
      Quoted(survey.label.name) + " has only one class" +
      (survey.classes.empty() ? "" : ", \"" + ToString(survey.classes[0].first) + "\"") +
      ". A classifier needs at least two.");
}

}  // namespace

Result<BinMapper> FindBins(const Context& context, std::span<const FeatureSurvey> features,
                           size_t sampled_rows, std::span<const float> weights,
                           const SampledValues& values, const BinningParameters& parameters) {
  if (parameters.max_bins < 2 || parameters.max_bins > 255)
    return InvalidArgument("max_bins is " + std::to_string(parameters.max_bins) +
                           ". Use 2 to 255.");
  BinMapper mapper;
  mapper.features.resize(features.size());
  const std::vector<size_t> numeric = NumericOnes(features);
  RunOnThreads(context, [&] {
    const size_t threads = ThreadsOf(context);
    const size_t at_a_time = FeaturesAtATime(threads);
    for (size_t first = 0; first < numeric.size() && !context.Cancelled(); first += at_a_time) {
      const size_t count = std::min(at_a_time, numeric.size() - first);
      const double* const of_group = values(first, count);
      ParallelFor(0, count, std::max<size_t>(1, count / (2 * threads)), [&](size_t j, size_t end) {
        Space space;
        for (; j < end && !context.Cancelled(); ++j)
          mapper.features[numeric[first + j]] = BinsOfValues(
              {of_group + j * sampled_rows, sampled_rows}, weights, parameters.max_bins, space);
      });
    }
    ParallelFor(0, features.size(), 1, [&](size_t i, size_t) {
      if (features[i].kind == FeatureKind::kCategorical && !context.Cancelled())
        mapper.features[i] = BinsOfCategories(features[i].counts);
    });
  });
  if (context.Cancelled()) return Stopped();
  return mapper;
}

Result<BinMapper> FindBinsOfWhole(const Context& context, const Table& table,
                                  std::span<const size_t> columns,
                                  std::span<const FeatureSurvey> features,
                                  std::span<const float> weights, uint64_t counted,
                                  const BinningParameters& parameters) {
  std::vector<size_t> numeric = NumericOnes(features);
  for (size_t& i : numeric) i = columns[i];
  HashedRows sample;
  if (!numeric.empty()) {
    RunOnThreads(context, [&] {
      sample = SampleOfWhole(context, table.num_rows(), weights, counted, parameters.sample_rows,
                             parameters.seed);
    });
    if (context.Cancelled()) return Stopped();
  }
  std::vector<float> sampled_weights;
  if (!weights.empty())
    for (const uint64_t row : sample.rows) sampled_weights.push_back(weights[row]);
  Buffer<double> values(std::min(numeric.size(), FeaturesAtATime(ThreadsOf(context))) *
                        sample.rows.size());
  return FindBins(
      context, features, sample.rows.size(), sampled_weights,
      [&](size_t first, size_t count) {
        ReadRows(context, table, std::span(numeric).subspan(first, count), sample.rows,
                 values.data());
        return values.data();
      },
      parameters);
}

Result<Binning> StartBinning(const Survey& survey) {
  if (survey.rows.rows == 0) return DataError("the table has no rows.");
  if (survey.weight && survey.rows.most == 0)
    return DataError(Quoted(survey.weight->name) +
                     ": all weights are zero, so there is nothing to learn from.");
  RAMET_RETURN_IF_ERROR(CheckClasses(survey));
  Binning binning;
  binning.training_rows = survey.rows.rows;
  binning.label_name = survey.label.name;
  for (const FeatureSurvey& feature : survey.features) {
    binning.feature_names.push_back(feature.column.name);
    binning.feature_types.push_back(feature.column.format);
  }
  std::vector<uint64_t> class_rows;
  for (const auto& [key, facts] : survey.classes) {
    binning.classes.push_back(key);
    class_rows.push_back(facts.rows);
  }
  if (!survey.spec.class_weight.empty()) {
    RAMET_ASSIGN(binning.class_factors,
                 ClassFactors(survey.spec.class_weight, binning.classes, class_rows));
  }
  if (survey.rows.counted == 0)
    return DataError(
        "all rows weigh zero by class_weight and their own weights, so there is nothing to learn "
        "from.");
  binning.weighted = !AllOne(survey.rows, 1);
  if (!binning.class_factors.empty()) {
    binning.weighted = false;
    for (size_t k = 0; k < survey.classes.size(); ++k)
      binning.weighted |= !AllOne(survey.classes[k].second, binning.class_factors[k]);
  }
  return binning;
}

Result<Binning> FindBinning(const Context& context, const Survey& survey, const Sample& sample,
                            const BinningParameters& parameters) {
  RAMET_ASSIGN(Binning binning, StartBinning(survey));
  RAMET_RETURN_IF_ERROR(CheckSample(survey, sample, parameters));
  RAMET_ASSIGN(binning.mapper, FindBins(
                                   context, survey.features, sample.num_rows(), sample.weights,
                                   [&](size_t first, size_t) {
                                     return sample.values.data() + first * sample.num_rows();
                                   },
                                   parameters));
  return binning;
}

}  // namespace ramet
