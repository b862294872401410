// Groups for tests: members are threads, whatever channel they talk over.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "ramet/collective/collective.h"
#include "ramet/collective/local.h"
#include "ramet/collective/tcp.h"

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
  explicit Listeners(size_t size) {
    for (size_t member = 0; member < size; ++member) {
      listeners.push_back(*Listener::Open({"127.0.0.1", 0}));
      addresses.push_back({"127.0.0.1", listeners.back().port()});
    }
  }
  std::vector<Listener> listeners;
  std::vector<Endpoint> addresses;
};

inline const std::string kSecret = "sixteen secret bytes";

inline Joiner JoinTcp(size_t size) {
  const auto group = std::make_shared<Listeners>(size);
  return [group](size_t rank, std::atomic<bool>& stop) {
    return Connect({}, group->listeners[rank],
                   {.rank = rank, .addresses = group->addresses, .secret = kSecret}, stop);
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
