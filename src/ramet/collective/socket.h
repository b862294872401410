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

// Whether it is the machine's own, see Resolve.
inline bool IsLocal(const SocketAddress& address) { return address.storage.ss_family == AF_UNIX; }

// All addresses of an endpoint, at least one. An endpoint of this machine has one more, the first:
// the machine's own socket of that port (ListenLocally), which costs half of TCP. May ask a name
// server, if it is a name.
Result<std::vector<SocketAddress>> Resolve(const Endpoint& endpoint);

// A listening socket; port 0 takes a free one. `::` hears IPv4 too. An error names the endpoint.
Result<Descriptor> ListenOn(const Endpoint& endpoint);
uint16_t PortOf(const Descriptor& listening);
// What those of this machine and user may call instead of `port`; invalid if another has it. Its
// name is no file, and is known to this network namespace alone.
Descriptor ListenLocally(uint16_t port);
// Whether a connection is of this machine and its other end of this user (or of the superuser), or
// of no kind that could tell.
bool OfThisUser(const Descriptor& connection);
// The next one who called; invalid if there is none now.
Descriptor Accept(const Descriptor& listening);
// Begins to connect: writable once it is, or has failed (ErrorOf).
Result<Descriptor> StartConnect(const SocketAddress& address);
// The error that a socket has met, as errno; 0 for none.
int ErrorOf(const Descriptor& socket);
std::string ErrnoText(int number);

}  // namespace ramet
