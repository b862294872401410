// What exchanges cost between processes of one machine: time, and processor time of all members.
//
//   collective_benchmark --benchmark_filter=Tcp
//
// AllSum of int64, 2 and 4 members, over TCP, TLS, and (as a bare pair) sockets of the machine. The
// counters: seconds of processor time of all members a byte of the reduced array, in ns, and a
// call.
#include <benchmark/benchmark.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <numeric>

#include "ramet/collective/link.h"
#include "ramet/collective/testing.h"

namespace ramet {
namespace {

double CpuSeconds() {
  rusage use{};
  getrusage(RUSAGE_SELF, &use);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(use.ru_utime) + seconds(use.ru_stime);
}

// Runs `member(rank)` in as many processes, of which this one is the first, and calls what it
// returns: once before, and then once for each iteration. Returns the processor time of all in it.
template <class MakeMember>
double InProcesses(benchmark::State& state, size_t members, const MakeMember& make_member) {
  auto* const cpu =
      static_cast<double*>(mmap(nullptr, members * sizeof(double), PROT_READ | PROT_WRITE,
                                MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  RAMET_CHECK(cpu != MAP_FAILED);
  std::vector<pid_t> children;
  for (size_t rank = 1; rank < members; ++rank) {
    const pid_t child = fork();
    RAMET_CHECK(child >= 0);
    if (child == 0) {
      {
        const std::function<void()> call = make_member(rank);
        call();
        const double before = CpuSeconds();
        for (int64_t i = 0; i < state.max_iterations; ++i) call();
        cpu[rank] = CpuSeconds() - before;
      }
      _exit(0);
    }
    children.push_back(child);
  }
  {
    const std::function<void()> call = make_member(0);
    call();
    const double before = CpuSeconds();
    for (auto _ : state) call();
    cpu[0] = CpuSeconds() - before;
  }
  for (const pid_t child : children) waitpid(child, nullptr, 0);
  const double sum = std::accumulate(cpu, cpu + members, 0.0);
  munmap(cpu, members * sizeof(double));
  return sum;
}

void Report(benchmark::State& state, double cpu, size_t bytes) {
  const auto calls = static_cast<double>(state.iterations());
  state.counters["cpu_ns_per_byte"] = 1e9 * cpu / calls / static_cast<double>(bytes);
  state.counters["cpu_us_per_call"] = 1e6 * cpu / calls;
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes));
}

void AllSums(benchmark::State& state, const testing::Channel& channel) {
  const auto members = static_cast<size_t>(state.range(0));
  const auto bytes = static_cast<size_t>(state.range(1));
  const testing::Joiner join = channel(members);
  const double cpu = InProcesses(state, members, [&](size_t rank) {
    auto member = std::make_shared<testing::Member>();
    member->Use(join(rank, member->stop));
    return [member, values = std::vector<int64_t>(bytes / sizeof(int64_t), 1)]() mutable {
      AllSum(member->context, std::span<int64_t>(values));
      RAMET_CHECK(member->collective->status().ok());
    };
  });
  Report(state, cpu, bytes);
}

void Sizes(benchmark::internal::Benchmark* benchmark) {
  for (const int members : {2, 4})
    for (const int bytes : {8, 1 << 16, 1 << 20, 1 << 22, 1 << 25})
      benchmark->Args({members, bytes});
  benchmark->ArgNames({"members", "bytes"})->UseRealTime()->Unit(benchmark::kMicrosecond);
}

// Two processes that send each other messages over a given pair of sockets.
void Pair(benchmark::State& state, std::array<Descriptor, 2> ends) {
  const auto bytes = static_cast<size_t>(state.range(0));
  const double cpu = InProcesses(state, 2, [&](size_t rank) {
    auto link = std::make_shared<Link>(MakePlainChannel(std::move(ends[rank])), 1, "the other");
    auto message = std::make_shared<Message>(Message::Zeroed(bytes));
    return [link, message, sequence = uint64_t{0}]() mutable {
      link->StartSending(++sequence, message->span());
      for (;;) {
        RAMET_CHECK(link->Send() && link->Receive(false));
        if (link->has_message() && !link->sending()) break;
        pollfd wait{link->descriptor(), link->events(!link->has_message(), link->sending()), 0};
        poll(&wait, 1, -1);
      }
      benchmark::DoNotOptimize(link->TakeMessage());
    };
  });
  Report(state, cpu, bytes);
}

std::array<Descriptor, 2> UnixPair() {
  int ends[2];
  RAMET_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
  const int bytes = 1 << 19;  // as Accept and StartConnect set it
  for (const int end : ends) setsockopt(end, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

std::array<Descriptor, 2> TcpPair() {
  const Listener listener = *Listener::Open({"127.0.0.1", 0});
  Descriptor near = *StartConnect(Resolve({"127.0.0.1", listener.port()})->back());
  Descriptor far;
  while (!far.valid()) far = Accept(listener.socket());
  return {std::move(near), std::move(far)};
}

BENCHMARK_CAPTURE(AllSums, Tcp, testing::JoinTcp)->Apply(Sizes);
BENCHMARK_CAPTURE(AllSums, Machine, testing::JoinMachine)->Apply(Sizes);
BENCHMARK_CAPTURE(AllSums, Tls, testing::JoinTls)->Apply(Sizes);
void PairOverUnix(benchmark::State& state) { Pair(state, UnixPair()); }
void PairOverTcp(benchmark::State& state) { Pair(state, TcpPair()); }
BENCHMARK(PairOverUnix)
    ->Arg(8)
    ->Arg(1 << 16)
    ->Arg(1 << 20)
    ->Arg(1 << 22)
    ->Arg(1 << 25)
    ->UseRealTime();
BENCHMARK(PairOverTcp)
    ->Arg(8)
    ->Arg(1 << 16)
    ->Arg(1 << 20)
    ->Arg(1 << 22)
    ->Arg(1 << 25)
    ->UseRealTime();

}  // namespace
}  // namespace ramet
