#include <poll.h>
#include <sys/uio.h>

#include <cerrno>

#include "ramet/collective/channel.h"

namespace ramet {
namespace {

class PlainChannel final : public Channel {
 public:
  explicit PlainChannel(Descriptor socket) : Channel(std::move(socket)) {}

  Opened Open() override {
    pollfd ready{descriptor(), POLLOUT, 0};
    if (poll(&ready, 1, 0) == 0) return Opened::kNotYet;
    const int error = ErrorOf(socket());
    if (error == 0) return Opened::kYes;
    (void)Closed(ErrnoText(error));
    return Opened::kFailed;
  }

  Moved Write(Bytes head, Bytes body) override {
    iovec pieces[2] = {{const_cast<std::byte*>(head.data()), head.size()},
                       {const_cast<std::byte*>(body.data()), body.size()}};
    msghdr message{};
    message.msg_iov = pieces;
    message.msg_iovlen = 2;
    return Outcome(sendmsg(descriptor(), &message, MSG_NOSIGNAL));
  }

  Moved Read(std::span<std::byte> into) override {
    const ssize_t got = recv(descriptor(), into.data(), into.size(), 0);
    if (got == 0) return Closed("it closed the connection");
    return Outcome(got);
  }

  void EndWriting() override { shutdown(descriptor(), SHUT_WR); }

  short events(bool reads, bool writes) const override {
    return static_cast<short>((reads ? POLLIN : 0) | (writes ? POLLOUT : 0));
  }

 private:
  Moved Outcome(ssize_t count) {
    if (count >= 0) return {static_cast<size_t>(count), false};
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR || errno == ENOBUFS) return {};
    return Closed("the connection broke: " + ErrnoText(errno));
  }
};

}  // namespace

std::unique_ptr<Channel> MakePlainChannel(Descriptor socket) {
  return std::make_unique<PlainChannel>(std::move(socket));
}

}  // namespace ramet
