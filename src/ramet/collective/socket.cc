#include "ramet/collective/socket.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <system_error>

namespace ramet {
namespace {

constexpr int kBacklog = 256;

struct FreeAddresses {
  void operator()(addrinfo* found) const { freeaddrinfo(found); }
};

// Two of them suffice while one is read; more would leave the processor's cache.
constexpr int kLocalBuffer = 1 << 19;

SocketAddress LocalAddress(uint16_t port) {
  SocketAddress address;
  auto& local = reinterpret_cast<sockaddr_un&>(address.storage);
  local.sun_family = AF_UNIX;
  // A name that begins with a zero byte is no file.
  const std::string name = '\0' + ("ramet-" + std::to_string(port));
  std::memcpy(local.sun_path, name.data(), name.size());
  address.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  return address;
}

const sockaddr* Pointer(const SocketAddress& address) {
  return reinterpret_cast<const sockaddr*>(&address.storage);
}

// Whether an interface of this machine has the address.
bool OfThisMachine(SocketAddress address) {
  if (address.storage.ss_family == AF_INET6)
    reinterpret_cast<sockaddr_in6&>(address.storage).sin6_port = 0;
  else
    reinterpret_cast<sockaddr_in&>(address.storage).sin_port = 0;
  const Descriptor probe(socket(address.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  return probe.valid() && bind(probe.number(), Pointer(address), address.length) == 0;
}

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

void Set(const Descriptor& socket, int level, int name, int value) {
  // A wish: failure is no error.
  setsockopt(socket.number(), level, name, &value, sizeof value);
}

void SetOptions(const Descriptor& connection, sa_family_t family) {
  if (family != AF_UNIX) {
    Set(connection, IPPROTO_TCP, TCP_NODELAY, 1);
  } else {
    Set(connection, SOL_SOCKET, SO_SNDBUF, kLocalBuffer);
  }
}

sa_family_t FamilyOf(const Descriptor& socket) {
  SocketAddress address;
  address.length = sizeof address.storage;
  getsockname(socket.number(), reinterpret_cast<sockaddr*>(&address.storage), &address.length);
  return address.storage.ss_family;
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

Result<std::vector<SocketAddress>> Resolve(const Endpoint& endpoint) {
  RAMET_ASSIGN(std::vector<SocketAddress> addresses, LookUp(endpoint, 0));
  if (OfThisMachine(addresses.front()))
    addresses.insert(addresses.begin(), LocalAddress(endpoint.port));
  return addresses;
}

Descriptor ListenLocally(uint16_t port) {
  Descriptor listening(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const SocketAddress address = LocalAddress(port);
  if (listening.valid() && (bind(listening.number(), Pointer(address), address.length) != 0 ||
                            listen(listening.number(), kBacklog) != 0))
    listening.Close();
  return listening;
}

bool OfThisUser(const Descriptor& connection) {
  if (FamilyOf(connection) != AF_UNIX) return true;
  ucred other{};
  socklen_t length = sizeof other;
  return getsockopt(connection.number(), SOL_SOCKET, SO_PEERCRED, &other, &length) == 0 &&
         (other.uid == geteuid() || other.uid == 0);
}

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
    Set(listening, SOL_SOCKET, SO_REUSEADDR, 1);
    if (address.storage.ss_family == AF_INET6) Set(listening, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    if (bind(listening.number(), Pointer(address), address.length) == 0 &&
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
  if (accepted.valid()) SetOptions(accepted, FamilyOf(accepted));
  return accepted;
}

Result<Descriptor> StartConnect(const SocketAddress& address) {
  Descriptor connecting(
      socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!connecting.valid()) return IoError("no socket: " + ErrnoText(errno) + ".");
  SetOptions(connecting, address.storage.ss_family);
  if (connect(connecting.number(), Pointer(address), address.length) != 0 && errno != EINPROGRESS)
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
