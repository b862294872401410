// FindBins: quantiles of sampled rows for numbers, exact counts for categories.

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "ramet/bins/bins.h"
#include "ramet/bins/quantiles.h"
#include "ramet/bins/sample.h"
#include "ramet/parallel/parallel.h"

namespace ramet {
namespace {

constexpr size_t kRowsPerBlock = 4096;

FeatureBins FindNumericBins(const Table& table, size_t column, std::span<const uint64_t> sample,
                            std::span<const float> weights, int max_bins) {
  std::vector<WeightedValue> values;
  values.reserve(sample.size());
  std::vector<double> block(kRowsPerBlock);
  auto next = sample.begin();
  for (size_t c = 0; c < table.num_chunks() && next != sample.end(); ++c) {
    const ColumnView view = table.chunk(c).column(column);
    const size_t first_row = table.chunk_begin(c);
    for (size_t begin = 0; begin < view.length(); begin += kRowsPerBlock) {
      const size_t end = std::min(view.length(), begin + kRowsPerBlock);
      if (next == sample.end() || *next >= first_row + end) continue;
      view.ReadNumbers(begin, end, block.data());
      for (; next != sample.end() && *next < first_row + end; ++next) {
        const double value = block[*next - first_row - begin];
        if (!std::isnan(value)) values.push_back({value, weights.empty() ? 1.0 : weights[*next]});
      }
    }
  }
  SortByValue(values);
  FeatureBins bins;
  bins.kind = FeatureKind::kNumeric;
  bins.has_values = !values.empty();
  bins.thresholds = NumericThresholds(values, max_bins);
  return bins;
}

struct KeyHash {
  size_t operator()(const CategoryKey& key) const { return std::hash<CategoryKey>()(key); }
};
using KeyCounts = std::unordered_map<CategoryKey, uint64_t, KeyHash>;

Error InColumn(const Table& table, size_t column, Error error) {
  error.message = "column \"" + table.schema().fields[column].name + "\": " + error.message;
  return error;
}

// Exact counts of the keys of one column; rows of weight zero count nowhere.
Result<KeyCounts> CountKeys(const Table& table, size_t column, std::span<const float> weights) {
  KeyCounts counts;
  std::vector<KeyView> block(kRowsPerBlock);
  for (size_t c = 0; c < table.num_chunks(); ++c) {
    const ColumnView view = table.chunk(c).column(column);
    const size_t first_row = table.chunk_begin(c);
    std::vector<uint64_t*> by_code;  // counters of this chunk's dictionary entries
    for (size_t begin = 0; begin < view.length(); begin += kRowsPerBlock) {
      const size_t end = std::min(view.length(), begin + kRowsPerBlock);
      if (Status status = view.ReadKeys(begin, end, block.data()); !status.ok())
        return InColumn(table, column, status.TakeError());
      for (size_t i = begin; i < end; ++i) {
        const KeyView& key = block[i - begin];
        if (key.kind == KeyView::Kind::kMissing ||
            (!weights.empty() && weights[first_row + i] == 0))
          continue;
        if (key.code >= 0) {
          if (by_code.size() <= static_cast<size_t>(key.code))
            by_code.resize(key.code + 1, nullptr);
          uint64_t*& counter = by_code[key.code];
          if (counter == nullptr) counter = &counts[key.ToKey()];
          ++*counter;
        } else {
          ++counts[key.ToKey()];
        }
      }
      if (counts.size() > kMaxCategoriesPerColumn)
        return DataError("column \"" + table.schema().fields[column].name + "\" has more than " +
                         std::to_string(kMaxCategoriesPerColumn) +
                         " distinct categories. Drop it, or group its values before training.");
    }
  }
  return counts;
}

Result<FeatureBins> FindCategoricalBins(const Table& table, size_t column,
                                        std::span<const float> weights) {
  RAMET_ASSIGN(KeyCounts counts, CountKeys(table, column, weights));
  std::vector<std::pair<uint64_t, CategoryKey>> ordered;
  ordered.reserve(counts.size());
  for (auto& [key, count] : counts) ordered.emplace_back(count, key);
  std::sort(ordered.begin(), ordered.end());  // rarest first, ties by key

  FeatureBins bins;
  bins.kind = FeatureKind::kCategorical;
  bins.folded = ordered.size() > kMaxCategoryBins;
  const size_t first_kept = bins.folded ? ordered.size() - kMaxCategoryBins : 0;
  for (size_t i = first_kept; i < ordered.size(); ++i)
    bins.categories.push_back(std::move(ordered[i].second));
  std::sort(bins.categories.begin(), bins.categories.end());
  return bins;
}

}  // namespace

Result<BinMapper> FindBins(const Context& context, const Table& table,
                           std::span<const size_t> columns, std::span<const FeatureKind> kinds,
                           std::span<const float> weights, const BinningParameters& parameters) {
  RAMET_CHECK(columns.size() == kinds.size());
  if (parameters.max_bins < 2 || parameters.max_bins > 255)
    return InvalidArgument("max_bins is " + std::to_string(parameters.max_bins) +
                           ". Use 2 to 255.");
  for (size_t i = 0; i < columns.size(); ++i) {
    const Field& field = table.schema().fields[columns[i]];
    if (kinds[i] == FeatureKind::kNumeric && !IsNumeric(field.type))
      return DataError("column \"" + field.name + "\" holds " +
                       std::string(ValueTypeName(field.type)) +
                       "s and cannot be read as numbers. Read it as a category, or drop it.");
  }
  BinMapper mapper;
  mapper.features.resize(columns.size());
  std::vector<Status> statuses(columns.size());
  RunOnThreads(context, [&] {
    const std::vector<uint64_t> sample =
        SampleRows(table.num_rows(), weights, parameters.sample_rows, parameters.seed);
    ParallelFor(0, columns.size(), 1, [&](size_t begin, size_t end) {
      for (size_t i = begin; i < end && !context.Cancelled(); ++i) {
        if (kinds[i] == FeatureKind::kNumeric) {
          mapper.features[i] =
              FindNumericBins(table, columns[i], sample, weights, parameters.max_bins);
          continue;
        }
        Result<FeatureBins> bins = FindCategoricalBins(table, columns[i], weights);
        if (bins.ok())
          mapper.features[i] = *std::move(bins);
        else
          statuses[i] = bins.TakeError();
      }
    });
  });
  if (context.Cancelled()) return CancelledError("stopped while finding bins");
  for (Status& status : statuses)
    if (!status.ok()) return status.TakeError();
  return mapper;
}

}  // namespace ramet
