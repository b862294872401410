// What a peer may send, and what becomes of anything else.
#include "ramet/collective/link.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <random>

#include "ramet/collective/handshake.h"
#include "ramet/collective/secret.h"

namespace ramet {
namespace {

constexpr uint64_t kTag = 0x0123456789abcdef;

// Two connected sockets, which do not block.
std::array<Descriptor, 2> Connected() {
  int ends[2];
  RAMET_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

// A link, and the bare other end.
struct Peer {
  Peer() : Peer(Connected()) {}
  explicit Peer(std::array<Descriptor, 2> ends)
      : other(std::move(ends[0])), link(MakePlainChannel(std::move(ends[1])), kTag, "member 1") {}

  // Sends all of it, while the link receives; with `all` as Link::Receive has it. False if the link
  // is closed.
  bool Deliver(std::string_view bytes, bool all = false, size_t at_once = size_t{1} << 20) {
    while (!bytes.empty()) {
      const ssize_t sent =
          send(other.number(), bytes.data(), std::min(at_once, bytes.size()), MSG_NOSIGNAL);
      if (sent > 0) bytes.remove_prefix(static_cast<size_t>(sent));
      if (!link.Receive(all)) return false;
      if (sent < 0 && link.has_message() && !all) return true;  // it takes no more for now
    }
    return true;
  }

  Descriptor other;
  Link link;
};

std::string Frame(FrameHeader header, std::string_view body = {}) {
  header.tag = header.tag == 0 ? kTag : header.tag;
  if (header.length == 0) header.length = body.size();
  std::string frame(reinterpret_cast<const char*>(&header), sizeof header);
  return frame.append(body);
}
std::string Data(uint64_t sequence, std::string_view body) {
  return Frame({.kind = FrameKind::kData, .sequence = sequence}, body);
}
std::string TextOf(const Message& message) {
  return {reinterpret_cast<const char*>(message.data()), message.size()};
}
std::string RandomText(std::mt19937_64& random, size_t size) {
  std::string text(size, '\0');
  for (char& byte : text) byte = static_cast<char>(random());
  return text;
}

TEST(Link, MessagesArriveWholeHoweverTheyAreCut) {
  std::mt19937_64 random(1);
  for (const size_t at_once : {size_t{1}, size_t{31}, size_t{33}, size_t{5000}, size_t{1} << 20}) {
    Peer peer;
    uint64_t sequence = 0;
    for (const size_t size : {0, 1, 40, 16'383, 16'384, 65'536 - 32, 65'536, 70'000}) {
      if (at_once < 100 && size > 20'000) continue;
      const std::string body = RandomText(random, size);
      ASSERT_TRUE(peer.Deliver(Frame({.kind = FrameKind::kHeartbeat}) + Data(++sequence, body) +
                                   Frame({.kind = FrameKind::kHeartbeat}),
                               false, at_once))
          << peer.link.problem();
      ASSERT_TRUE(peer.link.has_message()) << size << " bytes, " << at_once << " at once";
      EXPECT_EQ(TextOf(peer.link.TakeMessage()), body);
      ASSERT_TRUE(peer.link.Receive(false));
      EXPECT_FALSE(peer.link.has_message());
    }
  }
}

TEST(Link, MemoryIsUsedAgainWhateverTheSizes) {
  std::mt19937_64 random(2);
  Peer peer;
  Message message;
  size_t same = 0;
  for (uint64_t sequence = 1; sequence <= 60; ++sequence) {
    const std::byte* before = message.data();
    const size_t room = message.capacity();
    const size_t size = 50'000 + random() % 4'000'000;
    const std::string body = RandomText(random, size);
    peer.link.ReuseMemory(std::move(message));
    ASSERT_TRUE(peer.Deliver(Data(sequence, body) + Frame({.kind = FrameKind::kHeartbeat})));
    ASSERT_TRUE(peer.link.has_message());
    message = peer.link.TakeMessage();
    ASSERT_EQ(TextOf(message), body);
    if (room < size) continue;
    EXPECT_EQ(message.data(), before) << sequence;
    ++same;
  }
  EXPECT_GT(same, 40);
}

TEST(Link, SendsWhatTheOtherReceives) {
  std::mt19937_64 random(2);
  auto [left, right] = Connected();
  Link sender(MakePlainChannel(std::move(left)), kTag, "left");
  Link receiver(MakePlainChannel(std::move(right)), kTag, "right");
  for (uint64_t sequence = 1; sequence <= 20; ++sequence) {
    const std::string body = RandomText(random, random() % 3 == 0 ? 0 : random() % 3'000'000);
    sender.Heartbeat();
    sender.StartSending(sequence, std::as_bytes(std::span(body)));
    while (sender.sending() || !receiver.has_message()) {
      ASSERT_TRUE(sender.Send()) << sender.problem();
      ASSERT_TRUE(receiver.Receive(false)) << receiver.problem();
    }
    EXPECT_EQ(TextOf(receiver.TakeMessage()), body);
  }
  // A control frame waits until the message that is under way is through.
  const std::string body = RandomText(random, 3'000'000);
  sender.StartSending(21, std::as_bytes(std::span(body)));
  ASSERT_TRUE(sender.Send());
  ASSERT_TRUE(sender.sending());
  sender.Bye();
  while (!receiver.left()) {
    ASSERT_TRUE(sender.Send());
    ASSERT_TRUE(receiver.Receive(true)) << receiver.problem();
  }
  EXPECT_EQ(TextOf(receiver.TakeMessage()), body);
  EXPECT_TRUE(receiver.left());
  EXPECT_FALSE(receiver.open());
}

TEST(Link, WhatCannotBeClosesIt) {
  const std::string heartbeat = Frame({.kind = FrameKind::kHeartbeat});
  std::string other_magic = heartbeat;
  other_magic[0] ^= 1;
  const std::vector<std::pair<std::string, std::string>> cases = {
      {other_magic, "no frame of this group"},
      {Frame({.kind = FrameKind::kHeartbeat, .tag = kTag + 1}), "no frame of this group"},
      {Frame({.kind = static_cast<FrameKind>(0)}), "unknown kind"},
      {Frame({.kind = static_cast<FrameKind>(77)}), "unknown kind"},
      {Frame({.kind = FrameKind::kHeartbeat, .length = 1}), "at most 0 may come"},
      {Frame({.kind = FrameKind::kBye, .length = uint64_t{1} << 40}), "at most 0 may come"},
      {Frame({.kind = FrameKind::kFailed, .length = kMaxNotice + 1}), "at most"},
      {Frame({.kind = FrameKind::kData, .sequence = 1, .length = kMaxMessage + 1}), "at most"},
      {Frame({.kind = FrameKind::kData, .sequence = 1, .length = ~uint64_t{0}}), "at most"},
      {Data(2, "of the next exchange"), "exchange 2 where exchange 1 is due"},
      {Data(0, "of an earlier one"), "exchange 0 where exchange 1 is due"},
      {Data(1, "x") + Data(1, "again"), "exchange 1 where exchange 2 is due"},
      {Data(1, "x") + Data(2, "ahead") + Data(3, "too far"), "exchange 3"},
  };
  for (const auto& [bytes, problem] : cases) {
    Peer peer;
    EXPECT_FALSE(peer.Deliver(bytes, true));
    EXPECT_FALSE(peer.link.open());
    EXPECT_NE(peer.link.problem().find(problem), std::string::npos)
        << peer.link.problem() << " should say: " << problem;
  }
}

TEST(Link, AFailureIsToldWithItsReasonAndWhomItIsAbout) {
  Peer peer;
  EXPECT_FALSE(peer.Deliver(
      Data(1, "kept") + Frame({.kind = FrameKind::kFailed, .sequence = 5}, "member 5 is silent"),
      true));
  EXPECT_EQ(peer.link.problem(), "it failed: member 5 is silent");
  EXPECT_EQ(peer.link.blames(), 5);
}

TEST(Link, ItsEndIsNoticedAfterWhatItHadSaid) {
  Peer peer;
  ASSERT_TRUE(peer.Deliver(Data(1, "last words")));
  peer.other.Close();
  EXPECT_FALSE(peer.link.Receive(true));
  EXPECT_EQ(peer.link.problem(), "it closed the connection");
  EXPECT_TRUE(peer.link.has_message());
}

// Damage reaches nothing that came before it, makes no message more, and never does worse than to
// close the link. (Damage on the way is for checksums and TLS to notice.)
TEST(Link, DamageDoesNotSpread) {
  std::mt19937_64 random(3);
  const std::vector<std::string> bodies = {"one", RandomText(random, 500), "", "four"};
  for (int repeat = 0; repeat < 3000; ++repeat) {
    std::string stream;
    std::vector<size_t> ends;
    for (size_t i = 0; i < bodies.size(); ++i)
      ends.push_back((stream += Data(i + 1, bodies[i])).size());
    const size_t at = random() % stream.size();
    stream[at] ^= static_cast<char>(1 << random() % 8);
    if (random() % 4 == 0) stream.resize(at + random() % (stream.size() - at));
    Peer peer;
    (void)peer.Deliver(stream);
    size_t arrived = 0;
    for (; peer.link.has_message(); ++arrived) {
      ASSERT_LT(arrived, bodies.size());
      const std::string body = TextOf(peer.link.TakeMessage());
      if (ends[arrived] <= at) {
        EXPECT_EQ(body, bodies[arrived]) << "damage at " << at;
      }
      (void)peer.Deliver("");
      (void)peer.link.Receive(false);
    }
    EXPECT_GE(arrived, at >= ends[0] ? 1u : 0u);
  }
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // which need the address space
TEST(Link, AnAnnouncedLengthTakesNoMemory) {
  const pid_t child = fork();
  if (child == 0) {
    const rlimit limit{size_t{1} << 30, size_t{1} << 30};
    setrlimit(RLIMIT_AS, &limit);
    std::vector<std::unique_ptr<Peer>> peers;
    for (int i = 0; i < 20; ++i) {
      peers.push_back(std::make_unique<Peer>());
      const std::string header =
          Frame({.kind = FrameKind::kData, .sequence = 1, .length = kMaxMessage});
      if (!peers.back()->Deliver(header + std::string(1'100'000, 'x'))) _exit(1);
    }
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status)) << "it ran out of memory";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}
#endif

// Two handshakes at the ends of one connection, whose bytes pass through `change(from_dialer,
// offset, byte)`.
struct Greeting {
  Group dialer{2, 4, "secret of this group"}, listener{1, 4, "secret of this group"};

  template <class Change>
  std::array<Handshake::State, 2> Run(const Change& change) {
    auto [near, left] = Connected();
    auto [far, right] = Connected();
    Handshake dials = Handshake::Dial(MakePlainChannel(std::move(near)), dialer, 1);
    Handshake answers = Handshake::Answer(MakePlainChannel(std::move(far)), listener);
    size_t offsets[2] = {};
    for (int idle = 0; idle < 3;) {
      const auto pass = [&](const Descriptor& from, const Descriptor& to, bool from_dialer) {
        char bytes[512];
        const ssize_t got = recv(from.number(), bytes, sizeof bytes, 0);
        if (got <= 0) return false;
        for (ssize_t i = 0; i < got; ++i)
          bytes[i] = change(from_dialer, offsets[from_dialer]++, bytes[i]);
        (void)send(to.number(), bytes, static_cast<size_t>(got), MSG_NOSIGNAL);
        return true;
      };
      dials.Step();
      answers.Step();
      const bool passed = pass(left, right, true) | pass(right, left, false);
      idle = passed ? 0 : idle + 1;
    }
    if (dials.state() == Handshake::State::kDone && answers.state() == Handshake::State::kDone) {
      EXPECT_EQ(dials.peer(), 1u);
      EXPECT_EQ(answers.peer(), 2u);
      EXPECT_EQ(dials.tag(), answers.tag());
      tag = dials.tag();
    }
    problem = dials.problem() + answers.problem();
    sent = {offsets[0], offsets[1]};
    return {dials.state(), answers.state()};
  }

  std::array<Handshake::State, 2> Run() {
    return Run([](bool, size_t, char byte) { return byte; });
  }

  uint64_t tag = 0;
  std::string problem;
  std::array<size_t, 2> sent{};
};

constexpr auto kDone = Handshake::State::kDone;

TEST(Handshake, MembersOfAGroupAgree) {
  Greeting greeting;
  EXPECT_EQ(greeting.Run(), (std::array{kDone, kDone})) << greeting.problem;
  const uint64_t first = greeting.tag;
  EXPECT_EQ(greeting.Run(), (std::array{kDone, kDone}));
  EXPECT_NE(greeting.tag, first) << "frames of one connection would do for another";
}

TEST(Handshake, NoOtherDoes) {
  Greeting secret, member, size;
  secret.dialer.secret.back() ^= 1;
  member.listener.rank = 0;
  size.dialer.size = 5;
  for (Greeting* greeting : {&secret, &member, &size}) {
    const auto states = greeting->Run();
    EXPECT_NE(states[0], kDone);
    EXPECT_NE(states[1], kDone);
  }
}

TEST(Handshake, AnyChangedBitIsNoticed) {
  Greeting greeting;
  ASSERT_EQ(greeting.Run(), (std::array{kDone, kDone}));
  const std::array<size_t, 2> sent = greeting.sent;
  for (const bool dialers : {false, true})
    for (size_t at = 0; at < sent[dialers]; ++at) {
      const auto states = greeting.Run([&](bool from_dialer, size_t offset, char byte) {
        return from_dialer == dialers && offset == at ? static_cast<char>(byte ^ 1 << at % 8)
                                                      : byte;
      });
      EXPECT_NE(states, (std::array{kDone, kDone}))
          << "byte " << at << " of the " << (dialers ? "dialer" : "listener");
    }
}

// One that says what it heard in an earlier handshake.
TEST(Handshake, ARecordingIsNotAccepted) {
  Greeting greeting;
  std::string recorded;
  ASSERT_EQ(greeting.Run([&](bool from_dialer, size_t, char byte) {
    if (from_dialer) recorded += byte;
    return byte;
  }),
            (std::array{kDone, kDone}));
  auto [other, own] = Connected();
  Handshake answers = Handshake::Answer(MakePlainChannel(std::move(own)), greeting.listener);
  ASSERT_EQ(send(other.number(), recorded.data(), recorded.size(), 0),
            static_cast<ssize_t>(recorded.size()));
  EXPECT_EQ(answers.Step(), Handshake::State::kFailed);
}

// RFC 4231, test case 2.
TEST(Secret, ProofIsHmacSha256) {
  const std::string proof = MakeProof("Jefe", "what do ya want for nothing?");
  std::string hex;
  for (const unsigned char byte : proof) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  EXPECT_EQ(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_TRUE(SameProof(proof, proof));
  EXPECT_FALSE(SameProof(proof, proof.substr(1)));
  EXPECT_NE(RandomBytes(32), RandomBytes(32));
}

}  // namespace
}  // namespace ramet
