// Sockets of the system: who owns them, and the few calls that are made. None blocks, none outlives
// an exec, and none raises SIGPIPE.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "ramet/base/result.h"

namespace ramet {

class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  ~Descriptor() { Close(); }
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }
  bool valid() const { return number_ >= 0; }
  void Close();

 private:
  int number_;
};

// Where a member listens: a name or a number of IPv4 or IPv6, and a port.
struct Endpoint {
  std::string host;
  uint16_t port = 0;
  // host:port, or [host]:port where the host has colons.
  std::string Text() const;
};

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
};

// All addresses of an endpoint, at least one. May ask a name server, if it is a name.
Result<std::vector<SocketAddress>> Resolve(const Endpoint& endpoint);

// A listening socket; port 0 takes a free one. `::` hears IPv4 too. An error names the endpoint.
Result<Descriptor> ListenOn(const Endpoint& endpoint);
uint16_t PortOf(const Descriptor& listening);
// The next one who called; invalid if there is none now.
Descriptor Accept(const Descriptor& listening);
// Begins to connect: writable once it is, or has failed (ErrorOf).
Result<Descriptor> StartConnect(const SocketAddress& address);
// The error that a socket has met, as errno; 0 for none.
int ErrorOf(const Descriptor& socket);
std::string ErrnoText(int number);

}  // namespace ramet
