#include "ramet/collective/tcp.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <thread>

#include "ramet/collective/meeting.h"

namespace ramet {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kLook = 50ms;        // how often a wait looks at `stop`
constexpr auto kGoodBye = 1s;       // how long one who leaves waits for the others to have read all
constexpr double kSignsOfLife = 5;  // in `silent_after` seconds

struct Failure {
  Error error;
  int member = Collective::kNobody;
};
using MaybeFailure = std::optional<Failure>;

class TcpCollective final : public Collective {
 public:
  TcpCollective(const ConnectOptions& options, std::atomic<bool>& stop)
      : Collective(options.rank, options.addresses.size(), stop),
        options_(options),
        every_(std::chrono::duration_cast<Clock::duration>(
            std::chrono::duration<double>(options.silent_after / kSignsOfLife))),
        wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        process_(getpid()) {}
  ~TcpCollective() override;

  // Connects, and waits for a first frame of everybody: all are there then.
  void Meet(const Context& context, const Listener& listener);

 protected:
  Status ExchangeMessages(std::span<const Bytes> outgoing, std::vector<Message>& incoming) override;
  void TellOthers(const Error& error, int member) override;

 private:
  // All of these with mutex_ held.
  MaybeFailure SendAndReceive(std::span<const Bytes> outgoing, std::vector<Message>& incoming);
  MaybeFailure WaitForFirstFrames(const Context& context, Clock::time_point deadline);
  // Waits for what any of the links can do, and lets it; `done(link)` needs nothing any more.
  template <class Done>
  MaybeFailure Turn(const Done& done);
  MaybeFailure Serve(size_t member, bool all);
  // Signs of life, and whose are missing of those that `awaited` says.
  template <class Awaited>
  MaybeFailure KeepAlive(const Awaited& awaited);
  Failure Gone(size_t member);
  void Leave();

  // The native thread: signs of life, deaths and stops while nothing is exchanged.
  void Watch();
  MaybeFailure Look(const std::vector<pollfd>& descriptors);
  void StartWatch();

  const ConnectOptions options_;
  const Clock::duration every_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Link>> links_;  // null at the own rank
  uint64_t sequence_ = 0;
  Clock::time_point last_look_, next_sign_;
  Descriptor wake_;  // ends the watch
  std::thread watch_;
  const pid_t process_;
};

int Milliseconds(Clock::duration duration) {
  return static_cast<int>(
      std::max<int64_t>(0, std::chrono::ceil<std::chrono::milliseconds>(duration).count()));
}

void TcpCollective::Meet(const Context& context, const Listener& listener) {
  const auto deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                           std::chrono::duration<double>(options_.connect_timeout));
  Meeting meeting(listener, options_);
  Status met = meeting.Run(deadline, [&] { return stopped() || context.Cancelled(); });
  MaybeFailure failure;
  if (!met.ok()) failure = Failure{met.TakeError(), meeting.missing()};
  {
    const std::lock_guard lock(mutex_);
    links_ = meeting.TakeLinks();
    last_look_ = next_sign_ = Clock::now();
    if (!failure) failure = WaitForFirstFrames(context, deadline);
  }
  if (failure) return Fail(failure->error, failure->member);
  if (size() > 1) StartWatch();
}

MaybeFailure TcpCollective::WaitForFirstFrames(const Context& context, Clock::time_point deadline) {
  const auto heard = [](const Link& link) {
    return link.heard() && (!link.sending() || link.left());
  };
  // What came with the handshakes' last bytes wakes nobody.
  for (size_t member = 0; member < size(); ++member)
    if (member != rank())
      if (MaybeFailure failure = Serve(member, false)) return failure;
  for (;;) {
    bool all = true;
    for (size_t member = 0; member < size(); ++member)
      if (member != rank()) all &= heard(*links_[member]);
    // Signs of life are what the others wait for. Nobody owes more until all are there.
    if (MaybeFailure failure = KeepAlive([](const Link&) { return false; })) return failure;
    if (all) return {};
    if (stopped() || context.Cancelled()) return Failure{CancelledError("training was stopped")};
    if (Clock::now() >= deadline)
      for (size_t member = 0; member < size(); ++member)
        if (member != rank() && !links_[member]->heard())
          return Failure{IoError(links_[member]->name() +
                                 " was reached, but not all members of the group met in time."),
                         static_cast<int>(member)};
    if (MaybeFailure failure = Turn(heard)) return failure;
  }
}

