// A collective over sockets: every member is connected with every other.
//
//   Listener listener = Listener::Open({"0.0.0.0", 0});     tell the others listener.port()
//   std::unique_ptr<Collective> collective = Connect(context, listener, options, stop);
//   if (!collective->status().ok()) …                        who could not be reached, and why
//
// Invariants
//   T1. Who does not prove that it knows the group's secret gets no further than a handshake, and
//       delays nobody's.
//   T2. No wait is without an end: it ends by what it waits for, by a death (the connection
//       breaks), by a silence of `silent_after` seconds, by a failure that another member tells of,
//       by `stop`, or by the time-out of Connect.
//   T3. Silence is counted only while this process runs, and only of members that it waits for: a
//       process that was frozen itself takes nobody for dead.
//   T4. A native thread gives signs of life: a thread that computes, or holds the GIL, is alive.
//
// One thread at a time looks at the connections (`mutex_`): the one that exchanges, for as long as
// it does, else the one that gives signs of life. So an exchange costs no switch between threads.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ramet/collective/channel.h"
#include "ramet/collective/collective.h"
#include "ramet/collective/socket.h"
#include "ramet/collective/tls.h"

namespace ramet {

class Listener {
 public:
  // Port 0: a free one. With `tls` all connections of its groups are under TLS, those that its
  // owner dials, too. An error names the endpoint.
  // `locally`: those of the same machine come by its own sockets, where they can.
  static Result<Listener> Open(const Endpoint& endpoint, std::optional<Tls> tls = {},
                               bool locally = true);
  uint16_t port() const { return port_; }
  bool open() const { return socket_.valid(); }
  void Close() {
    socket_.Close();
    local_.Close();
  }
  const Descriptor& socket() const { return socket_; }
  const Descriptor& local() const { return local_; }  // invalid where there is none
  bool locally() const { return locally_; }
  std::unique_ptr<Channel> MakeChannel(Descriptor connection, bool dials) const;

 private:
  Listener(Descriptor socket, std::optional<Tls> tls, bool locally)
      : socket_(std::move(socket)),
        port_(PortOf(socket_)),
        locally_(locally),
        local_(locally ? ListenLocally(port_) : Descriptor()),
        tls_(std::move(tls)) {}
  Descriptor socket_;
  uint16_t port_;
  bool locally_;
  Descriptor local_;
  std::optional<Tls> tls_;
};

struct ConnectOptions {
  size_t rank = 0;
  std::vector<Endpoint> addresses;  // of all members, by rank
  std::string secret;               // of this group and epoch; 16 bytes or more
  double connect_timeout = 30;      // seconds, for all connections
  double silent_after = 10;         // seconds without a sign of life
};

// Connects with all others: member i dials those before it, and is dialled by those after it. All
// call it at about the same time, and it returns when all are there. What it returns has failed
// already if they are not. `listener` may be used again for a later group.
std::unique_ptr<Collective> Connect(const Context& context, const Listener& listener,
                                    const ConnectOptions& options, std::atomic<bool>& stop);

}  // namespace ramet
