// A switch whose wires are long: it hands each packet on after a delay. For machines without netem.
//
//   network_relay MICROSECONDS NAMESPACE..          (bench/network.py starts it)
//
// Makes an interface eth0 in each namespace, the end of a wire to the switch, with the hardware
// address 02:00:00:00:00:HOST, and prints a line when they are there. A packet to the address of
// host N goes to its wire; one to all goes to all others. Packets may be as large as what TCP hands
// to a network card (64 KB), so that a fast wire costs few of them. Runs until its standard input
// ends; the interfaces are gone with it.
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <deque>
#include <string>
#include <vector>

namespace {

constexpr size_t kHeader = 10;  // virtio_net_hdr, which the kernel reads on the other wire as it is
constexpr size_t kLongest = kHeader + 14 + (1 << 16);

struct Packet {
  int64_t due;  // nanoseconds
  size_t to;    // the wire
  std::vector<char> bytes;
};

[[noreturn]] void Fail(const char* what) {
  std::fprintf(stderr, "%s: %s\n", what, std::strerror(errno));
  std::exit(1);
}
void Check(bool good, const char* what) {
  if (!good) Fail(what);
}

int64_t Now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

// The switch's end of a wire to host number `host`, in whose namespace this process is.
int MakeWire(int host) {
  const int wire = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
  Check(wire >= 0, "/dev/net/tun");
  ifreq request{};
  std::strcpy(request.ifr_name, "eth0");
  request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  Check(ioctl(wire, TUNSETIFF, &request) == 0, "TUNSETIFF");
  Check(ioctl(wire, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) == 0, "TUNSETOFFLOAD");
  const char address[6] = {2, 0, 0, 0, 0, static_cast<char>(host)};
  const int socket = ::socket(AF_INET, SOCK_DGRAM, 0);
  request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
  std::memcpy(request.ifr_hwaddr.sa_data, address, sizeof address);
  Check(ioctl(socket, SIOCSIFHWADDR, &request) == 0, "SIOCSIFHWADDR");
  close(socket);
  return wire;
}

class Switch {
 public:
  Switch(int64_t delay, std::vector<int> wires) : delay_(delay), wires_(std::move(wires)) {}

  void Run() {
    std::vector<pollfd> polled{{STDIN_FILENO, POLLIN, 0}};
    for (const int wire : wires_) polled.push_back({wire, POLLIN, 0});
    while (polled[0].revents == 0) {
      const int64_t wait = waiting_.empty() ? INT64_C(1000000000) : waiting_.front().due - Now();
      const timespec timeout{wait > 0 ? wait / 1000000000 : 0, wait > 0 ? wait % 1000000000 : 0};
      ppoll(polled.data(), polled.size(), &timeout, nullptr);
      for (size_t wire = 0; wire < wires_.size(); ++wire)
        if (polled[wire + 1].revents != 0) TakeFrom(wire);
      HandOn();
    }
  }

 private:
  // A few at a time, so that those that are due do not wait for long.
  void TakeFrom(size_t wire) {
    for (int i = 0; i < 8; ++i) {
      std::vector<char> bytes = Room();
      const ssize_t length = read(wires_[wire], bytes.data(), bytes.size());
      if (length < static_cast<ssize_t>(kHeader) + 14) return spare_.push_back(std::move(bytes));
      bytes.resize(static_cast<size_t>(length));
      const auto* address = reinterpret_cast<const unsigned char*>(bytes.data() + kHeader);
      const int64_t due = Now() + delay_;
      if ((address[0] & 1) == 0) {
        if (address[5] < wires_.size()) waiting_.push_back({due, address[5], std::move(bytes)});
        continue;
      }
      for (size_t other = 0; other < wires_.size(); ++other)
        if (other != wire) waiting_.push_back({due, other, bytes});
    }
  }

  void HandOn() {
    while (!waiting_.empty() && waiting_.front().due <= Now()) {
      Packet packet = std::move(waiting_.front());
      waiting_.pop_front();
      (void)!write(wires_[packet.to], packet.bytes.data(), packet.bytes.size());
      spare_.push_back(std::move(packet.bytes));
    }
  }

  std::vector<char> Room() {
    if (spare_.empty()) return std::vector<char>(kLongest);
    std::vector<char> room = std::move(spare_.back());
    spare_.pop_back();
    room.resize(kLongest);
    return room;
  }

  const int64_t delay_;
  const std::vector<int> wires_;
  std::deque<Packet> waiting_;  // all wait equally long: in order
  std::vector<std::vector<char>> spare_;
};

}  // namespace

int main(int count, char** arguments) {
  if (count < 3) return 2;
  std::vector<int> wires;
  for (int host = 0; host < count - 2; ++host) {
    const std::string path = std::string("/run/netns/") + arguments[host + 2];
    const int space = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    Check(space >= 0 && setns(space, CLONE_NEWNET) == 0, path.c_str());
    close(space);
    wires.push_back(MakeWire(host));
  }
  prctl(PR_SET_TIMERSLACK, 1);
  std::puts("ready");
  std::fflush(stdout);
  Switch(std::atoll(arguments[1]) * 1000, std::move(wires)).Run();
}