Status TcpCollective::ExchangeMessages(std::span<const Bytes> outgoing,
                                       std::vector<Message>& incoming) {
  MaybeFailure failure;
  {
    const std::lock_guard lock(mutex_);
    failure = SendAndReceive(outgoing, incoming);
  }
  if (!failure) return {};
  Fail(failure->error, failure->member);
  return failure->error;
}

MaybeFailure TcpCollective::SendAndReceive(std::span<const Bytes> outgoing,
                                           std::vector<Message>& incoming) {
  ++sequence_;
  for (size_t member = 0; member < size(); ++member) {
    if (member == rank()) continue;
    if (outgoing[member].size() > kMaxMessage)
      return Failure{InvalidArgument("a message of " + std::to_string(outgoing[member].size()) +
                                     " bytes is longer than members exchange.")};
    if (!links_[member]->open()) return Gone(member);
    links_[member]->ReuseMemory(std::move(incoming[member]));
    links_[member]->StartSending(sequence_, outgoing[member]);
  }
  // To the next one first, so that not all begin with the same member.
  for (size_t step = 1; step < size(); ++step)
    if (MaybeFailure failure = Serve((rank() + step) % size(), false)) return failure;
  const auto done = [](const Link& link) { return link.has_message() && !link.sending(); };
  for (;;) {
    bool all = true;
    for (size_t member = 0; member < size(); ++member) {
      if (member == rank() || done(*links_[member])) continue;
      if (!links_[member]->open()) return Gone(member);
      all = false;
    }
    if (all) break;
    if (stopped()) return Failure{CancelledError("training was stopped")};
    if (MaybeFailure failure = Turn(done)) return failure;
    if (MaybeFailure failure = KeepAlive([&](const Link& link) { return !done(link); }))
      return failure;
  }
  for (size_t member = 0; member < size(); ++member)
    if (member != rank()) incoming[member] = links_[member]->TakeMessage();
  return {};
}

