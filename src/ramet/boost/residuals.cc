#include "ramet/boost/residuals.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "ramet/collective/collective.h"
#include "ramet/metric/ranking.h"
#include "ramet/parallel/parallel.h"

namespace ramet {
namespace {

constexpr size_t kRowsPerTask = 1 << 15;
constexpr size_t kMaxChunks = 64;
// Up to so many records of a leaf are handed over: more cost more than the weights of their digits.
constexpr size_t kFewTogether = 4096;
constexpr size_t kLeavesPerExchange = 512;  // 8 MiB of weights

void Set(ResidualQuantiles::Plain& record, uint64_t key, int64_t) { record = {key}; }
void Set(ResidualQuantiles::Weighted& record, uint64_t key, int64_t weight) {
  record = {key, weight};
}

// Narrows the selections by all members' records, until few are left of each.
template <class Record>
void NarrowTogether(const Context& context, std::span<Selection<Record>> selections) {
  std::vector<Extent> extents(selections.size());
  ParallelFor(0, selections.size(), 1,
              [&](size_t i, size_t) { extents[i] = selections[i].ExtentOfRecords(); });
  AllReduce(context, std::span(extents),
            [](Extent& into, const Extent& from) { into.Merge(from); });
  std::vector<Selection<Record>*> open;
  for (size_t i = 0; i < selections.size(); ++i) {
    selections[i].Begin(extents[i]);
    if (extents[i].records > kFewTogether) open.push_back(&selections[i]);
  }
  while (!open.empty()) {
    std::vector<uint64_t> records(open.size());
    for (size_t begin = 0; begin < open.size(); begin += kLeavesPerExchange) {
      const size_t count = std::min(kLeavesPerExchange, open.size() - begin);
      std::vector<DigitWeights> weights(count);
      ParallelFor(0, count, 1,
                  [&](size_t i, size_t) { weights[i] = open[begin + i]->WeighDigits(); });
      AllReduce(context, std::span(weights), [](DigitWeights& into, const DigitWeights& from) {
        for (size_t digit = 0; digit < from.size(); ++digit) into[digit] += from[digit];
      });
      ParallelFor(0, count, 1, [&](size_t i, size_t) {
        open[begin + i]->Narrow(weights[i]);
        records[begin + i] = open[begin + i]->records().size();
      });
    }
    AllSum(context, std::span(records));
    size_t still_open = 0;
    for (size_t i = 0; i < open.size(); ++i)
      if (records[i] > kFewTogether && !open[i]->one_key()) open[still_open++] = open[i];
    open.resize(still_open);
  }
}

// What a member hands over of a selection, before the records of them all.
struct Handover {
  uint64_t records, least_above;
};

template <class Record>
Message HandOver(std::span<const Selection<Record>> selections) {
  std::vector<Handover> handovers;
  size_t records = 0;
  for (const Selection<Record>& selection : selections) {
    // Of one key, its weight is known to all.
    handovers.push_back(
        {selection.one_key() ? 0 : selection.records().size(), selection.least_above()});
    records += handovers.back().records;
  }
  Message message(handovers.size() * sizeof(Handover) + records * sizeof(Record));
  std::byte* to = message.data();
  const auto append = [&](const void* from, size_t bytes) {
    if (bytes > 0) std::memcpy(to, from, bytes);
    to += bytes;
  };
  append(handovers.data(), handovers.size() * sizeof(Handover));
  for (size_t i = 0; i < selections.size(); ++i)
    append(selections[i].records().data(), handovers[i].records * sizeof(Record));
  return message;
}

// The records in a message, or SIZE_MAX if it is not one about `count` selections.
template <class Record>
size_t RecordsIn(const Message& message, size_t count) {
  if (message.size() < count * sizeof(Handover)) return SIZE_MAX;
  const size_t there = (message.size() - count * sizeof(Handover)) / sizeof(Record);
  size_t records = 0;
  for (const Handover& handover : internal::Elements<Handover>(message).first(count)) {
    if (handover.records > there - records) return SIZE_MAX;
    records += handover.records;
  }
  return records;
}

// Gives each member all records of its slice of the selections, which point into the result.
template <class Record>
Buffer<Record> ToOwners(const Context& context, std::span<Selection<Record>> selections) {
  const size_t members = NumMembers(context);
  const auto slice_of = [&](size_t member) {
    const size_t begin = SliceBegin(selections.size(), members, member);
    return selections.subspan(begin, SliceBegin(selections.size(), members, member + 1) - begin);
  };
  const std::span<Selection<Record>> own = slice_of(RankOf(context));
  std::vector<Message> messages, incoming;
  std::vector<Bytes> outgoing;
  for (size_t member = 0; member < members; ++member) {
    messages.push_back(HandOver<Record>(slice_of(member)));
    outgoing.push_back(messages[member].span());
  }
  if (!context.collective->Exchange(outgoing, incoming)) return {};
  incoming[RankOf(context)] = std::move(messages[RankOf(context)]);
  size_t records = 0;
  std::vector<const Record*> from;
  for (const Message& message : incoming) {
    const size_t in_message = RecordsIn<Record>(message, own.size());
    if (in_message == SIZE_MAX) {
      context.collective->Fail(IoError("a member handed over other leaves than it has."));
      return {};
    }
    records += in_message;
    from.push_back(reinterpret_cast<const Record*>(message.data() + own.size() * sizeof(Handover)));
  }
  Buffer<Record> all(records);
  Record* to = all.data();
  for (size_t i = 0; i < own.size(); ++i) {
    Record* const begin = to;
    uint64_t least_above = UINT64_MAX;
    for (size_t member = 0; member < members; ++member) {
      const Handover& handover = internal::Elements<Handover>(incoming[member])[i];
      to = std::copy_n(from[member], handover.records, to);
      from[member] += handover.records;
      least_above = std::min(least_above, handover.least_above);
    }
    own[i].TakeAll({begin, to}, least_above);
  }
  return all;
}

// The values of `count` selections, of the records that records_of(i) has here. Members find one
// slice each.
template <class Record, class RecordsOf>
std::vector<double> Middles(const Context& context, int64_t quantile, size_t count,
                            const RecordsOf& records_of) {
  const auto selection = [&](size_t i) { return Selection<Record>(quantile, records_of(i)); };
  std::vector<double> values(count);
  if (NumMembers(context) == 1) {
    ParallelFor(0, count, 1, [&](size_t i, size_t) { values[i] = selection(i).Middle(); });
    return values;
  }
  std::vector<Selection<Record>> selections;
  for (size_t i = 0; i < count; ++i) selections.push_back(selection(i));
  NarrowTogether<Record>(context, selections);
  const Buffer<Record> handed_over = ToOwners<Record>(context, selections);
  const size_t begin = SliceBegin(count, NumMembers(context), RankOf(context));
  const size_t end = SliceBegin(count, NumMembers(context), RankOf(context) + 1);
  std::vector<double> own(end - begin);
  ParallelFor(begin, end, 1, [&](size_t i, size_t) { own[i - begin] = selections[i].Middle(); });
  own = AllGather<double>(context, own);
  if (own.size() == count) values = own;  // after a failure it is not
  return values;
}

}  // namespace

ResidualQuantiles::ResidualQuantiles(const Context& context, double quantile,
                                     std::span<const double> labels, std::span<const float> weights)
    : context_(context),
      quantile_(std::llround(quantile * static_cast<double>(kQuantileUnits))),
      labels_(labels),
      weights_(context, weights) {}

template <class Record>
double ResidualQuantiles::OfLabels(const RowSelection& rows) const {
  Buffer<Record> records(rows.count(labels_.size()));
  ParallelFor(0, records.size(), kRowsPerTask, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const size_t row = rows[i];
      Set(records[i], OrderedBits(labels_[row]), weights_[row]);
    }
  });
  return Middles<Record>(context_, quantile_, 1, [&](size_t) { return records.span(); })[0];
}

