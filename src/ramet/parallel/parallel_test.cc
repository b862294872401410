// Laws of loops on threads: every element once, borders that do not depend on threads, errors and
// the floating-point control word as the caller knows them.
#include "ramet/parallel/parallel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <numeric>
#include <random>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace ramet {
namespace {

using Pieces = std::vector<std::pair<size_t, size_t>>;

Context OnThreads(int threads) {
  Context context;
  context.threads = threads;
  return context;
}

Pieces PiecesOf(size_t begin, size_t end, size_t grain) {
  std::mutex mutex;
  Pieces pieces;
  ParallelFor(begin, end, grain, [&](size_t piece_begin, size_t piece_end) {
    const std::lock_guard lock(mutex);
    pieces.emplace_back(piece_begin, piece_end);
  });
  std::sort(pieces.begin(), pieces.end());
  return pieces;
}

TEST(ParallelFor, PieceBordersDependOnTheGrainAlone) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 100; ++i) {
    const size_t begin = random() % 1000, end = begin + random() % 3000, grain = 1 + random() % 200;
    SCOPED_TRACE(testing::Message() << begin << " " << end << " " << grain);
    Pieces expected;
    for (size_t b = begin; b < end; b += grain) expected.emplace_back(b, std::min(end, b + grain));
    EXPECT_EQ(PiecesOf(begin, end, grain), expected);
    for (int threads : {1, 2, 3, 8})
      RunOnThreads(OnThreads(threads), [&] { EXPECT_EQ(PiecesOf(begin, end, grain), expected); });
  }
}

TEST(ParallelFor, AnEmptyRangeRunsNothing) {
  EXPECT_TRUE(PiecesOf(5, 5, 1).empty());
  EXPECT_TRUE(PiecesOf(6, 5, 1).empty());
}

TEST(ParallelFor, Nests) {
  for (int threads : {1, 2, 3, 8}) {
    std::vector<std::atomic<int>> seen(100 * 100);
    RunOnThreads(OnThreads(threads), [&] {
      ParallelFor(0, 100, 3, [&](size_t begin, size_t end) {
        for (size_t i = begin; i < end; ++i)
          ParallelFor(0, 100, 7, [&](size_t inner_begin, size_t inner_end) {
            for (size_t j = inner_begin; j < inner_end; ++j) ++seen[i * 100 + j];
          });
      });
      RunOnThreads(OnThreads(2), [&] {
        ParallelFor(0, seen.size(), 11, [&](size_t begin, size_t end) {
          for (size_t i = begin; i < end; ++i) ++seen[i];
        });
      });
    });
    EXPECT_TRUE(std::all_of(seen.begin(), seen.end(), [](const auto& n) { return n == 2; }))
        << threads;
  }
}

TEST(RunOnThreads, UsesAsManyThreadsAsItMayAndNoMore) {
  for (int threads : {1, 2, 3, 8}) {
    // As many pieces as threads, none of which ends before all have begun: more threads than
    // processors too.
    std::atomic<int> arrived = 0;
    RunOnThreads(OnThreads(threads), [&] {
      ParallelFor(0, static_cast<size_t>(threads), 1, [&](size_t, size_t) {
        ++arrived;
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(5);
        while (arrived < threads && std::chrono::steady_clock::now() < deadline)
          std::this_thread::sleep_for(std::chrono::milliseconds(1));
        EXPECT_EQ(arrived, threads);
      });
    });
    std::atomic<int> inside = 0, most = 0;
    RunOnThreads(OnThreads(threads), [&] {
      ParallelFor(0, 400, 1, [&](size_t, size_t) {
        const int now = ++inside;
        for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) continue;
        std::this_thread::sleep_for(std::chrono::microseconds(20));
        --inside;
      });
    });
    EXPECT_LE(most, threads);
  }
}

TEST(RunOnThreads, OneThreadIsTheCallers) {
  const auto caller = std::this_thread::get_id();
  RunOnThreads(OnThreads(1), [&] {
    ParallelFor(0, 100, 1, [&](size_t, size_t) { EXPECT_EQ(std::this_thread::get_id(), caller); });
  });
}

