#include "ramet/collective/meeting.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace ramet {
namespace {

using namespace std::chrono_literals;

constexpr auto kLook = 50ms;  // how often the loop looks at the clock, and whether it is stopped
// A connection that does not come about in this time is tried again: an address may be of a network
// that swallows packets.
constexpr auto kConnectFor = 3s;
// One who called has this long to prove itself.
constexpr auto kCallerFor = 10s;
constexpr auto kFirstPause = 10ms, kLongestPause = 500ms;
// This many more than the group needs may be heard at once. They outlast a member's handshake while
// strangers call as fast as they can, and are fewer than a process may usually have open.
constexpr size_t kMostStrangers = 256;

enum class Said { kNothing, kSomething, kFarewell };

Said WhatIsSaid(const Descriptor& socket) {
  std::byte first;
  const ssize_t got = recv(socket.number(), &first, 1, MSG_PEEK | MSG_DONTWAIT);
  if (got > 0) return Said::kSomething;
  const bool later = got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
  return later ? Said::kNothing : Said::kFarewell;
}

}  // namespace

std::string MemberName(const ConnectOptions& options, size_t member) {
  return "member " + std::to_string(member) + " (" + options.addresses[member].Text() + ")";
}

Meeting::Meeting(const Listener& listener, const ConnectOptions& options)
    : listener_(listener),
      options_(options),
      group_{options.rank, options.addresses.size(), options.secret},
      links_(options.addresses.size()) {}

Status Meeting::Run(Clock::time_point deadline, const std::function<bool()>& stopped) {
  RAMET_RETURN_IF_ERROR(ResolveAll());
  while (!complete()) {
    if (stopped()) return CancelledError("training was stopped");
    const Clock::time_point now = Clock::now();
    if (now >= deadline) return Missing();
    for (Dialled& dialled : dialled_) StepDialled(dialled, now);
    AcceptCallers(listener_.socket(), now);
    if (listener_.local().valid()) AcceptCallers(listener_.local(), now);
    StepCallers(now);
    if (!complete()) Wait();
  }
  return {};
}

Status Meeting::ResolveAll() {
  for (size_t member = 0; member < options_.rank; ++member) {
    Result<std::vector<SocketAddress>> addresses = Resolve(options_.addresses[member]);
    if (!addresses.ok()) {
      missing_ = static_cast<int>(member);
      return IoError(MemberName(options_, member) + ": " + addresses.error().message);
    }
    if (!listener_.locally()) std::erase_if(*addresses, IsLocal);
    dialled_.emplace_back(member, *std::move(addresses));
  }
  return {};
}

bool Meeting::complete() const {
  for (size_t member = 0; member < links_.size(); ++member)
    if (member != options_.rank && links_[member] == nullptr) return false;
  return true;
}

Error Meeting::Missing() {
  std::string names;
  size_t missing = 0;
  for (size_t member = 0; member < links_.size(); ++member) {
    if (member == options_.rank || links_[member] != nullptr) continue;
    if (missing_ == Collective::kNobody) missing_ = static_cast<int>(member);
    if (++missing > 4) continue;
    names += (names.empty() ? "" : "; ") + MemberName(options_, member) + ": " +
             (member < options_.rank ? dialled_[member].problem : "it did not call");
  }
  if (missing > 4) names += "; and " + std::to_string(missing - 4) + " more";
  return IoError("not all members of the group met within " +
                 std::to_string(static_cast<int64_t>(options_.connect_timeout)) + " s. " + names +
                 ". Check that they run, and that firewalls let these ports through.");
}

void Meeting::Dial(Dialled& dialled, Clock::time_point now) {
  const auto pause = kFirstPause * (1 << std::min<size_t>(dialled.attempts, 6));
  dialled.next_try = now + std::min<Clock::duration>(pause, kLongestPause);
  dialled.give_up = now + kConnectFor;
  const size_t which = dialled.attempts++ % dialled.addresses.size();
  Result<Descriptor> socket = StartConnect(dialled.addresses[which]);
  if (socket.ok() && !OfThisUser(*socket))
    dialled.problem = "another user of this machine answers";
  else if (socket.ok())
    dialled.handshake.emplace(
        Handshake::Dial(listener_.MakeChannel(*std::move(socket), true), group_, dialled.member));
  else
    dialled.problem = socket.error().message;
}

