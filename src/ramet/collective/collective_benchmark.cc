// What exchanges cost between processes of one machine: time, and processor time of all members.
//
//   collective_benchmark --benchmark_filter=Tcp
//
// AllSum of int64, 2 and 4 members, over TCP, TLS, and (as a bare pair) sockets of the machine. The
// counters: seconds of processor time of all members a byte of the reduced array, in ns, and a
// call.
#include <benchmark/benchmark.h>
#include <poll.h>
#include <signal.h>
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

// Three members exchange 114 KB again and again; one is killed. Until the others know, and until
// the two of them are a new group.
void Death(benchmark::State& state, const testing::Channel& channel) {
  struct Times {
    std::atomic<double> killed, noticed[2], rebuilt[2];
  };
  auto* const times = static_cast<Times*>(
      mmap(nullptr, sizeof(Times), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  RAMET_CHECK(times != MAP_FAILED);
  const auto now = [] { return testing::SecondsSince({}); };
  double noticed = 0, rebuilt = 0;
  for (auto _ : state) {
    const testing::Joiner join = channel(3), join_again = channel(2);
    pid_t members[3];
    for (size_t rank = 0; rank < 3; ++rank) {
      if ((members[rank] = fork()) != 0) continue;
      {
        testing::Member member;
        member.Use(join(rank, member.stop));
        std::vector<int64_t> values(114'000 / sizeof(int64_t), 1);
        while (member.collective->status().ok()) AllSum(member.context, std::span<int64_t>(values));
        times->noticed[rank] = now();
        testing::Member again;
        again.Use(join_again(rank, again.stop));
        RAMET_CHECK(again.collective->status().ok());
        times->rebuilt[rank] = now();
      }
      _exit(0);
    }
    usleep(300'000);
    times->killed = now();
    kill(members[2], SIGKILL);
    for (const pid_t member : members) waitpid(member, nullptr, 0);
    const double last = std::max(times->noticed[0].load(), times->noticed[1].load());
    noticed += last - times->killed;
    rebuilt += std::max(times->rebuilt[0].load(), times->rebuilt[1].load()) - last;
    state.SetIterationTime(last - times->killed);
  }
  state.counters["notice_ms"] =
      benchmark::Counter(1e3 * noticed, benchmark::Counter::kAvgIterations);
  state.counters["rebuild_ms"] =
      benchmark::Counter(1e3 * rebuilt, benchmark::Counter::kAvgIterations);
  munmap(times, sizeof(Times));
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
BENCHMARK_CAPTURE(Death, Machine, testing::JoinMachine)->UseManualTime()->Iterations(20);
BENCHMARK_CAPTURE(Death, Tcp, testing::JoinTcp)->UseManualTime()->Iterations(20);
BENCHMARK_CAPTURE(Death, Tls, testing::JoinTls)->UseManualTime()->Iterations(20);
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
