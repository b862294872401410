// Members whose exchanges end with a failure, and rows dealt to members: for tests.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "ramet/collective/members_testing.h"

namespace ramet {

// values[row * width + i] of the rows.
template <class T>
std::vector<T> Pick(const std::vector<T>& values, const std::vector<uint32_t>& rows,
                    size_t width = 1) {
  std::vector<T> picked;
  if (values.empty()) return picked;
  for (const uint32_t row : rows)
    for (size_t i = 0; i < width; ++i) picked.push_back(values[row * width + i]);
  return picked;
}

// Calls compute(context, rows of the member) for members that `num_rows` rows are dealt to; each
// must give `expected`, as same(a, b) tells.
template <class T, class Compute, class Same>
void ExpectOfMembers(const T& expected, size_t num_rows, size_t members, const Context& like,
                     std::mt19937_64& random, const Compute& compute, const Same& same) {
  const std::vector<std::vector<uint32_t>> dealt = DealRows(num_rows, members, random);
  // No vector: one of bools has neighbours in one byte.
  const auto values = std::make_unique<T[]>(members);
  RunMembers(members, like, [&](const Context& context, size_t rank) {
    values[rank] = compute(context, dealt[rank]);
    EXPECT_TRUE(context.collective->status().ok());
  });
  for (size_t rank = 0; rank < members; ++rank)
    EXPECT_TRUE(same(values[rank], expected)) << "member " << rank << " of " << members;
}

// Calls body(context, rank) for three members, of which one dies at its first, second … exchange,
// until `body` ends before it would. All members must come to an end.
inline void ExpectToSurviveFailures(const std::function<void(const Context&, size_t)>& body) {
  constexpr size_t kMembers = 3;
  bool failed = true;
  for (size_t exchanges = 0; failed; ++exchanges) {
    LocalGroup group(kMembers);
    std::vector<std::atomic<bool>> stops(kMembers);
    std::vector<std::thread> threads;
    std::atomic<size_t> failures = 0;
    for (size_t rank = 0; rank < kMembers; ++rank)
      threads.emplace_back([&, rank] {
        const bool dies = rank == exchanges % kMembers;
        Mortal member(group.Join(rank, stops[rank]), stops[rank], dies ? exchanges : SIZE_MAX);
        Context context;
        context.collective = &member;
        context.cancelled = &stops[rank];
        body(context, rank);
        failures += !member.status().ok();
      });
    for (std::thread& thread : threads) thread.join();
    failed = failures > 0;
    ASSERT_LT(exchanges, 1000u) << "of how many exchanges?";
    ASSERT_TRUE(failed || exchanges > 0) << "nothing was exchanged";
  }
}

}  // namespace ramet
