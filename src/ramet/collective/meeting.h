// How the members of a group come to be connected (T1): all handshakes at once, in one loop.
#pragma once

#include <chrono>
#include <functional>
#include <list>
#include <optional>

#include "ramet/collective/handshake.h"
#include "ramet/collective/link.h"
#include "ramet/collective/tcp.h"

namespace ramet {

// "member 2 (host:port)"
std::string MemberName(const ConnectOptions& options, size_t member);

class Meeting {
 public:
  using Clock = std::chrono::steady_clock;

  Meeting(const Listener& listener, const ConnectOptions& options);
  // Until all others are connected, or `deadline`, or stopped() is true. An error, about member
  // missing(), says who is not there.
  Status Run(Clock::time_point deadline, const std::function<bool()>& stopped);
  int missing() const { return missing_; }
  // Of all members; null at the own place.
  std::vector<std::unique_ptr<Link>> TakeLinks() { return std::move(links_); }

 private:
  // A member that is to be dialled, again and again until it answers.
  struct Dialled {
    Dialled(size_t of, std::vector<SocketAddress> at) : member(of), addresses(std::move(at)) {}
    size_t member;
    std::vector<SocketAddress> addresses;
    size_t attempts = 0;
    Clock::time_point next_try, give_up;
    std::optional<Handshake> handshake;
    std::string problem = "it did not answer";
  };
  // One who called. Until it has said something it is no more than a socket.
  struct Caller {
    Descriptor silent;
    std::optional<Handshake> handshake;
    Clock::time_point give_up;
  };

  Status ResolveAll();
  void Dial(Dialled& dialled, Clock::time_point now);
  void StepDialled(Dialled& dialled, Clock::time_point now);
  void AcceptCallers(const Descriptor& listening, Clock::time_point now);
  void MakeRoom();
  void StepCallers(Clock::time_point now);
  Handshake::State StepCaller(Caller& caller);
  void Admit(Handshake& handshake);
  void Wait();
  bool complete() const;
  Error Missing();

  const Listener& listener_;
  const ConnectOptions& options_;
  Group group_;
  std::vector<Dialled> dialled_;
  std::list<Caller> callers_;
  std::vector<std::unique_ptr<Link>> links_;
  int missing_ = Collective::kNobody;
};

}  // namespace ramet
