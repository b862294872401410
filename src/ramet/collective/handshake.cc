#include "ramet/collective/handshake.h"

#include <cstring>

#include "ramet/collective/secret.h"

namespace ramet {
namespace {

// Changes with the format of handshakes and frames.
constexpr std::string_view kMagic = "RAMET-1\n", kWelcome = "WELCOME\n";
constexpr size_t kNonceBytes = 32;

struct Claims {
  uint32_t from = 0, to = 0, size = 0, zero = 0;
};
constexpr size_t kHelloBytes = 8 + sizeof(Claims) + kNonceBytes;
constexpr size_t kReplyBytes = 8 + kNonceBytes + kProofBytes;

}  // namespace

Handshake Handshake::Dial(std::unique_ptr<Channel> channel, const Group& group, size_t peer) {
  return {std::move(channel), group, true, peer};
}

Handshake Handshake::Answer(std::unique_ptr<Channel> channel, const Group& group) {
  return {std::move(channel), group, false, 0};
}

Handshake::State Handshake::Fail(std::string problem) {
  problem_ = std::move(problem);
  return state_ = State::kFailed;
}

short Handshake::events() const {
  if (stage_ == Stage::kOpen) return channel_->events(false, true);
  return channel_->events(outgoing_.empty(), !outgoing_.empty());
}

Handshake::State Handshake::Step() {
  if (state_ != State::kUnderWay) return state_;
  if (stage_ == Stage::kOpen) {
    const Channel::Opened opened = channel_->Open();
    if (opened == Channel::Opened::kNotYet) return state_;
    if (opened == Channel::Opened::kFailed) return Fail(channel_->problem());
    Opened();
  }
  while (state_ == State::kUnderWay && Flush()) {
    if (stage_ == Stage::kDone) return state_ = State::kDone;
    if (!Fill()) break;
    switch (stage_) {
      case Stage::kHello:
        GotHello();
        break;
      case Stage::kReply:
        GotReply();
        break;
      case Stage::kConfirm:
        GotConfirm();
        break;
      default:
        GotWelcome();
    }
  }
  return state_;
}

bool Handshake::Flush() {
  while (!outgoing_.empty() || channel_->backlog()) {
    const Channel::Moved moved = channel_->Write(std::as_bytes(std::span(outgoing_)), {});
    if (moved.closed) Fail(channel_->problem());
    if (moved.closed || (moved.bytes == 0 && channel_->backlog())) return false;
    if (moved.bytes == 0 && !outgoing_.empty()) return false;
    outgoing_.erase(0, moved.bytes);
  }
  return true;
}

// No byte more than is due: what follows are frames.
bool Handshake::Fill() {
  while (incoming_.size() < due_) {
    std::string block(due_ - incoming_.size(), '\0');
    const Channel::Moved moved = channel_->Read(std::as_writable_bytes(std::span(block)));
    if (moved.closed)
      Fail(channel_->problem() +
           " during the handshake (it is of another fit, has other settings of TLS, or stopped)");
    if (moved.bytes == 0) return false;
    incoming_.append(block, 0, moved.bytes);
  }
  return true;
}

void Handshake::Wait(Stage stage, size_t bytes) {
  stage_ = stage;
  incoming_.clear();
  due_ = bytes;
}

std::string Handshake::Proved(std::string_view role) const {
  return MakeProof(group_->secret, std::string(role) + said_);
}

void Handshake::Opened() {
  if (!dials_) return Wait(Stage::kHello, kHelloBytes);
  const Claims claims{static_cast<uint32_t>(group_->rank), static_cast<uint32_t>(peer_),
                      static_cast<uint32_t>(group_->size)};
  said_ = std::string(kMagic);
  said_.append(reinterpret_cast<const char*>(&claims), sizeof claims)
      .append(RandomBytes(kNonceBytes));
  outgoing_ = said_;
  Wait(Stage::kReply, kReplyBytes);
}

void Handshake::GotHello() {
  Claims claims;
  std::memcpy(&claims, incoming_.data() + kMagic.size(), sizeof claims);
  if (incoming_.compare(0, kMagic.size(), kMagic) != 0 || claims.zero != 0) {
    Fail("it does not speak this protocol");
    return;
  }
  if (claims.to != group_->rank || claims.size != group_->size || claims.from >= group_->size ||
      claims.from <= group_->rank) {
    Fail("it looks for another member, or claims to be one that does not call here");
    return;
  }
  peer_ = claims.from;
  const std::string nonce = RandomBytes(kNonceBytes);
  said_ = incoming_ + nonce;
  outgoing_ = std::string(kMagic) + nonce + Proved("answer");
  Wait(Stage::kConfirm, kProofBytes);
}

void Handshake::GotReply() {
  said_ += incoming_.substr(kMagic.size(), kNonceBytes);
  if (incoming_.compare(0, kMagic.size(), kMagic) != 0 ||
      !SameProof(incoming_.substr(kMagic.size() + kNonceBytes), Proved("answer"))) {
    Fail("it does not know this group's secret: it is of another fit or epoch");
    return;
  }
  outgoing_ = Proved("dial");
  Wait(Stage::kWelcome, kWelcome.size());
}

void Handshake::GotConfirm() {
  if (!SameProof(incoming_, Proved("dial"))) {
    Fail("it does not know this group's secret");
    return;
  }
  outgoing_ = kWelcome;
  Wait(Stage::kDone, 0);
  std::memcpy(&tag_, Proved("tag").data(), sizeof tag_);
}

void Handshake::GotWelcome() {
  if (incoming_ != kWelcome) {
    Fail("it does not speak this protocol");
    return;
  }
  Wait(Stage::kDone, 0);
  std::memcpy(&tag_, Proved("tag").data(), sizeof tag_);
}

}  // namespace ramet
