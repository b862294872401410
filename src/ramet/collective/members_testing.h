// Members as threads, and rows dealt to them: for the tests of what comes after this folder.
#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "ramet/collective/local.h"

namespace ramet {

// Calls body(context, rank) for every member at once, each on a thread of its own; the context is
// `like` with that member's collective.
inline void RunMembers(size_t members, const Context& like,
                       const std::function<void(const Context&, size_t)>& body) {
  LocalGroup group(members);
  std::vector<std::atomic<bool>> stops(members);
  std::vector<std::thread> threads;
  for (size_t rank = 0; rank < members; ++rank)
    threads.emplace_back([&, rank] {
      const std::unique_ptr<Collective> collective = group.Join(rank, stops[rank]);
      Context context = like;
      context.collective = collective.get();
      context.cancelled = &stops[rank];
      body(context, rank);
    });
  for (std::thread& thread : threads) thread.join();
}

// A member that dies at one of its exchanges.
class Mortal final : public Collective {
 public:
  Mortal(std::unique_ptr<Collective> inner, std::atomic<bool>& stop, size_t exchanges_left)
      : Collective(inner->rank(), inner->size(), stop),
        inner_(std::move(inner)),
        exchanges_left_(exchanges_left) {}

 protected:
  Status ExchangeMessages(std::span<const Bytes> outgoing,
                          std::vector<Message>& incoming) override {
    if (exchanges_left_ == 0) {
      inner_.reset();  // tells the others
      return IoError("this member died.");
    }
    --exchanges_left_;
    if (inner_->Exchange(outgoing, incoming)) return {};
    return IoError("another member died.");
  }

 private:
  std::unique_ptr<Collective> inner_;
  size_t exchanges_left_;
};

// Row positions [0, num_rows) dealt to members in runs of random lengths, ascending; some members
// may have none.
inline std::vector<std::vector<uint32_t>> DealRows(size_t num_rows, size_t members,
                                                   std::mt19937_64& random) {
  std::vector<std::vector<uint32_t>> dealt(members);
  const size_t owners = 1 + random() % members;
  const size_t longest = 1 + random() % (num_rows + 1);
  for (size_t row = 0; row < num_rows;) {
    const size_t run = std::min(num_rows - row, 1 + random() % longest);
    std::vector<uint32_t>& own = dealt[random() % owners];
    for (size_t i = 0; i < run; ++i) own.push_back(static_cast<uint32_t>(row++));
  }
  std::shuffle(dealt.begin(), dealt.end(), random);
  return dealt;
}

}  // namespace ramet
