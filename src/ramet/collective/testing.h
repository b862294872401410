// Groups for tests: members are threads, whatever channel they talk over.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "ramet/collective/collective.h"
#include "ramet/collective/comm.h"
#include "ramet/collective/local.h"
#include "ramet/collective/tcp.h"
#include "ramet/collective/tls_testing.h"

namespace ramet::testing {

using Clock = std::chrono::steady_clock;

inline double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// One member: its collective, and the Context that training would have.
struct Member {
  std::atomic<bool> stop{false};
  std::unique_ptr<Collective> collective;
  Context context;

  void Use(std::unique_ptr<Collective> made) {
    collective = std::move(made);
    context.collective = collective.get();
    context.cancelled = &stop;
  }
};

// Makes the collective of member `rank` of `size`; called by all members at once, each on its
// thread.
using Joiner = std::function<std::unique_ptr<Collective>(size_t rank, std::atomic<bool>& stop)>;
using Channel = std::function<Joiner(size_t size)>;

inline Joiner JoinLocal(size_t size) {
  const auto group = std::make_shared<LocalGroup>(size);
  return [group](size_t rank, std::atomic<bool>& stop) { return group->Join(rank, stop); };
}

// Listens on loopback for all members.
struct Listeners {
  explicit Listeners(size_t size, const std::optional<Tls>& tls = {}, bool locally = false) {
    for (size_t member = 0; member < size; ++member) {
      listeners.push_back(*Listener::Open({"127.0.0.1", 0}, tls, locally));
      addresses.push_back({"127.0.0.1", listeners.back().port()});
    }
  }
  std::vector<Listener> listeners;
  std::vector<Endpoint> addresses;
};

inline const std::string kSecret = "sixteen secret bytes";

inline Joiner JoinOver(std::shared_ptr<Listeners> group) {
  return [group](size_t rank, std::atomic<bool>& stop) {
    return Connect({}, group->listeners[rank],
                   {.rank = rank, .addresses = group->addresses, .secret = kSecret}, stop);
  };
}
inline Joiner JoinTcp(size_t size) { return JoinOver(std::make_shared<Listeners>(size)); }
// What members of one machine use by themselves.
inline Joiner JoinMachine(size_t size) {
  return JoinOver(std::make_shared<Listeners>(size, std::nullopt, true));
}
inline Joiner JoinTls(size_t size) {
  static const Authority authority("tests");
  static const Tls tls = authority.Identity("member");
  return JoinOver(std::make_shared<Listeners>(size, tls));
}

// Messages that the test carries, through a mailbox for each pair.
inline Joiner JoinComm(size_t size) {
  struct Boxes {
    explicit Boxes(size_t count) : boxes(count) {}
    std::mutex mutex;
    std::condition_variable arrived;
    std::vector<std::deque<Message>> boxes;
  };
  const auto shared = std::make_shared<Boxes>(size * size);
  return [shared, size](size_t rank, std::atomic<bool>& stop) {
    return JoinCarried(rank, size,
                       {.send =
                            [=](size_t to, Bytes message) {
                              Message copy(message.size());
                              std::copy(message.begin(), message.end(), copy.begin());
                              const std::lock_guard lock(shared->mutex);
                              shared->boxes[rank * size + to].push_back(std::move(copy));
                              shared->arrived.notify_all();
                              return Status();
                            },
                        .receive = [=](size_t from) -> Result<std::optional<Message>> {
                          std::unique_lock lock(shared->mutex);
                          std::deque<Message>& box = shared->boxes[from * size + rank];
                          if (!shared->arrived.wait_for(lock, std::chrono::milliseconds(20),
                                                        [&] { return !box.empty(); }))
                            return std::optional<Message>();
                          std::optional<Message> message = std::move(box.front());
                          box.pop_front();
                          return message;
                        }},
                       stop);
  };
}

// Runs body(member) for all members at once, each on a thread of its own; a member leaves when its
// body returns.
template <class Body>
void RunMembers(const Channel& channel, size_t size, const Body& body) {
  const Joiner join = channel(size);
  std::vector<std::thread> threads;
  for (size_t rank = 0; rank < size; ++rank)
    threads.emplace_back([&, rank] {
      Member member;
      member.Use(join(rank, member.stop));
      body(member);
    });
  for (std::thread& thread : threads) thread.join();
}

}  // namespace ramet::testing
