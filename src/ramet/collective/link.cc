#include "ramet/collective/link.h"

#include <algorithm>
#include <utility>

namespace ramet {
namespace {

// A message's memory grows by this factor over what has arrived (L2): little is copied twice.
constexpr size_t kGrowth = 16;
constexpr size_t kFirstBlock = size_t{1} << 20;
// Less than this is read together with what comes after it.
constexpr size_t kDirect = size_t{1} << 14;

}  // namespace

Link::Link(std::unique_ptr<Channel> channel, uint64_t tag, std::string name)
    : channel_(std::move(channel)),
      tag_(tag),
      name_(std::move(name)),
      input_(std::make_unique_for_overwrite<std::byte[]>(kInputBytes)) {}

bool Link::Close(std::string problem) {
  if (problem_.empty()) problem_ = std::move(problem);
  return false;
}

void Link::StartSending(uint64_t sequence, Bytes body) {
  data_header_ = {
      .kind = FrameKind::kData, .tag = tag_, .sequence = sequence, .length = body.size()};
  body_ = body;
  data_sent_ = 0;
  data_due_ = true;
}

void Link::AddControl(FrameHeader header, std::string_view text) {
  header.tag = tag_;
  header.length = text.size();
  control_.append(reinterpret_cast<const char*>(&header), sizeof header).append(text);
}

void Link::Heartbeat() {
  if (!sending()) AddControl({.kind = FrameKind::kHeartbeat}, {});
}

void Link::Bye() { AddControl({.kind = FrameKind::kBye}, {}); }

void Link::Notice(std::string_view text, uint64_t about) {
  AddControl({.kind = FrameKind::kFailed, .sequence = about}, text.substr(0, kMaxNotice));
}

bool Link::Send() {
  while (sending() && problem_.empty()) {
    // Control frames first, unless a data frame is under way (L3).
    Channel::Moved moved;
    if (sending_control() && !(data_due_ && data_sent_ > 0)) {
      moved = channel_->Write(std::as_bytes(std::span(control_)).subspan(control_sent_), {});
      control_sent_ += moved.bytes;
      if (control_sent_ == control_.size()) {
        control_.clear();
        control_sent_ = 0;
      }
    } else if (!data_due_) {
      moved = channel_->Write({}, {});
    } else {
      const Bytes header = std::as_bytes(std::span(&data_header_, 1));
      const size_t of_header = std::min(data_sent_, header.size());
      moved = channel_->Write(header.subspan(of_header), body_.subspan(data_sent_ - of_header));
      data_sent_ += moved.bytes;
      // The system alone would not take a message's bytes for ever; heartbeats it might.
      if (moved.bytes > 0) quiet = 0;
      if (data_sent_ == header.size() + body_.size()) data_due_ = false;
    }
    if (moved.closed) {
      // It may have said why before it went.
      (void)Receive(true);
      return left_ ? false : Close(channel_->problem());
    }
    if (moved.bytes == 0) return true;
  }
  return problem_.empty();
}

bool Link::Receive(bool all) {
  while (open() && (all || messages_.empty())) {
    switch (in_frame_ ? Body() : Header()) {
      case Step::kGoOn:
        break;
      case Step::kWait:
        return true;
      case Step::kClosed:
        return false;
    }
  }
  return problem_.empty();
}

Message Link::TakeMessage() {
  Message message = std::move(messages_.front());
  messages_.pop_front();
  return message;
}

void Link::ReuseMemory(Message message) {
  if (message.capacity() > spare_.capacity()) spare_ = std::move(message);
}

Link::Step Link::ReadMore(std::span<std::byte> into, size_t& got) {
  const Channel::Moved moved = channel_->Read(into);
  if (moved.closed) {
    Close(channel_->problem());
    return Step::kClosed;
  }
  if (moved.bytes == 0) return Step::kWait;
  got += moved.bytes;
  quiet = 0;
  return Step::kGoOn;
}

Link::Step Link::Header() {
  if (input_end_ - input_begin_ < sizeof(FrameHeader)) {
    std::copy(input_.get() + input_begin_, input_.get() + input_end_, input_.get());
    input_end_ -= input_begin_;
    input_begin_ = 0;
    return ReadMore({input_.get() + input_end_, kInputBytes - input_end_}, input_end_);
  }
  FrameHeader header;
  std::memcpy(&header, input_.get() + input_begin_, sizeof header);
  input_begin_ += sizeof header;
  return Begin(header) ? Step::kGoOn : Step::kClosed;
}

bool Link::Begin(const FrameHeader& header) {
  if (header.magic != FrameHeader::kMagic || header.tag != tag_)
    return Close("it sent what is no frame of this group");
  heard_ = true;
  uint64_t longest = 0;
  switch (header.kind) {
    case FrameKind::kData:
      if (messages_.size() > 1 || header.sequence != next_sequence_)
        return Close("it sent a message of exchange " + std::to_string(header.sequence) +
                     " where exchange " + std::to_string(next_sequence_) + " is due");
      longest = kMaxMessage;
      break;
    case FrameKind::kFailed:
      longest = kMaxNotice;
      break;
    case FrameKind::kHeartbeat:
    case FrameKind::kBye:
      break;
    default:
      return Close("it sent a frame of an unknown kind");
  }
  if (header.length > longest)
    return Close("it announced " + std::to_string(header.length) + " bytes, but at most " +
                 std::to_string(longest) + " may come");
  frame_ = header;
  in_frame_ = true;
  arrived_ = 0;
  // Small ones come without the spare memory, so that it is there for the large.
  arriving_ = header.length >= kDirect ? std::exchange(spare_, {}) : Message();
  arriving_.Reset(std::min<size_t>(header.length, std::max(arriving_.capacity(), kFirstBlock)));
  return header.length > 0 || Finish();
}

Link::Step Link::Body() {
  if (arrived_ == arriving_.size()) {
    Message larger(std::min<size_t>(frame_.length, kGrowth * arrived_));
    std::memcpy(larger.data(), arriving_.data(), arrived_);
    arriving_ = std::move(larger);
  }
  const size_t room = arriving_.size() - arrived_, buffered = input_end_ - input_begin_;
  if (buffered > 0) {
    const size_t taken = std::min(room, buffered);
    std::memcpy(arriving_.data() + arrived_, input_.get() + input_begin_, taken);
    input_begin_ += taken;
    arrived_ += taken;
  } else {
    const bool direct = room >= kDirect;
    input_begin_ = input_end_ = 0;
    const Step step = direct ? ReadMore(arriving_.span().subspan(arrived_), arrived_)
                             : ReadMore({input_.get(), kInputBytes}, input_end_);
    if (step != Step::kGoOn) return step;
  }
  if (arrived_ < frame_.length) return Step::kGoOn;
  return Finish() ? Step::kGoOn : Step::kClosed;
}

bool Link::Finish() {
  in_frame_ = false;
  switch (frame_.kind) {
    case FrameKind::kData:
      messages_.push_back(std::move(arriving_));
      ++next_sequence_;
      break;
    case FrameKind::kBye:
      left_ = true;
      break;
    case FrameKind::kFailed:
      if (frame_.sequence <= 0xffff) blames_ = static_cast<int>(frame_.sequence);
      return Close("it failed: " +
                   std::string(reinterpret_cast<const char*>(arriving_.data()), arriving_.size()));
    case FrameKind::kHeartbeat:
      break;
  }
  return true;
}

}  // namespace ramet
