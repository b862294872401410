// FindBins: quantiles of sampled rows for numbers, exact counts for categories.

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "ramet/base/buffer.h"
#include "ramet/bins/bins.h"
#include "ramet/bins/quantiles.h"
#include "ramet/bins/sample.h"
#include "ramet/parallel/parallel.h"

namespace ramet {
namespace {

constexpr size_t kRowsPerBlock = 4096;

// Consecutive sampled rows of one chunk.
struct Piece {
  size_t chunk, begin, end;  // positions in the sample
};

std::vector<Piece> PiecesOf(const Table& table, std::span<const uint64_t> sample) {
  constexpr size_t kSamplesPerPiece = 1024;
  std::vector<Piece> pieces;
  size_t begin = 0;
  for (size_t c = 0; c < table.num_chunks() && begin < sample.size(); ++c) {
    const uint64_t chunk_end = table.chunk_begin(c) + table.chunk(c).num_rows();
    while (begin < sample.size() && sample[begin] < chunk_end) {
      size_t end = std::min(sample.size(), begin + kSamplesPerPiece);
      while (sample[end - 1] >= chunk_end) --end;
      pieces.push_back({c, begin, end});
      begin = end;
    }
  }
  return pieces;
}

FeatureBins BinsOfValues(std::span<const double> sampled, std::span<const uint64_t> sample,
                         std::span<const float> weights, int max_bins) {
  std::vector<WeightedValue> values;
  values.reserve(sampled.size());
  for (size_t i = 0; i < sampled.size(); ++i)
    if (!std::isnan(sampled[i]))
      values.push_back({sampled[i], weights.empty() ? 1.0 : weights[sample[i]]});
  SortByValue(values);
  FeatureBins bins;
  bins.kind = FeatureKind::kNumeric;
  bins.has_values = !values.empty();
  bins.thresholds = NumericThresholds(values, max_bins);
  return bins;
}

// The bins of numeric features, given by their positions among `columns`. Columns are read some
// together, because in a row-major matrix they share cache lines.
void FindNumericBins(const Context& context, const Table& table, std::span<const size_t> columns,
                     std::span<const size_t> numeric, std::span<const uint64_t> sample,
                     std::span<const float> weights, int max_bins, BinMapper& mapper) {
  constexpr size_t kTogether = 16;
  const size_t threads = static_cast<size_t>(std::max(1, context.threads));
  const size_t group_size =
      std::min(numeric.size(), (threads + kTogether - 1) / kTogether * kTogether);
  const std::vector<Piece> pieces = PiecesOf(table, sample);
  Buffer<double> values(group_size * sample.size());  // column-major
  for (size_t first = 0; first < numeric.size(); first += group_size) {
    const size_t count = std::min(group_size, numeric.size() - first);
    ParallelFor(0, pieces.size(), 1, [&](size_t p, size_t) {
      if (context.Cancelled()) return;
      const Piece& piece = pieces[p];
      const auto rows = sample.subspan(piece.begin, piece.end - piece.begin);
      for (size_t j = 0; j < count; ++j)
        table.chunk(piece.chunk)
            .column(columns[numeric[first + j]])
            .ReadNumbersAt(rows, table.chunk_begin(piece.chunk),
                           values.data() + j * sample.size() + piece.begin);
    });
    ParallelFor(0, count, 1, [&](size_t j, size_t) {
      if (context.Cancelled()) return;
      const std::span sampled(values.data() + j * sample.size(), sample.size());
      mapper.features[numeric[first + j]] = BinsOfValues(sampled, sample, weights, max_bins);
    });
  }
}

Error Stopped() { return CancelledError("stopped while finding bins"); }

struct KeyHash {
  size_t operator()(const CategoryKey& key) const { return std::hash<CategoryKey>()(key); }
};
using KeyCounts = std::unordered_map<CategoryKey, uint64_t, KeyHash>;

Error InColumn(const Table& table, size_t column, Error error) {
  error.message = "column \"" + table.schema().fields[column].name + "\": " + error.message;
  return error;
}

// Exact counts of the keys of one column; rows of weight zero count nowhere.
Result<KeyCounts> CountKeys(const Context& context, const Table& table, size_t column,
                            std::span<const float> weights) {
  KeyCounts counts;
  std::vector<KeyView> block(kRowsPerBlock);
  for (size_t c = 0; c < table.num_chunks(); ++c) {
    const ColumnView view = table.chunk(c).column(column);
    const size_t first_row = table.chunk_begin(c);
    std::vector<uint64_t*> by_code;  // counters of this chunk's dictionary entries
    for (size_t begin = 0; begin < view.length(); begin += kRowsPerBlock) {
      const size_t end = std::min(view.length(), begin + kRowsPerBlock);
      if (context.Cancelled()) return Stopped();
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

Result<FeatureBins> FindCategoricalBins(const Context& context, const Table& table, size_t column,
                                        std::span<const float> weights) {
  RAMET_ASSIGN(KeyCounts counts, CountKeys(context, table, column, weights));
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
  std::vector<size_t> numeric, categorical;
  for (size_t i = 0; i < columns.size(); ++i)
    (kinds[i] == FeatureKind::kNumeric ? numeric : categorical).push_back(i);
  RunOnThreads(context, [&] {
    if (!numeric.empty()) {
      const std::vector<uint64_t> sample =
          SampleRows(context, table.num_rows(), weights, parameters.sample_rows, parameters.seed);
      if (context.Cancelled()) return;
      FindNumericBins(context, table, columns, numeric, sample, weights, parameters.max_bins,
                      mapper);
    }
    ParallelFor(0, categorical.size(), 1, [&](size_t j, size_t) {
      const size_t i = categorical[j];
      Result<FeatureBins> bins = FindCategoricalBins(context, table, columns[i], weights);
      if (bins.ok())
        mapper.features[i] = *std::move(bins);
      else
        statuses[i] = bins.TakeError();
    });
  });
  if (context.Cancelled()) return Stopped();
  for (Status& status : statuses)
    if (!status.ok()) return status.TakeError();
  return mapper;
}

}  // namespace ramet
