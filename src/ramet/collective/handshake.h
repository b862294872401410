// How two members of a group find out that they are, before either says or believes anything else.
//
//   dialer                                          listener
//     ── magic, ranks, size, nonce ──────────────────►
//     ◄── magic, nonce, proof("answer", all of it) ───     the listener knows the secret
//     ── proof("dial", all of it) ───────────────────►     so does the dialer
//     ◄── welcome ────────────────────────────────────
//
// Proofs are HMACs of both nonces and what is claimed, under the group's secret, which is never
// sent. All sizes are fixed: a stranger can make a listener keep 200 bytes, until its time is up.
#pragma once

#include <memory>
#include <string>

#include "ramet/collective/channel.h"

namespace ramet {

struct Group {
  size_t rank = 0, size = 1;
  std::string secret;
};

class Handshake {
 public:
  enum class State { kUnderWay, kDone, kFailed };

  static Handshake Dial(std::unique_ptr<Channel> channel, const Group& group, size_t peer);
  // Whoever called: the peer is known once it is done.
  static Handshake Answer(std::unique_ptr<Channel> channel, const Group& group);

  // Goes on as far as it goes without waiting.
  State Step();
  State state() const { return state_; }
  // The connection itself (not yet who is there) stands.
  bool connected() const { return stage_ != Stage::kOpen; }
  const std::string& problem() const { return problem_; }
  int descriptor() const { return channel_->descriptor(); }
  short events() const;

  // Once done:
  size_t peer() const { return peer_; }
  uint64_t tag() const { return tag_; }
  std::unique_ptr<Channel> TakeChannel() { return std::move(channel_); }

 private:
  enum class Stage { kOpen, kHello, kReply, kConfirm, kWelcome, kDone };

  Handshake(std::unique_ptr<Channel> channel, const Group& group, bool dials, size_t peer)
      : channel_(std::move(channel)), group_(&group), dials_(dials), peer_(peer) {}
  State Fail(std::string problem);
  // Sends what is to be sent, then receives what is due. False: not now, or failed.
  bool Flush();
  bool Fill();
  void Wait(Stage stage, size_t bytes);
  // What to do with what has come.
  void Opened();
  void GotHello();
  void GotReply();
  void GotConfirm();
  void GotWelcome();
  std::string Proved(std::string_view role) const;

  std::unique_ptr<Channel> channel_;
  const Group* group_;
  bool dials_;
  size_t peer_;
  State state_ = State::kUnderWay;
  Stage stage_ = Stage::kOpen;
  std::string outgoing_, incoming_;
  size_t due_ = 0;    // bytes of `incoming_` that the stage needs
  std::string said_;  // all that proofs are about
  uint64_t tag_ = 0;
  std::string problem_;
};

}  // namespace ramet
