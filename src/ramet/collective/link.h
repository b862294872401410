// One peer of a collective: frames over a channel.
//
// Invariants
//   L1. One data frame is sent at a time. Two may wait to be taken: a peer is at most one exchange
//       ahead, as it needs our message to go on.
//   L2. A frame that is not what it must be closes the link. Memory grows with what has arrived,
//       never with what a header claims.
//   L3. Control frames are sent between data frames, never within one.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "ramet/collective/channel.h"
#include "ramet/collective/collective.h"
#include "ramet/collective/frame.h"

namespace ramet {

class Link {
 public:
  // `name` is for errors: "member 2 (host:port)".
  Link(std::unique_ptr<Channel> channel, uint64_t tag, std::string name);

  // Begins to send the message of exchange `sequence`; `body` must stay until sending() is false.
  void StartSending(uint64_t sequence, Bytes body);
  // Adds a control frame, unless others wait.
  void Heartbeat();
  void Bye();
  void Notice(std::string_view text, uint64_t about);
  // Sends what goes without waiting. False if the link is closed.
  bool Send();
  bool sending() const { return sending_control() || data_due_ || channel_->backlog(); }

  // Receives what is there: up to the end of the next message, or, with `all`, of everything. False
  // if the link is closed.
  bool Receive(bool all);
  // A whole message waits to be taken.
  bool has_message() const { return !messages_.empty(); }
  Message TakeMessage();
  // For a message to come.
  void ReuseMemory(Message message);

  bool open() const { return problem_.empty() && !left_; }
  bool left() const { return left_; }                      // it said good-bye, in order
  bool heard() const { return heard_; }                    // any frame has come
  const std::string& problem() const { return problem_; }  // "" while there is none
  // Whom the peer blames for its failure; kNobody where it did not say.
  int blames() const { return blames_; }
  const std::string& name() const { return name_; }
  int descriptor() const { return channel_->descriptor(); }
  short events(bool reads, bool writes) const { return channel_->events(reads, writes); }
  void EndWriting() { channel_->EndWriting(); }

  // Seconds without a sign of life, as its owner counts them.
  double quiet = 0;

 private:
  static constexpr size_t kInputBytes = 1 << 16;

  bool sending_control() const { return control_sent_ < control_.size(); }
  void AddControl(FrameHeader header, std::string_view text);
  bool Close(std::string problem);
  // One step of receiving: whether there may be more.
  enum class Step { kGoOn, kWait, kClosed };
  Step ReadMore(std::span<std::byte> into, size_t& got);
  Step Header();
  Step Body();
  // Whether the frame that begins is one that may come now; else the link is closed.
  bool Begin(const FrameHeader& header);
  bool Finish();

  std::unique_ptr<Channel> channel_;
  uint64_t tag_;
  std::string name_, problem_;
  bool left_ = false, heard_ = false, finished_ = false;
  int blames_ = Collective::kNobody;

  std::string control_;  // frames that wait to be sent, and how much of them is
  size_t control_sent_ = 0;
  bool data_due_ = false;
  FrameHeader data_header_;
  Bytes body_;
  size_t data_sent_ = 0;

  std::unique_ptr<std::byte[]> input_;  // what was read, and not looked at yet
  size_t input_begin_ = 0, input_end_ = 0;
  bool in_frame_ = false;
  FrameHeader frame_;  // the one that is being received
  Message arriving_, spare_;
  std::deque<Message> messages_;  // to be taken
  size_t arrived_ = 0;
  uint64_t next_sequence_ = 1;
};

}  // namespace ramet
