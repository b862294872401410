// Members that train one model together, each with its own rows: what they exchange.
//
//   every member:  value ──AllReduce──► the same merged value     histogram ──slices──► one owner
//   each
//
// A step that needs to know about all rows computes its part from the rows it has, and merges: sums
// of integers, maxima. Alone (no collective in the Context) these are no-ops, so there is one code
// path.
//
// Invariants
//   C1. All members call the same exchanges in the same order, from the thread that trains, never
//       from within a parallel loop.
//   C2. What is merged is exact, so a result depends neither on who holds which rows nor on their
//       number.
//   C3. A failure (a member died, is silent, or training is stopped) is sticky: this and all later
//       exchanges return at once, and leave what they were given as it was. The flag `stop` is set,
//       which is the Context's `cancelled`: results are thrown away as those of a cancelled run
//       are. So nothing hangs, and no signature carries it.
//   C4. What arrives is believed only if it is of this group, of this exchange, and of a plausible
//       size.
//
// Cost: with n members and messages of S bytes, small reductions take one step of latency and n S
// bytes; large ones two, and 2 S (n - 1) / n.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <span>
#include <type_traits>
#include <vector>

#include "ramet/base/buffer.h"
#include "ramet/base/result.h"
#include "ramet/parallel/context.h"

namespace ramet {

using Bytes = std::span<const std::byte>;
using Message = Buffer<std::byte>;

// What the exchanges of a member have cost so far.
struct CollectiveUse {
  uint64_t exchanges = 0;
  uint64_t bytes_sent = 0, bytes_received = 0;
  double seconds = 0;  // waiting and copying
};

class Collective {
 public:
  static constexpr int kNobody = -1;

  // `stop`: set by anyone to end all exchanges, and by a failure.
  Collective(size_t rank, size_t size, std::atomic<bool>& stop)
      : rank_(rank), size_(size), stop_(stop) {}
  virtual ~Collective() = default;
  Collective(const Collective&) = delete;
  Collective& operator=(const Collective&) = delete;

  size_t rank() const { return rank_; }
  size_t size() const { return size_; }

  // One message to and one from each other member; the own places of both are not looked at. False
  // after a failure, or once `stop` is set (C3): `incoming` is not to be used then. The memory of
  // what it held before is used again.
  bool Exchange(std::span<const Bytes> outgoing, std::vector<Message>& incoming);

  // What follows may be called from any thread.

  // Makes this a failed one (C3) and lets the others know; the first failure counts. `member`: whom
  // it is about. For a caller that got what cannot be, too.
  void Fail(Error error, int member = kNobody);
  // The first failure: what happened.
  Status status() const;
  // The member that the failure is about, or kNobody where that is not known.
  int failed_member() const;
  CollectiveUse use() const;

 protected:
  // The channels' part. `incoming` has size() entries.
  virtual Status ExchangeMessages(std::span<const Bytes> outgoing,
                                  std::vector<Message>& incoming) = 0;
  // This has failed: whoever waits for this member must learn so.
  virtual void TellOthers(const Error&, int /*member*/) {}
  bool stopped() const { return stop_.load(std::memory_order_relaxed); }

 private:
  const size_t rank_, size_;
  std::atomic<bool>& stop_;
  mutable std::mutex mutex_;  // guards what follows
  CollectiveUse use_;
  Status status_;
  int failed_member_ = kNobody;
};

inline size_t NumMembers(const Context& context) {
  return context.collective == nullptr ? 1 : context.collective->size();
}
inline size_t RankOf(const Context& context) {
  return context.collective == nullptr ? 0 : context.collective->rank();
}

// Where slice `i` of `count` elements begins when they are dealt to `slices` owners evenly.
inline size_t SliceBegin(size_t count, size_t slices, size_t i) {
  return count / slices * i + std::min(i, count % slices);
}

// Every element becomes merge(into, from) over the same element of all members. `merge` must be
// associative and commutative. T is copied as bytes.
template <class T, class Merge>
void AllReduce(const Context& context, std::span<T> values, const Merge& merge);
template <class T, class Merge>
void AllReduce(const Context& context, T& value, const Merge& merge) {
  AllReduce(context, std::span<T>(&value, 1), merge);
}
template <class T>
void AllSum(const Context& context, std::span<T> values) {
  AllReduce(context, values, [](T& into, const T& from) { into += from; });
}

// All members' elements, in order of rank; `own` alone after a failure.
template <class T>
std::vector<T> AllGather(const Context& context, std::span<const T> own);

}  // namespace ramet

#include "ramet/collective/collective-inl.h"
