#include "ramet/boost/rows.h"

#include "ramet/base/hash.h"
#include "ramet/collective/collective.h"
#include "ramet/parallel/parallel.h"

namespace ramet {
namespace {

constexpr size_t kRowsPerTask = 1 << 16;

// A hash as a number in [0, 1).
double Uniform(uint64_t hash) { return static_cast<double>(hash >> 11) * 0x1p-53; }

// The rows of a selection for which keep(row, its id) holds, found on all threads.
template <class Keep>
RowSelection Filter(const RowIds& ids, const RowSelection& from, const Keep& keep) {
  using Rows = std::vector<uint32_t>;
  const auto filter = [&](Rows& kept, size_t begin, size_t end) {
    if (from.all) {
      ids.VisitRuns(begin, end, [&](size_t first, size_t last, uint64_t id) {
        for (size_t row = first; row < last; ++row, ++id)
          if (keep(row, id)) kept.push_back(static_cast<uint32_t>(row));
      });
      return;
    }
    size_t i = begin;  // both ascend
    ids.VisitRuns(from.rows[begin], size_t{from.rows[end - 1]} + 1,
                  [&](size_t first, size_t last, uint64_t id) {
                    for (; i < end && from.rows[i] < last; ++i)
                      if (keep(from.rows[i], id + (from.rows[i] - first)))
                        kept.push_back(from.rows[i]);
                  });
  };
  return {false, ParallelReduce<Rows>(0, from.count(ids.size()), kRowsPerTask, Rows{}, filter,
                                      [](Rows& into, const Rows& piece) {
                                        into.insert(into.end(), piece.begin(), piece.end());
                                      })};
}

RowSelection Sample(const RowIds& ids, const RowSelection& from, double share, uint64_t key) {
  return Filter(ids, from,
                [&](size_t, uint64_t id) { return Uniform(CounterHash(key, id)) < share; });
}

}  // namespace

HoldOut::HoldOut(const TrainParameters& parameters, bool enabled)
    : enabled_(enabled),
      key_(StreamKey(static_cast<uint64_t>(parameters.random_state), Purpose::kValidation)),
      fraction_(parameters.validation_fraction) {}

bool HoldOut::Contains(uint64_t row_id) const {
  return enabled_ && Uniform(CounterHash(key_, row_id)) < fraction_;
}

uint64_t CountOfMembers(const Context& context, const RowIds& ids, const RowSelection& selection) {
  uint64_t count = selection.count(ids.size());
  AllSum(context, std::span(&count, 1));
  return count;
}

RowSelection HeldOutRows(const RowIds& ids, const HoldOut& hold_out) {
  if (!hold_out.enabled()) return {false, {}};
  return Filter(ids, {}, [&](size_t, uint64_t id) { return hold_out.Contains(id); });
}

RowSelection TrainingRows(const RowIds& ids, std::span<const float> weights,
                          const HoldOut& hold_out) {
  if (weights.empty() && !hold_out.enabled()) return {};
  RowSelection selection = Filter(ids, {}, [&](size_t row, uint64_t id) {
    return (weights.empty() || weights[row] != 0) && !hold_out.Contains(id);
  });
  if (selection.rows.size() == ids.size()) return {};
  return selection;
}

RowSelection SampleRound(const RowIds& ids, const RowSelection& candidates, double subsample,
                         uint64_t seed, uint64_t round) {
  return Sample(ids, candidates, subsample, StreamKey(seed, Purpose::kRowSample, round));
}

RowSelection MeasuredRows(const Context& context, const RowIds& ids, RowSelection rows) {
  const uint64_t count = CountOfMembers(context, ids, rows);
  if (count <= kMostMeasuredRows) return rows;
  const double share = static_cast<double>(kMostMeasuredRows) / static_cast<double>(count);
  return Sample(ids, rows, share, StreamKey(0, Purpose::kTrainingMetrics));
}

}  // namespace ramet
