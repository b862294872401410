#include "ramet/collective/socket.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>

namespace ramet {
namespace {

constexpr int kBacklog = 256;

struct FreeAddresses {
  void operator()(addrinfo* found) const { freeaddrinfo(found); }
};

Result<std::vector<SocketAddress>> LookUp(const Endpoint& endpoint, int flags) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* first = nullptr;
  const int code =
      getaddrinfo(endpoint.host.c_str(), std::to_string(endpoint.port).c_str(), &hints, &first);
  if (code != 0)
    return IoError(endpoint.Text() + ": no such address (" + gai_strerror(code) +
                   "). Check the name, or give the number of the interface.");
  const std::unique_ptr<addrinfo, FreeAddresses> owner(first);
  std::vector<SocketAddress> addresses;
  for (const addrinfo* info = first; info != nullptr; info = info->ai_next) {
    if (info->ai_addrlen > sizeof(sockaddr_storage)) continue;
    SocketAddress& address = addresses.emplace_back();
    std::memcpy(&address.storage, info->ai_addr, info->ai_addrlen);
    address.length = static_cast<socklen_t>(info->ai_addrlen);
  }
  if (addresses.empty()) return IoError(endpoint.Text() + ": no address of IPv4 or IPv6.");
  return addresses;
}

void SetFlag(int socket, int level, int name, int value) {
  setsockopt(socket, level, name, &value, sizeof value);  // a wish: failure is no error
}

}  // namespace

void Descriptor::Close() {
  if (number_ >= 0) close(number_);
  number_ = -1;
}

std::string Endpoint::Text() const {
  const bool colons = host.find(':') != std::string::npos;
  return (colons ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::string ErrnoText(int number) { return std::generic_category().message(number); }

Result<std::vector<SocketAddress>> Resolve(const Endpoint& endpoint) { return LookUp(endpoint, 0); }

Result<Descriptor> ListenOn(const Endpoint& endpoint) {
  RAMET_ASSIGN(const std::vector<SocketAddress> addresses, LookUp(endpoint, AI_PASSIVE));
  int problem = 0;
  for (const SocketAddress& address : addresses) {
    Descriptor listening(
        socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!listening.valid()) {
      problem = errno;
      continue;
    }
    SetFlag(listening.number(), SOL_SOCKET, SO_REUSEADDR, 1);
    if (address.storage.ss_family == AF_INET6)
      SetFlag(listening.number(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
    if (bind(listening.number(), reinterpret_cast<const sockaddr*>(&address.storage),
             address.length) == 0 &&
        listen(listening.number(), kBacklog) == 0)
      return listening;
    problem = errno;
  }
  return IoError("cannot listen on " + endpoint.Text() + ": " + ErrnoText(problem) +
                 ". Choose another port or interface, or port 0 for a free one.");
}

uint16_t PortOf(const Descriptor& listening) {
  SocketAddress address;
  address.length = sizeof address.storage;
  if (getsockname(listening.number(), reinterpret_cast<sockaddr*>(&address.storage),
                  &address.length) != 0)
    return 0;
  if (address.storage.ss_family == AF_INET6)
    return ntohs(reinterpret_cast<const sockaddr_in6&>(address.storage).sin6_port);
  return ntohs(reinterpret_cast<const sockaddr_in&>(address.storage).sin_port);
}

Descriptor Accept(const Descriptor& listening) {
  Descriptor accepted(accept4(listening.number(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (accepted.valid()) SetFlag(accepted.number(), IPPROTO_TCP, TCP_NODELAY, 1);
  return accepted;
}

Result<Descriptor> StartConnect(const SocketAddress& address) {
  Descriptor connecting(
      socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!connecting.valid()) return IoError("no socket: " + ErrnoText(errno) + ".");
  SetFlag(connecting.number(), IPPROTO_TCP, TCP_NODELAY, 1);
  if (connect(connecting.number(), reinterpret_cast<const sockaddr*>(&address.storage),
              address.length) != 0 &&
      errno != EINPROGRESS)
    return IoError(ErrnoText(errno));
  return connecting;
}

int ErrorOf(const Descriptor& socket) {
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(socket.number(), SOL_SOCKET, SO_ERROR, &error, &length) != 0) return errno;
  return error;
}

}  // namespace ramet
