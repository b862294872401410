// Laws of the exchanges, over every channel: reductions equal a plain loop over all members'
// values, and no failure leaves anybody waiting.
#include "ramet/collective/collective.h"

#include <gtest/gtest.h>

#include <barrier>
#include <ostream>
#include <random>
#include <string>

#include "ramet/collective/testing.h"

namespace ramet {
namespace {

using testing::Channel;
using testing::Clock;
using testing::Member;
using testing::RunMembers;
using testing::SecondsSince;

struct NamedChannel {
  std::string name;
  Channel channel;
};
void PrintTo(const NamedChannel& channel, std::ostream* out) { *out << channel.name; }

class OverChannel : public ::testing::TestWithParam<NamedChannel> {
 protected:
  const Channel& channel() const { return GetParam().channel; }
};

// What every member holds before a reduction, so that the oracle can look at all of it.
template <class T>
std::vector<std::vector<T>> RandomValues(std::mt19937_64& random, size_t members, size_t count) {
  std::vector<std::vector<T>> values(members, std::vector<T>(count));
  for (std::vector<T>& own : values)
    for (T& value : own) value = static_cast<T>(random());
  return values;
}

template <class T, class Merge>
void ReductionEqualsPlainLoop(const Channel& channel, std::mt19937_64& random, size_t members,
                              size_t count, const Merge& merge) {
  SCOPED_TRACE(std::to_string(members) + " members, " + std::to_string(count) + " of " +
               std::to_string(sizeof(T)) + " bytes");
  const std::vector<std::vector<T>> values = RandomValues<T>(random, members, count);
  std::vector<T> expected = values[0];
  for (size_t member = 1; member < members; ++member)
    for (size_t i = 0; i < count; ++i) merge(expected[i], values[member][i]);
  std::vector<std::vector<T>> found = values;
  RunMembers(channel, members, [&](Member& member) {
    AllReduce(member.context, std::span<T>(found[member.collective->rank()]), merge);
    EXPECT_TRUE(member.collective->status().ok()) << member.collective->status().error().message;
  });
  for (size_t member = 0; member < members; ++member)
    EXPECT_EQ(found[member], expected) << "at member " << member;
}

constexpr auto kSum = [](auto& into, const auto& from) {
  into = static_cast<std::remove_reference_t<decltype(into)>>(into + from);
};
constexpr auto kMaximum = [](auto& into, const auto& from) { into = std::max(into, from); };

// Sizes around the change of algorithm (kSmallReduction), and those that do not divide evenly.
TEST_P(OverChannel, AllReduceEqualsAPlainLoop) {
  std::mt19937_64 random(1);
  for (size_t members = 1; members <= 8; ++members)
    for (const size_t count : {0, 1, 3, 255, 2047, 2048, 2049, 40'007}) {
      ReductionEqualsPlainLoop<int64_t>(channel(), random, members, count, kMaximum);
      if (HasFailure()) return;
    }
  for (int repeat = 0; repeat < 6; ++repeat) {
    const size_t members = 1 + random() % 8, count = random() % 30'000;
    ReductionEqualsPlainLoop<uint64_t>(channel(), random, members, count, kSum);
    ReductionEqualsPlainLoop<uint8_t>(channel(), random, members, count, kSum);
    ReductionEqualsPlainLoop<uint16_t>(channel(), random, members, count, kMaximum);
    if (HasFailure()) return;
  }
}

TEST_P(OverChannel, AllGatherIsEverybodysInOrderOfRank) {
  std::mt19937_64 random(2);
  for (size_t members = 1; members <= 8; ++members) {
    // Uneven shares, empty ones among them.
    std::vector<std::vector<uint32_t>> shares(members);
    std::vector<uint32_t> expected;
    for (std::vector<uint32_t>& share : shares) {
      share.resize(random() % 3 == 0 ? 0 : random() % 20'000);
      for (uint32_t& value : share) value = static_cast<uint32_t>(random());
      expected.insert(expected.end(), share.begin(), share.end());
    }
    RunMembers(channel(), members, [&](Member& member) {
      const std::span<const uint32_t> own = shares[member.collective->rank()];
      EXPECT_EQ(AllGather(member.context, own), expected) << members << " members";
    });
  }
}

// Many exchanges in a row, in which members run ahead of each other.
TEST_P(OverChannel, ExchangesDoNotMixUp) {
  constexpr size_t kMembers = 5, kRounds = 300;
  RunMembers(channel(), kMembers, [&](Member& member) {
    std::mt19937_64 random(member.collective->rank());
    for (size_t round = 0; round < kRounds; ++round) {
      if (random() % 16 == 0)
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 2000));
      // One shape a round, the same for all.
      std::vector<uint64_t> values(round * 7919 % 5000 + 1, round);
      AllSum(member.context, std::span<uint64_t>(values));
      ASSERT_EQ(values, std::vector<uint64_t>(values.size(), round * kMembers))
          << "in round " << round << ": "
          << (member.collective->status().ok() ? "" : member.collective->status().error().message);
    }
    EXPECT_GE(member.collective->use().exchanges, kRounds);
  });
}

TEST_P(OverChannel, UpTo64Members) {
  // TLS greets slowly where all 64 share two cores.
  const size_t members = GetParam().name == "Tls" ? 16 : 64;
  RunMembers(channel(), members, [&](Member& member) {
    std::vector<uint64_t> values(1000, member.collective->rank());
    AllSum(member.context, std::span<uint64_t>(values));
    EXPECT_EQ(values, std::vector<uint64_t>(1000, members * (members - 1) / 2));
    const std::vector<uint8_t> none =
        AllGather(member.context, std::span<const uint8_t>());  // empty messages are messages
    EXPECT_TRUE(none.empty());
    EXPECT_TRUE(member.collective->status().ok()) << member.collective->status().error().message;
  });
}

TEST_P(OverChannel, AFailureIsSticky) {
  std::barrier everybody(3);  // a failure may end the exchange before it elsewhere, too
  RunMembers(channel(), 3, [&](Member& member) {
    uint64_t sum = 1;
    AllReduce(member.context, sum, kSum);
    EXPECT_EQ(sum, 3u);
    everybody.arrive_and_wait();
    if (member.collective->rank() == 1) {
      member.collective->Fail(DataError("first"), 2);
      member.collective->Fail(IoError("second"), 0);
      EXPECT_EQ(member.collective->status().error().message, "first");
    }
    const Clock::time_point begin = Clock::now();
    for (int repeat = 0; repeat < 3; ++repeat) {
      uint64_t value = 17;
      AllReduce(member.context, value, kSum);
      EXPECT_EQ(value, 17u) << "a failed exchange changed what it was given";
    }
    EXPECT_LT(SecondsSince(begin), 1);
    EXPECT_TRUE(member.stop) << "the run goes on, though its results are worthless";
    ASSERT_FALSE(member.collective->status().ok());
    EXPECT_EQ(member.collective->failed_member(), 2)
        << "at member " << member.collective->rank() << ": "
        << member.collective->status().error().message;
  });
}

TEST_P(OverChannel, OneWhoLeavesEndsTheOthers) {
  for (size_t leaver = 0; leaver < 4; ++leaver)
    RunMembers(channel(), 4, [&](Member& member) {
      if (member.collective->rank() == leaver) return;
      uint64_t value = 1;
      const Clock::time_point begin = Clock::now();
      AllReduce(member.context, value, kSum);
      EXPECT_LT(SecondsSince(begin), 1);
      ASSERT_FALSE(member.collective->status().ok());
      EXPECT_EQ(member.collective->failed_member(), static_cast<int>(leaver))
          << member.collective->status().error().message;
    });
}

// Nobody waits for a member that left after the last exchange that it owed.
TEST_P(OverChannel, LeavingAfterTheLastExchangeHarmsNobody) {
  for (int repeat = 0; repeat < 20; ++repeat)
    RunMembers(channel(), 3, [&](Member& member) {
      // Large: data are still under way when the first one is done.
      std::vector<uint64_t> values(100'000 * (repeat % 4), 1);
      AllSum(member.context, std::span<uint64_t>(values));
      const uint64_t rank = member.collective->rank();
      const std::vector<uint64_t> all = AllGather(member.context, std::span(&rank, 1));
      EXPECT_EQ(all, (std::vector<uint64_t>{0, 1, 2}))
          << (member.collective->status().ok() ? "" : member.collective->status().error().message);
    });
}

// While all others wait, and while it computes.
TEST_P(OverChannel, AStopEndsAllWithinAFifthOfASecond) {
  for (const bool computes : {false, true}) {
    std::atomic<Clock::rep> stopped_at = 0;
    RunMembers(channel(), 4, [&](Member& member) {
      uint64_t value = 1;
      AllReduce(member.context, value, kSum);
      if (member.collective->rank() == 3) {  // the one that all wait for
        std::this_thread::sleep_for(std::chrono::milliseconds(150));
        stopped_at = Clock::now().time_since_epoch().count();
        member.stop = true;
        if (computes) std::this_thread::sleep_for(std::chrono::milliseconds(50));
      }
      AllReduce(member.context, value, kSum);
      const Clock::duration took =
          Clock::now().time_since_epoch() - Clock::duration(stopped_at.load());
      EXPECT_LT(std::chrono::duration<double>(took).count(), 0.2 + 0.05 * computes)
          << "at member " << member.collective->rank();
      EXPECT_FALSE(member.collective->status().ok());
      EXPECT_EQ(value, 4u);
    });
  }
}

// One that waits is stopped itself.
TEST_P(OverChannel, AStopEndsAWait) {
  RunMembers(channel(), 3, [&](Member& member) {
    uint64_t value = 1;
    if (member.collective->rank() == 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(600));
    } else if (member.collective->rank() == 1) {
      std::thread stopper([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        member.stop = true;
      });
      const Clock::time_point begin = Clock::now();
      AllReduce(member.context, value, kSum);
      EXPECT_LT(SecondsSince(begin), 0.3);
      EXPECT_EQ(member.collective->status().error().code, ErrorCode::kCancelled);
      stopper.join();
    }
    // What it had sent before may do for one exchange, not for two.
    AllReduce(member.context, value, kSum);
    EXPECT_EQ(value, member.collective->status().ok() ? 3u : 1u);
    AllReduce(member.context, value, kSum);
    EXPECT_FALSE(member.collective->status().ok());
  });
}

TEST_P(OverChannel, UnequalSizesAreAnErrorThatNamesAMember) {
  RunMembers(channel(), 2, [&](Member& member) {
    for (const size_t base : {10, 10'000}) {
      std::vector<uint64_t> values(base + member.collective->rank(), 1);
      const std::vector<uint64_t> before = values;
      AllSum(member.context, std::span<uint64_t>(values));
      ASSERT_FALSE(member.collective->status().ok());
      EXPECT_EQ(values, before);
    }
    EXPECT_NE(member.collective->status().error().message.find("member "), std::string::npos);
  });
}

TEST_P(OverChannel, UseCountsWhatWasSent) {
  RunMembers(channel(), 3, [&](Member& member) {
    const std::vector<uint8_t> own(1000 * (member.collective->rank() + 1));
    (void)AllGather(member.context, std::span<const uint8_t>(own));
    const CollectiveUse use = member.collective->use();
    EXPECT_EQ(use.exchanges, 1u);
    EXPECT_EQ(use.bytes_sent, 2 * own.size());
    EXPECT_EQ(use.bytes_received, 6000 - own.size());
    EXPECT_GT(use.seconds, 0);
  });
}

std::vector<NamedChannel> AllChannels() {
  return {{"Local", testing::JoinLocal},
          {"Tcp", testing::JoinTcp},
          {"Machine", testing::JoinMachine},
          {"Tls", testing::JoinTls},
          {"Comm", testing::JoinComm}};
}

INSTANTIATE_TEST_SUITE_P(Channels, OverChannel, ::testing::ValuesIn(AllChannels()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace ramet