double ResidualQuantiles::OfLabels(const RowSelection& rows) const {
  return weights_.all_one() ? OfLabels<Plain>(rows) : OfLabels<Weighted>(rows);
}

// Every chunk of rows first counts its rows of each leaf, then writes them where the leaf's rows of
// the chunks before it end: reads are in order, and a leaf's next place is in the first-level
// cache.
template <class Record>
std::vector<double> ResidualQuantiles::OfLeaves(size_t num_leaves,
                                                std::span<const LeafIndex> leaf_of_row,
                                                std::span<const double> scores,
                                                Buffer<Record>& records) const {
  const size_t num_rows = leaf_of_row.size();
  const size_t chunk_rows = std::max(kRowsPerTask, (num_rows + kMaxChunks - 1) / kMaxChunks);
  const size_t chunks = (num_rows + chunk_rows - 1) / chunk_rows;
  std::vector<uint32_t> places(chunks * num_leaves);
  ParallelFor(0, num_rows, chunk_rows, [&](size_t begin, size_t end) {
    uint32_t* counts = places.data() + begin / chunk_rows * num_leaves;
    for (size_t row = begin; row < end; ++row)
      if (leaf_of_row[row] != kNoLeaf) ++counts[leaf_of_row[row]];
  });
  std::vector<uint32_t> leaf_begin = {0};
  for (size_t leaf = 0; leaf < num_leaves; ++leaf) {
    uint32_t place = leaf_begin.back();
    for (size_t i = leaf; i < places.size(); i += num_leaves)
      place += std::exchange(places[i], place);
    leaf_begin.push_back(place);
  }
  if (records.size() < leaf_begin.back()) records = Buffer<Record>(leaf_begin.back());
  ParallelFor(0, num_rows, chunk_rows, [&](size_t begin, size_t end) {
    uint32_t* place = places.data() + begin / chunk_rows * num_leaves;
    for (size_t row = begin; row < end; ++row)
      if (leaf_of_row[row] != kNoLeaf)
        Set(records[place[leaf_of_row[row]]++], OrderedBits(labels_[row] - scores[row]),
            weights_[row]);
  });
  return Middles<Record>(context_, quantile_, num_leaves, [&](size_t leaf) {
    return records.span().subspan(leaf_begin[leaf], leaf_begin[leaf + 1] - leaf_begin[leaf]);
  });
}

std::vector<double> ResidualQuantiles::OfLeaves(size_t num_leaves,
                                                std::span<const LeafIndex> leaf_of_row,
                                                std::span<const double> scores) {
  return weights_.all_one() ? OfLeaves(num_leaves, leaf_of_row, scores, plain_)
                            : OfLeaves(num_leaves, leaf_of_row, scores, weighted_);
}

}  // namespace ramet