void Meeting::StepDialled(Dialled& dialled, Clock::time_point now) {
  if (links_[dialled.member] != nullptr) return;
  if (!dialled.handshake) {
    if (now < dialled.next_try) return;
    Dial(dialled, now);
    if (!dialled.handshake) return;
  }
  Handshake& handshake = *dialled.handshake;
  switch (handshake.Step()) {
    case Handshake::State::kDone:
      Admit(handshake);
      dialled.handshake.reset();
      break;
    case Handshake::State::kFailed:
      dialled.problem = handshake.problem();
      dialled.handshake.reset();
      break;
    case Handshake::State::kUnderWay:
      // Once connected it is for the other to answer, who may not have come this far yet. It may
      // be somebody else, though, where there are other addresses.
      if (now >= dialled.give_up && (!handshake.connected() || dialled.addresses.size() > 1)) {
        dialled.problem = handshake.connected() ? "it does not answer" : "no connection came about";
        dialled.handshake.reset();
      }
  }
}

void Meeting::AcceptCallers(const Descriptor& listening, Clock::time_point now) {
  const size_t most = 2 * links_.size() + kMostStrangers;
  for (size_t accepted = 0; accepted < most; ++accepted) {
    Descriptor socket = Accept(listening);
    if (!socket.valid()) {
      // No descriptor left, perhaps: make room for the next look.
      if (errno == EMFILE || errno == ENFILE) MakeRoom();
      return;
    }
    if (!OfThisUser(socket)) continue;
    if (callers_.size() >= most) MakeRoom();
    Caller& caller =
        callers_.emplace_back(Caller{std::move(socket), std::nullopt, now + kCallerFor});
    // Whoever speaks at once, as members do, does not count among the silent from here on.
    if (StepCaller(caller) == Handshake::State::kFailed) callers_.pop_back();
  }
}

// So that no crowd keeps members out: of the silent, else of all, the one that has had most time.
void Meeting::MakeRoom() {
  auto caller = std::find_if(callers_.begin(), callers_.end(),
                             [](const Caller& one) { return !one.handshake; });
  if (caller == callers_.end()) caller = callers_.begin();
  if (caller != callers_.end()) callers_.erase(caller);
}

Handshake::State Meeting::StepCaller(Caller& caller) {
  if (!caller.handshake) {
    const Said said = WhatIsSaid(caller.silent);
    if (said == Said::kFarewell) return Handshake::State::kFailed;
    if (said == Said::kNothing) return Handshake::State::kUnderWay;
    caller.handshake.emplace(
        Handshake::Answer(listener_.MakeChannel(std::move(caller.silent), false), group_));
  }
  return caller.handshake->Step();
}

void Meeting::StepCallers(Clock::time_point now) {
  for (auto caller = callers_.begin(); caller != callers_.end();) {
    const Handshake::State state = StepCaller(*caller);
    if (state == Handshake::State::kDone) Admit(*caller->handshake);
    if (state == Handshake::State::kUnderWay && now < caller->give_up)
      ++caller;
    else
      caller = callers_.erase(caller);
  }
}

void Meeting::Admit(Handshake& handshake) {
  // One that called twice gave up its first call.
  const size_t peer = handshake.peer();
  links_[peer] =
      std::make_unique<Link>(handshake.TakeChannel(), handshake.tag(), MemberName(options_, peer));
}

void Meeting::Wait() {
  std::vector<pollfd> descriptors{{listener_.socket().number(), POLLIN, 0},
                                  {listener_.local().number(), POLLIN, 0}};
  const Clock::time_point now = Clock::now();
  Clock::duration timeout = kLook;
  for (const Dialled& dialled : dialled_) {
    if (dialled.handshake)
      descriptors.push_back({dialled.handshake->descriptor(), dialled.handshake->events(), 0});
    else if (links_[dialled.member] == nullptr)
      timeout = std::min<Clock::duration>(timeout, dialled.next_try - now);
  }
  for (const Caller& caller : callers_)
    descriptors.push_back(
        caller.handshake ? pollfd{caller.handshake->descriptor(), caller.handshake->events(), 0}
                         : pollfd{caller.silent.number(), POLLIN, 0});
  const auto milliseconds =
      std::max<int64_t>(1, std::chrono::ceil<std::chrono::milliseconds>(timeout).count());
  poll(descriptors.data(), descriptors.size(), static_cast<int>(milliseconds));
}

}  // namespace ramet