template <class Done>
MaybeFailure TcpCollective::Turn(const Done& done) {
  std::vector<pollfd> descriptors(size(), pollfd{-1, 0, 0});  // negative ones are passed over
  for (size_t member = 0; member < size(); ++member) {
    if (member == rank() || !links_[member]->open()) continue;
    const Link& link = *links_[member];
    // Of one who is done, only its end is of interest.
    const short events = done(link) ? 0 : link.events(!link.has_message(), link.sending());
    descriptors[member] = {link.descriptor(), static_cast<short>(events | POLLRDHUP), 0};
  }
  const Clock::duration wait = std::min<Clock::duration>(kLook, next_sign_ - Clock::now());
  if (poll(descriptors.data(), descriptors.size(), Milliseconds(wait)) <= 0) return {};
  for (size_t member = 0; member < size(); ++member) {
    const short events = descriptors[member].revents;
    if (events == 0) continue;
    const bool ended = (events & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
    if (MaybeFailure failure = Serve(member, ended)) return failure;
  }
  return {};
}

MaybeFailure TcpCollective::Serve(size_t member, bool all) {
  Link& link = *links_[member];
  (void)(link.Send() && link.Receive(all));
  // One who left in order is missed only where something is wanted of it.
  if (link.left()) link.EndWriting();
  return link.problem().empty() ? MaybeFailure() : Gone(member);
}

template <class Awaited>
MaybeFailure TcpCollective::KeepAlive(const Awaited& awaited) {
  const Clock::time_point now = Clock::now();
  // Time in which this process did not run is nobody's silence (T3).
  const double elapsed =
      std::chrono::duration<double>(std::min<Clock::duration>(now - last_look_, 2 * every_))
          .count();
  last_look_ = now;
  const bool sign = now >= next_sign_;
  if (sign) next_sign_ = now + every_;
  for (size_t member = 0; member < size(); ++member) {
    if (member == rank() || !links_[member]->open()) continue;
    Link& link = *links_[member];
    if (sign) {
      link.Heartbeat();
      if (!link.Send()) return Gone(member);
    }
    if (!awaited(link)) {
      link.quiet = 0;
    } else if ((link.quiet += elapsed) >= options_.silent_after) {
      char seconds[32];
      std::snprintf(seconds, sizeof seconds, "%g", options_.silent_after);
      return Failure{IoError(link.name() + " gave no sign of life for " + seconds +
                             " s: it is frozen, or cut off the network."),
                     static_cast<int>(member)};
    }
  }
  return {};
}

Failure TcpCollective::Gone(size_t member) {
  const Link& link = *links_[member];
  if (link.left() && link.problem().empty())
    return {IoError(link.name() + " has left."), static_cast<int>(member)};
  const bool blames = link.blames() >= 0 && static_cast<size_t>(link.blames()) < size();
  return {IoError(link.name() + " is gone: " + link.problem() + "."),
          blames ? link.blames() : static_cast<int>(member)};
}

void TcpCollective::TellOthers(const Error& error, int member) {
  const std::lock_guard lock(mutex_);
  for (const std::unique_ptr<Link>& link : links_) {
    if (link == nullptr || !link->open()) continue;
    link->Notice(error.message,
                 static_cast<uint64_t>(member == kNobody ? static_cast<int>(rank()) : member));
    (void)link->Send();
    link->EndWriting();
  }
}

void TcpCollective::StartWatch() {
  // Signals are for the threads of the program.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  watch_ = std::thread([this] { Watch(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void TcpCollective::Watch() {
  std::vector<pollfd> descriptors;
  for (;;) {
    MaybeFailure failure;
    if (stopped()) {
      failure = Failure{CancelledError("training was stopped")};
    } else if (const std::unique_lock lock(mutex_, std::try_to_lock); lock.owns_lock()) {
      failure = Look(descriptors);
      // Who has ended need not be looked at again; its other events are for the next exchange.
      descriptors = {{wake_.number(), POLLIN, 0}};
      for (const std::unique_ptr<Link>& link : links_)
        if (link != nullptr && link->open())
          descriptors.push_back({link->descriptor(), POLLRDHUP, 0});
    } else {
      descriptors = {{wake_.number(), POLLIN, 0}};  // an exchange is under way, which looks itself
    }
    if (failure) return Fail(failure->error, failure->member);
    poll(descriptors.data(), descriptors.size(), Milliseconds(kLook));
    if (descriptors[0].revents != 0) return;
  }
}

MaybeFailure TcpCollective::Look(const std::vector<pollfd>& descriptors) {
  const bool sign = Clock::now() >= next_sign_;
  for (size_t member = 0; member < size(); ++member) {
    if (member == rank() || !links_[member]->open()) continue;
    bool ended = false;
    for (const pollfd& descriptor : descriptors)
      ended |= descriptor.fd == links_[member]->descriptor() && descriptor.revents != 0;
    if (!ended && !sign) continue;
    if (MaybeFailure failure = Serve(member, ended)) return failure;
  }
  if (!sign) return {};  // nothing was read: nobody's silence is known
  return KeepAlive([](const Link& link) { return !link.has_message(); });
}

TcpCollective::~TcpCollective() {
  // After a fork the connections and the thread are the parent's.
  if (process_ != getpid()) {
    if (watch_.joinable()) new std::thread(std::move(watch_));
    return;
  }
  if (watch_.joinable()) {
    (void)!eventfd_write(wake_.number(), 1);
    watch_.join();
  }
  if (status().ok()) Leave();
}

// Says good-bye and waits until the others have read all: to close with anything unread would make
// the system throw away what is still under way.
void TcpCollective::Leave() {
  const std::lock_guard lock(mutex_);
  for (const std::unique_ptr<Link>& link : links_)
    if (link != nullptr && link->open()) link->Bye();
  const Clock::time_point deadline = Clock::now() + kGoodBye;
  std::vector<bool> said(size(), false);
  for (;;) {
    std::vector<pollfd> descriptors;
    for (size_t member = 0; member < size(); ++member) {
      if (member == rank() || !links_[member]->problem().empty()) continue;
      Link& link = *links_[member];
      if (link.open() && (!link.Send() || !link.Receive(true))) continue;
      if (!link.sending() && !said[member]) link.EndWriting();
      said[member] = !link.sending();
      if (link.open() || !said[member])
        descriptors.push_back({link.descriptor(), link.events(true, link.sending()), 0});
    }
    const Clock::time_point now = Clock::now();
    if (descriptors.empty() || now >= deadline) return;
    poll(descriptors.data(), descriptors.size(), Milliseconds(deadline - now));
  }
}

}  // namespace

Result<Listener> Listener::Open(const Endpoint& endpoint, std::optional<Tls> tls, bool locally) {
  RAMET_ASSIGN(Descriptor socket, ListenOn(endpoint));
  return Listener(std::move(socket), std::move(tls), locally);
}

std::unique_ptr<Channel> Listener::MakeChannel(Descriptor connection, bool dials) const {
  return tls_ ? tls_->MakeChannel(std::move(connection), dials)
              : MakePlainChannel(std::move(connection));
}

std::unique_ptr<Collective> Connect(const Context& context, const Listener& listener,
                                    const ConnectOptions& options, std::atomic<bool>& stop) {
  auto collective = std::make_unique<TcpCollective>(options, stop);
  collective->Meet(context, listener);
  return collective;
}

}  // namespace ramet
