#include "ramet/collective/comm.h"

#include <string>

#include "ramet/collective/frame.h"

namespace ramet {
namespace {

class Carried final : public Collective {
 public:
  Carried(size_t rank, size_t size, Carrier carrier, std::atomic<bool>& stop)
      : Collective(rank, size, stop), carrier_(std::move(carrier)) {}
  ~Carried() override {
    if (status().ok()) Tell(FrameKind::kBye, {}, rank());
  }

 protected:
  Status ExchangeMessages(std::span<const Bytes> outgoing,
                          std::vector<Message>& incoming) override {
    ++sequence_;
    // To the next one first, so that not all begin with the same member.
    for (size_t step = 1; step < size(); ++step) {
      const size_t to = (rank() + step) % size();
      const FrameHeader header{
          .kind = FrameKind::kData, .sequence = sequence_, .length = outgoing[to].size()};
      RAMET_RETURN_IF_ERROR(
          About(to, carrier_.send(to, WithHeader(header, outgoing[to], framed_))));
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
      RAMET_RETURN_IF_ERROR(Open(from, *message, incoming[from]));
    }
    return {};
  }

  void TellOthers(const Error& error, int member) override {
    Tell(FrameKind::kFailed, std::string_view(error.message).substr(0, kMaxNotice),
         member == kNobody ? rank() : static_cast<uint64_t>(member));
  }

 private:
  // The last words. Who does not get them is gone itself.
  void Tell(FrameKind kind, std::string_view text, uint64_t about) {
    Message framed;
    const FrameHeader header{.kind = kind, .sequence = about, .length = text.size()};
    for (size_t step = 1; step < size(); ++step)
      (void)carrier_.send((rank() + step) % size(),
                          WithHeader(header, std::as_bytes(std::span(text)), framed));
  }

  static Bytes WithHeader(const FrameHeader& header, Bytes body, Message& framed) {
    const size_t bytes = sizeof header + body.size();
    framed.Reset(bytes);
    std::memcpy(framed.data(), &header, sizeof header);
    if (!body.empty()) std::memcpy(framed.data() + sizeof header, body.data(), body.size());
    return framed.span();
  }

  Status Open(size_t from, const Message& framed, Message& body) {
    FrameHeader header;
    const size_t bytes = framed.size() - std::min(framed.size(), sizeof header);
    if (framed.size() >= sizeof header) std::memcpy(&header, framed.data(), sizeof header);
    if (framed.size() < sizeof header || header.magic != FrameHeader::kMagic ||
        header.length != bytes)
      return About(from, IoError("a message was not carried whole, or is of somebody else"));
    const Bytes rest = framed.span().subspan(sizeof header);
    if (header.kind == FrameKind::kBye) return About(from, IoError("it has left"));
    if (header.kind == FrameKind::kFailed)
      return About(header.sequence < size() ? header.sequence : from,
                   IoError("member " + std::to_string(from) + " failed: " +
                           std::string(reinterpret_cast<const char*>(rest.data()), bytes)));
    if (header.kind != FrameKind::kData || header.sequence != sequence_)
      return About(from, IoError("the message of exchange " + std::to_string(header.sequence) +
                                 " was carried where that of exchange " +
                                 std::to_string(sequence_) + " is due"));
    body.Reset(bytes);
    if (bytes > 0) std::memcpy(body.data(), rest.data(), bytes);
    return {};
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