TEST(ParallelReduce, EqualsTheSerialSum) {
  std::vector<uint64_t> values(100000);
  std::iota(values.begin(), values.end(), 7);
  const uint64_t expected = std::accumulate(values.begin(), values.end(), uint64_t{0});
  for (int threads : {1, 2, 3, 8})
    for (size_t grain : {size_t{1000}, size_t{999}, size_t{1000000}}) {
      uint64_t sum = 0;
      RunOnThreads(OnThreads(threads), [&] {
        sum = ParallelReduce(
            0, values.size(), grain, uint64_t{0},
            [&](uint64_t& piece, size_t begin, size_t end) {
              for (size_t i = begin; i < end; ++i) piece += values[i];
            },
            [](uint64_t& into, const uint64_t& from) { into += from; });
      });
      EXPECT_EQ(sum, expected);
    }
  EXPECT_EQ(
      ParallelReduce(
          3, 3, 1, 42, [](int&, size_t, size_t) { FAIL(); }, [](int&, const int&) { FAIL(); }),
      42);
}

TEST(ParallelInvoke, RunsBoth) {
  for (int threads : {1, 2}) {
    std::atomic<int> done = 0;
    RunOnThreads(OnThreads(threads),
                 [&] { ParallelInvoke([&] { done += 1; }, [&] { done += 10; }); });
    EXPECT_EQ(done, 11);
  }
}

TEST(Parallel, ExceptionsReachTheCallerAndLeaveThingsUsable) {
  for (int threads : {1, 2, 3, 8}) {
    const Context context = OnThreads(threads);
    for (size_t culprit : {size_t{0}, size_t{57}, size_t{99}}) {
      std::string message;
      try {
        RunOnThreads(context, [&] {
          ParallelFor(0, 100, 1, [&](size_t begin, size_t) {
            if (begin == culprit) throw std::runtime_error("piece " + std::to_string(begin));
          });
        });
      } catch (const std::runtime_error& error) {
        message = error.what();
      }
      EXPECT_EQ(message, "piece " + std::to_string(culprit));
    }
    EXPECT_THROW(RunOnThreads(context, [] { throw std::out_of_range("body"); }), std::out_of_range);
    EXPECT_THROW(
        RunOnThreads(context, [] { ParallelInvoke([] {}, [] { throw std::bad_alloc(); }); }),
        std::bad_alloc);
    RunOnThreads(context, [] { EXPECT_EQ(PiecesOf(0, 10, 5).size(), 2u); });
  }
}

#if defined(__x86_64__)
constexpr unsigned kControl = 0xffc0, kIeee = 0x1f80;
// Denormals flushed and read as zero, rounding towards zero: what a careless host may have set.
constexpr unsigned kHost = kIeee | 0x8000 | 0x0040 | 0x6000;

class HostControlWord {
 public:
  HostControlWord() : saved_(_mm_getcsr()) { _mm_setcsr(kHost); }
  ~HostControlWord() { _mm_setcsr(saved_); }

 private:
  unsigned saved_;
};

void ExpectIeee() {
  EXPECT_EQ(_mm_getcsr() & kControl, kIeee);
  volatile double smallest = 5e-324;
  EXPECT_NE(smallest * 1.0, 0.0);
}

TEST(Parallel, EveryPieceRunsUnderIeeeDefaultsAndTheHostsWordComesBack) {
  const HostControlWord host;
  const auto pieces = [](size_t count) {
    ParallelFor(0, count, 1, [](size_t, size_t) {
      ExpectIeee();
      std::this_thread::sleep_for(std::chrono::microseconds(100));  // so that workers take part
    });
    ParallelInvoke([] { ExpectIeee(); }, [] { ExpectIeee(); });
  };
  for (size_t count : {size_t{1}, size_t{2}, size_t{100}}) {
    pieces(count);  // without RunOnThreads
    EXPECT_EQ(_mm_getcsr() & kControl, kHost);
    for (int threads : {1, 2, 3, 8}) {
      RunOnThreads(OnThreads(threads), [&] {
        ExpectIeee();
        pieces(count);
        ExpectIeee();
      });
      EXPECT_EQ(_mm_getcsr() & kControl, kHost);
    }
  }
  EXPECT_THROW(RunOnThreads(OnThreads(2), [] { throw std::runtime_error("x"); }),
               std::runtime_error);
  EXPECT_EQ(_mm_getcsr() & kControl, kHost);
}
#endif

}  // namespace
}  // namespace ramet
