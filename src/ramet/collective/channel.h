// A stream of bytes to and from one peer that never blocks: what TCP and TLS differ in.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "ramet/collective/collective.h"
#include "ramet/collective/socket.h"

namespace ramet {

class Channel {
 public:
  // What a call moved. Neither bytes nor closed: not now; wait for events().
  struct Moved {
    size_t bytes = 0;
    bool closed = false;  // for good; problem() says how
  };
  enum class Opened { kYes, kNotYet, kFailed };

  explicit Channel(Descriptor socket) : socket_(std::move(socket)) {}
  virtual ~Channel() = default;

  // To be called, whenever events() come, until it says yes: the connection, and TLS's handshake.
  virtual Opened Open() = 0;
  // Takes some of head, and then of body, in this order, and of the backlog.
  virtual Moved Write(Bytes head, Bytes body) = 0;
  virtual Moved Read(std::span<std::byte> into) = 0;
  // Something that was taken has not been sent yet: Write again, if only with nothing.
  virtual bool backlog() const { return false; }
  // Nothing more will be written: the peer reads to the end, and sees it.
  virtual void EndWriting() = 0;
  // What poll() shall wait for, for one who wants to read, to write, or both; to open: to write.
  virtual short events(bool reads, bool writes) const = 0;

  int descriptor() const { return socket_.number(); }
  const std::string& problem() const { return problem_; }

 protected:
  const Descriptor& socket() const { return socket_; }
  Moved Closed(std::string problem) {
    if (problem_.empty()) problem_ = std::move(problem);
    return {0, true};
  }

 private:
  Descriptor socket_;
  std::string problem_;
};

// The bytes as they are. The socket may still be connecting.
std::unique_ptr<Channel> MakePlainChannel(Descriptor socket);

}  // namespace ramet
