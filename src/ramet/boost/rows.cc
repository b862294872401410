#include "ramet/boost/rows.h"

#include "ramet/base/hash.h"
#include "ramet/parallel/parallel.h"

namespace ramet {
namespace {

constexpr size_t kRowsPerTask = 1 << 16;

// A hash as a number in [0, 1).
double Uniform(uint64_t hash) { return static_cast<double>(hash >> 11) * 0x1p-53; }

// Ascending positions in [0, n) for which `keep` holds, found on all threads.
template <class Keep>
std::vector<uint32_t> Filter(size_t n, const Keep& keep) {
  using Rows = std::vector<uint32_t>;
  return ParallelReduce<Rows>(
      0, n, kRowsPerTask, Rows{},
      [&](Rows& rows, size_t begin, size_t end) {
        for (size_t i = begin; i < end; ++i)
          if (keep(i)) rows.push_back(static_cast<uint32_t>(i));
      },
      [](Rows& into, const Rows& from) { into.insert(into.end(), from.begin(), from.end()); });
}

// Each of the candidates (all rows if there are none) with probability `share`.
std::vector<uint32_t> Sample(size_t num_rows, std::span<const uint32_t> candidates, double share,
                             uint64_t key) {
  std::vector<uint32_t> chosen =
      Filter(candidates.empty() ? num_rows : candidates.size(), [&](size_t i) {
        return Uniform(CounterHash(key, candidates.empty() ? i : candidates[i])) < share;
      });
  if (!candidates.empty())
    for (uint32_t& row : chosen) row = candidates[row];
  return chosen;
}

}  // namespace

HoldOut::HoldOut(const TrainParameters& parameters, bool enabled)
    : enabled_(enabled),
      key_(StreamKey(static_cast<uint64_t>(parameters.random_state), Purpose::kValidation)),
      fraction_(parameters.validation_fraction) {}

bool HoldOut::Contains(uint64_t row) const {
  return enabled_ && Uniform(CounterHash(key_, row)) < fraction_;
}

std::vector<uint32_t> HeldOutRows(size_t num_rows, const HoldOut& hold_out) {
  if (!hold_out.enabled()) return {};
  return Filter(num_rows, [&](size_t row) { return hold_out.Contains(row); });
}

std::vector<uint32_t> TrainingRows(size_t num_rows, std::span<const float> weights,
                                   const HoldOut& hold_out) {
  if (weights.empty() && !hold_out.enabled()) return {};
  std::vector<uint32_t> rows = Filter(num_rows, [&](size_t row) {
    return (weights.empty() || weights[row] != 0) && !hold_out.Contains(row);
  });
  if (rows.size() == num_rows) rows.clear();
  return rows;
}

std::vector<uint32_t> SampleRound(size_t num_rows, std::span<const uint32_t> candidates,
                                  double subsample, uint64_t seed, uint64_t round) {
  return Sample(num_rows, candidates, subsample, StreamKey(seed, Purpose::kRowSample, round));
}

std::vector<uint32_t> MeasuredRows(size_t num_rows, std::vector<uint32_t> rows) {
  const size_t count = rows.empty() ? num_rows : rows.size();
  if (count <= kMostMeasuredRows) return rows;
  const double share = static_cast<double>(kMostMeasuredRows) / static_cast<double>(count);
  return Sample(num_rows, rows, share, StreamKey(0, Purpose::kTrainingMetrics));
}

}  // namespace ramet
