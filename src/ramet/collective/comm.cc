#include "ramet/collective/comm.h"

#include <string>

#include "ramet/collective/frame.h"

namespace ramet {
namespace {

class Carried final : public Collective {
 public:
  Carried(size_t rank, size_t size, Carrier carrier, std::atomic<bool>& stop)
      : Collective(rank, size, stop), carrier_(std::move(carrier)) {}

 protected:
  Status ExchangeMessages(std::span<const Bytes> outgoing,
                          std::vector<Message>& incoming) override {
    ++sequence_;
    // To the next one first, so that not all begin with the same member.
    for (size_t step = 1; step < size(); ++step) {
      const size_t to = (rank() + step) % size();
      RAMET_RETURN_IF_ERROR(About(to, carrier_.send(to, WithHeader(outgoing[to]))));
    }
    for (size_t step = 1; step < size(); ++step) {
      const size_t from = (rank() + size() - step) % size();
      std::optional<Message> message;
      while (!message) {
        if (stopped()) return CancelledError("training was stopped");
        Result<std::optional<Message>> received = carrier_.receive(from);
        if (!received.ok()) return About(from, received.TakeError());
        message = *std::move(received);
      }
      Result<Message> body = WithoutHeader(*message);
      if (!body.ok()) return About(from, body.TakeError());
      incoming[from] = *std::move(body);
    }
    return {};
  }

 private:
  Bytes WithHeader(Bytes body) {
    const FrameHeader header{
        .kind = FrameKind::kData, .sequence = sequence_, .length = body.size()};
    if (framed_.size() < sizeof header + body.size())
      framed_ = Message(sizeof header + body.size());
    std::memcpy(framed_.data(), &header, sizeof header);
    if (!body.empty()) std::memcpy(framed_.data() + sizeof header, body.data(), body.size());
    return framed_.span().first(sizeof header + body.size());
  }

  Result<Message> WithoutHeader(const Message& framed) {
    FrameHeader header;
    const size_t bytes = framed.size() - std::min(framed.size(), sizeof header);
    if (framed.size() >= sizeof header) std::memcpy(&header, framed.data(), sizeof header);
    if (framed.size() < sizeof header || header.magic != FrameHeader::kMagic ||
        header.kind != FrameKind::kData || header.length != bytes)
      return IoError("a message was not carried whole, or is of somebody else");
    if (header.sequence != sequence_)
      return IoError("the message of exchange " + std::to_string(header.sequence) +
                     " was carried where that of exchange " + std::to_string(sequence_) +
                     " is due");
    Message body(bytes);
    if (bytes > 0) std::memcpy(body.data(), framed.data() + sizeof header, bytes);
    return body;
  }

  Status About(size_t member, Status status) {
    if (status.ok()) return status;
    Error error = status.TakeError();
    error.message = "member " + std::to_string(member) + ": " + error.message;
    Fail(error, static_cast<int>(member));
    return error;
  }

  Carrier carrier_;
  uint64_t sequence_ = 0;
  Message framed_;
};

}  // namespace

std::unique_ptr<Collective> JoinCarried(size_t rank, size_t size, Carrier carrier,
                                        std::atomic<bool>& stop) {
  return std::make_unique<Carried>(rank, size, std::move(carrier), stop);
}

}  // namespace ramet
