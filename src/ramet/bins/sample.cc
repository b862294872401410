#include "ramet/bins/sample.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "ramet/base/hash.h"
#include "ramet/bins/class_weight.h"
#include "ramet/bins/find.h"
#include "ramet/bins/survey.h"
#include "ramet/parallel/parallel.h"

namespace ramet {
namespace {

constexpr size_t kRowsPerTask = 1 << 16;

using Hashed = std::pair<uint64_t, uint64_t>;  // hash, row

// The k smallest, by row.
void Keep(uint64_t k, std::vector<Hashed>& rows) {
  if (rows.size() > k) {
    std::nth_element(rows.begin(), rows.begin() + static_cast<ptrdiff_t>(k), rows.end());
    rows.resize(k);
  }
  std::sort(rows.begin(), rows.end(),
            [](const Hashed& a, const Hashed& b) { return a.second < b.second; });
}

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

// The rows' weights, class factors included.
Result<std::vector<float>> WeightsOf(const Context& context, const Table& table,
                                     const DataSpec& spec, const Roles& roles,
                                     const Binning& binning) {
  if (binning.class_factors.empty()) return ReadWeights(context, table, roles);
  RAMET_ASSIGN(LabelledRows rows, ReadLabels(context, table, roles, spec, &binning.classes));
  RAMET_RETURN_IF_ERROR(MultiplyByClass(binning.class_factors, rows.labels, rows.weights));
  return std::move(rows.weights);
}

// Where a row of a merged sample comes from.
struct Source {
  uint64_t hash, id;
  size_t sample, row;
};

Result<std::vector<Source>> SourcesOf(std::span<const Sample* const> samples,
                                      uint64_t largest_hash) {
  std::vector<Source> sources;
  for (size_t s = 0; s < samples.size(); ++s)
    for (size_t i = 0; i < samples[s]->num_rows(); ++i)
      if (samples[s]->hashes[i] <= largest_hash)
        sources.push_back({samples[s]->hashes[i], samples[s]->ids[i], s, i});
  const auto by_hash = [](const Source& a, const Source& b) {
    return std::pair(a.hash, a.id) < std::pair(b.hash, b.id);
  };
  const size_t wanted = std::min<uint64_t>(samples[0]->wanted, sources.size());
  std::nth_element(sources.begin(), sources.begin() + static_cast<ptrdiff_t>(wanted), sources.end(),
                   by_hash);
  sources.resize(wanted);
  std::sort(sources.begin(), sources.end(),
            [](const Source& a, const Source& b) { return a.id < b.id; });
  for (size_t i = 1; i < sources.size(); ++i)
    if (sources[i].id == sources[i - 1].id)
      return InvalidArgument(
          "row " + std::to_string(sources[i].id) +
          " is in two of the samples. Merge those of parts that do not overlap.");
  return sources;
}

// Rows that follow each other in a sample and in the merged one.
struct Run {
  size_t sample, row, length;
};

std::vector<Run> RunsOf(std::span<const Source> sources) {
  std::vector<Run> runs;
  for (const Source& source : sources) {
    if (!runs.empty() && runs.back().sample == source.sample &&
        runs.back().row + runs.back().length == source.row)
      ++runs.back().length;
    else
      runs.push_back({source.sample, source.row, 1});
  }
  return runs;
}

}  // namespace

HashedRows SmallestHashes(const Context& context, size_t num_rows, uint64_t first_row,
                          std::span<const float> weights, uint64_t k, uint64_t seed,
                          uint64_t largest_hash) {
  const uint64_t key = StreamKey(seed, Purpose::kBinSample);
  std::vector<Hashed> rows = ParallelReduce<std::vector<Hashed>>(
      0, num_rows, kRowsPerTask, {},
      [&](std::vector<Hashed>& local, size_t begin, size_t end) {
        if (context.Cancelled()) return;
        for (size_t row = begin; row < end; ++row) {
          const uint64_t hash = CounterHash(key, first_row + row);
          if (hash <= largest_hash && (weights.empty() || weights[row] != 0))
            local.emplace_back(hash, row);
        }
      },
      [](std::vector<Hashed>& into, const std::vector<Hashed>& from) {
        into.insert(into.end(), from.begin(), from.end());
      });
  Keep(k, rows);
  HashedRows result;
  for (const auto& [hash, row] : rows) {
    result.rows.push_back(row);
    result.hashes.push_back(hash);
  }
  return result;
}

uint64_t LikelyLargestHash(uint64_t counted, uint64_t k) {
  // Ten standard deviations of the number of rows below the hash, and more where that is few.
  const double likely = static_cast<double>(k) + 10 * std::sqrt(static_cast<double>(k)) + 100;
  const double share = likely / static_cast<double>(counted);
  return share < 1 ? static_cast<uint64_t>(std::ldexp(share, 64)) : ~uint64_t{0};
}

HashedRows SampleOfWhole(const Context& context, size_t num_rows, std::span<const float> weights,
                         uint64_t counted, uint64_t k, uint64_t seed) {
  HashedRows rows =
      SmallestHashes(context, num_rows, 0, weights, k, seed, LikelyLargestHash(counted, k));
  if (rows.rows.size() >= std::min(k, counted) || context.Cancelled()) return rows;
  return SmallestHashes(context, num_rows, 0, weights, k, seed, ~uint64_t{0});
}

void ReadRows(const Context& context, const Table& table, std::span<const size_t> columns,
              std::span<const uint64_t> rows, double* out) {
  const std::vector<Piece> pieces = PiecesOf(table, rows);
  ParallelFor(0, pieces.size(), 1, [&](size_t p, size_t) {
    if (context.Cancelled()) return;
    const Piece& piece = pieces[p];
    for (size_t j = 0; j < columns.size(); ++j)
      table.chunk(piece.chunk)
          .column(columns[j])
          .ReadNumbersAt(rows.subspan(piece.begin, piece.end - piece.begin),
                         table.chunk_begin(piece.chunk), out + j * rows.size() + piece.begin);
  });
}

Result<Sample> TakeSample(const Context& context, const Table& table, const Survey& survey,
                          uint64_t first_row, const BinningParameters& parameters,
                          bool everything) {
  RAMET_ASSIGN(const Binning binning, StartBinning(survey));
  const DataSpec spec = SettledSpec(survey);
  RAMET_ASSIGN(const Roles roles, FindRoles(table.schema(), spec));
  RAMET_RETURN_IF_ERROR(CheckReadable(table.schema(), roles));
  std::vector<size_t> numeric;
  for (size_t i = 0; i < roles.features.size(); ++i)
    if (roles.kinds[i] == FeatureKind::kNumeric) numeric.push_back(roles.features[i]);
  Sample sample;
  sample.wanted = numeric.empty() ? 0 : parameters.sample_rows;
  sample.seed = parameters.seed;
  sample.num_features = numeric.size();
  sample.largest_hash =
      everything ? ~uint64_t{0} : LikelyLargestHash(survey.rows.counted, sample.wanted);
  RAMET_ASSIGN(const std::vector<float> weights, WeightsOf(context, table, spec, roles, binning));
  RunOnThreads(context, [&] {
    HashedRows rows = SmallestHashes(context, table.num_rows(), first_row, weights, sample.wanted,
                                     sample.seed, sample.largest_hash);
    Buffer<double> values(numeric.size() * rows.rows.size());
    ReadRows(context, table, numeric, rows.rows, values.data());
    sample.values = Shared<double>(std::move(values));
    for (const uint64_t row : rows.rows) {
      sample.ids.push_back(first_row + row);
      if (!weights.empty()) sample.weights.push_back(weights[row]);
    }
    sample.hashes = std::move(rows.hashes);
  });
  if (context.Cancelled()) return CancelledError("stopped while finding bins");
  return sample;
}

Result<Sample> Merge(std::span<const Sample* const> samples) {
  if (samples.empty()) return InvalidArgument("there are no samples to merge.");
  Sample merged;
  merged.wanted = samples[0]->wanted;
  merged.seed = samples[0]->seed;
  merged.num_features = samples[0]->num_features;
  merged.largest_hash = ~uint64_t{0};
  bool weighted = false;
  for (const Sample* sample : samples) {
    if (sample->wanted != merged.wanted || sample->seed != merged.seed ||
        sample->num_features != merged.num_features)
      return InvalidArgument(
          "these samples were taken with different settings. Take them all alike.");
    merged.largest_hash = std::min(merged.largest_hash, sample->largest_hash);
    weighted |= !sample->weights.empty();
  }
  RAMET_ASSIGN(const std::vector<Source> sources, SourcesOf(samples, merged.largest_hash));
  for (const Source& source : sources) {
    const Sample& sample = *samples[source.sample];
    merged.ids.push_back(source.id);
    merged.hashes.push_back(source.hash);
    if (weighted) merged.weights.push_back(sample.weights.empty() ? 1 : sample.weights[source.row]);
  }
  const std::vector<Run> runs = RunsOf(sources);
  Buffer<double> values(merged.num_features * sources.size());
  double* out = values.data();
  for (size_t f = 0; f < merged.num_features; ++f)
    for (const Run& run : runs) {
      const Sample& sample = *samples[run.sample];
      const double* const from = sample.values.data() + f * sample.num_rows() + run.row;
      out = std::copy_n(from, run.length, out);
    }
  merged.values = Shared<double>(std::move(values));
  return merged;
}

}  // namespace ramet
