// A context from the environment.
#include "ramet/parallel/context.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <thread>

namespace ramet {
namespace {

// Sets variables for a scope; nullptr unsets.
class Environment {
 public:
  Environment(std::initializer_list<std::pair<const char*, const char*>> variables) {
    for (const auto& [name, value] : variables) {
      const char* old = std::getenv(name);
      old_[name] = old ? std::optional<std::string>(old) : std::nullopt;
      value ? setenv(name, value, 1) : unsetenv(name);
    }
  }
  ~Environment() {
    for (const auto& [name, value] : old_)
      value ? setenv(name.c_str(), value->c_str(), 1) : unsetenv(name.c_str());
  }

 private:
  std::map<std::string, std::optional<std::string>> old_;
};

TEST(Context, ThreadsComeFromTheEnvironment) {
  for (int threads : {1, 2, 3, 64, 4096}) {
    const Environment environment{{"RAMET_THREADS", std::to_string(threads).c_str()}};
    const Result<Context> context = Context::FromEnvironment();
    ASSERT_TRUE(context.ok()) << threads;
    EXPECT_EQ(context->threads, threads);
  }
}

TEST(Context, WithoutVariablesItUsesWhatTheProcessMay) {
  for (const char* unset : {static_cast<const char*>(nullptr), ""}) {
    const Environment environment{{"RAMET_THREADS", unset}, {"RAMET_ISA", unset}};
    const Result<Context> context = Context::FromEnvironment();
    ASSERT_TRUE(context.ok());
    EXPECT_EQ(context->threads, AvailableThreads());
    EXPECT_EQ(context->isa, SupportedIsas().back());
    EXPECT_FALSE(context->Cancelled());
  }
}

TEST(Context, BadVariablesAreErrorsThatNameThem) {
  for (const char* threads : {"0", "-1", "4097", "two", "2x", "1.5", " ", "99999999999999999999"}) {
    const Environment environment{{"RAMET_THREADS", threads}};
    const Result<Context> context = Context::FromEnvironment();
    ASSERT_FALSE(context.ok()) << threads;
    EXPECT_EQ(context.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(context.error().message.find(std::string("RAMET_THREADS=") + threads),
              std::string::npos)
        << context.error().message;
  }
  const Environment environment{{"RAMET_ISA", "abacus"}};
  const Result<Context> context = Context::FromEnvironment();
  ASSERT_FALSE(context.ok());
  EXPECT_NE(context.error().message.find("RAMET_ISA=abacus"), std::string::npos)
      << context.error().message;
}

TEST(Context, CancelledFollowsTheFlag) {
  std::atomic<bool> flag = false;
  Context context;
  context.cancelled = &flag;
  EXPECT_FALSE(context.Cancelled());
  flag = true;
  EXPECT_TRUE(context.Cancelled());
}

TEST(Machine, LimitsArePlausible) {
  EXPECT_GE(AvailableThreads(), 1);
  EXPECT_LE(AvailableThreads(),
            static_cast<int>(std::max(1u, std::thread::hardware_concurrency())));
  EXPECT_GE(CgroupCpuQuota(), 0);
  EXPECT_GT(AvailableMemory(), size_t{16} << 20);
}

}  // namespace
}  // namespace ramet
