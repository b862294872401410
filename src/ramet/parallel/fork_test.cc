// After fork(): a child works alone where its parent had started threads, and never waits for them.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <vector>

#include "ramet/parallel/parallel.h"
#include "ramet/parallel/per_thread.h"

namespace ramet {
namespace {

using Clock = std::chrono::steady_clock;

Context OnThreads(int threads) {
  Context context;
  context.threads = threads;
  return context;
}

constexpr size_t kCount = 100'000;

uint64_t Sum(int threads) {
  uint64_t sum = 0;
  RunOnThreads(OnThreads(threads), [&] {
    PerThread<std::vector<uint64_t>> scratch;
    sum = ParallelReduce<uint64_t>(
        0, kCount, 100, 0,
        [&](uint64_t& part, size_t begin, size_t end) {
          std::vector<uint64_t>& numbers = scratch.Local();
          numbers.resize(end - begin);
          std::iota(numbers.begin(), numbers.end(), begin);
          for (uint64_t number : numbers) part += number;
        },
        [](uint64_t& into, uint64_t from) { into += from; });
  });
  return sum;
}
constexpr uint64_t kSum = uint64_t{kCount} * (kCount - 1) / 2;

// Runs `body` in a child; its result, or -1 if it took more than half a minute.
template <class Body>
int InChild(const Body& body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  int status = 0;
  for (const auto limit = Clock::now() + std::chrono::seconds(30); Clock::now() < limit;) {
    if (waitpid(child, &status, WNOHANG) == child)
      return WIFEXITED(status) ? WEXITSTATUS(status) : -2;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  kill(child, SIGKILL);
  waitpid(child, &status, 0);
  return -1;
}

int AllWorks() {
  for (int threads : {1, 2, 8})
    if (Sum(threads) != kSum) return 1;
  std::atomic<int> done = 0;
  RunOnThreads(OnThreads(4), [&] { ParallelInvoke([&] { done += 1; }, [&] { done += 10; }); });
  if (done != 11) return 2;
  try {
    RunOnThreads(OnThreads(4), [] {
      ParallelFor(0, 10, 1, [](size_t, size_t) { throw std::runtime_error("x"); });
    });
    return 3;
  } catch (const std::runtime_error&) {
  }
  std::atomic<int> pieces = 0;
  ParallelFor(0, 10, 1, [&](size_t, size_t) { ++pieces; });  // outside RunOnThreads
  return pieces == 10 ? 0 : 4;
}

TEST(Fork, AChildWorksAfterItsParentsThreads) {
  ASSERT_EQ(Sum(2), kSum);
  ASSERT_EQ(Sum(8), kSum);
  for (int i = 0; i < 5; ++i) ASSERT_EQ(InChild(AllWorks), 0);
  ASSERT_EQ(InChild([] { return InChild(AllWorks); }), 0);  // a grandchild
  ASSERT_EQ(Sum(4), kSum);
}

#if !defined(__SANITIZE_ADDRESS__)  // whose allocator does not survive a fork amid allocations
// The hardest moment: loops of other threads are under way.
TEST(Fork, AChildWorksWhileItsParentDoes) {
  std::atomic<bool> stop = false;
  std::atomic<int> loops = 0, wrong = 0;
  std::vector<std::thread> busy;
  for (int t = 0; t < 3; ++t) {
    busy.emplace_back([&, t] {
      while (!stop) {
        if (Sum(2 + t) != kSum) ++wrong;
        ++loops;
      }
    });
  }
  while (loops < 10) std::this_thread::yield();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(InChild(AllWorks), 0) << "fork " << i;
  stop = true;
  for (std::thread& thread : busy) thread.join();
  EXPECT_EQ(wrong, 0);
}
#endif

#if !defined(__SANITIZE_THREAD__)  // which allows no thread after a fork
// 0 if two pieces of a loop were under way at once.
int TwoAtOnce() {
  std::atomic<int> arrived = 0;
  RunOnThreads(OnThreads(2), [&] {
    ParallelFor(0, 2, 1, [&](size_t, size_t) {
      ++arrived;
      for (const auto limit = Clock::now() + std::chrono::seconds(20);
           arrived < 2 && Clock::now() < limit;)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      if (arrived < 2) arrived = -100;
    });
  });
  return arrived == 2 ? 0 : 1;
}

// In a process of its own, where nothing has started threads yet.
TEST(ForkDeathTest, AChildOfAnIdleParentHasThreadsOfItsOwn) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(_exit(InChild(TwoAtOnce)), testing::ExitedWithCode(0), "");
}
#endif

}  // namespace
}  // namespace ramet
