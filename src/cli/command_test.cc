#include "cli/command.h"

#include <gtest/gtest.h>

#include <new>
#include <sstream>
#include <stdexcept>

namespace ramet {
namespace {

struct Answer {
  int code;
  std::string out, err;
};

// Runs a command line whose files are listed by `list`.
Answer Ask(std::vector<const char*> arguments,
           const std::function<Result<std::vector<std::string>>()>& list) {
  arguments.insert(arguments.begin(), "ramet");
  TableSource source;
  source.list_files = [&](std::span<const std::string>) { return list(); };
  source.open_files = [](const Context&, std::span<const std::string>,
                         const ReadOptions&) -> Result<TableStream> {
    return IoError("a.csv: no such file.");
  };
  source.versions = {{"plugged-in library", "1.2.3"}};
  std::ostringstream out, err;
  const int code = RunCommand(static_cast<int>(arguments.size()), arguments.data(), source,
                              Console{out, err, false, 80, nullptr});
  return {code, out.str(), err.str()};
}

const std::vector<const char*> kDigest = {"digest", "--data", "a.csv"};

TEST(RunCommand, EachKindOfErrorHasItsExitCodeAndIsSaidOnce) {
  const std::pair<Error, int> kinds[] = {{InvalidArgument("wrong."), kExitUsage},
                                         {DataError("wrong."), kExitWorld},
                                         {IoError("wrong."), kExitWorld},
                                         {CancelledError("wrong."), kExitCancelled}};
  for (const auto& [error, code] : kinds) {
    const Answer answer = Ask(kDigest, [&]() -> Result<std::vector<std::string>> { return error; });
    EXPECT_EQ(answer.code, code);
    EXPECT_EQ(answer.err, "ramet: wrong.\n");
    EXPECT_EQ(answer.out, "");
  }
}

TEST(RunCommand, NoExceptionLeavesIt) {
  const Answer memory =
      Ask(kDigest, []() -> Result<std::vector<std::string>> { throw std::bad_alloc(); });
  EXPECT_EQ(memory.code, kExitWorld);
  EXPECT_NE(memory.err.find("out of memory"), std::string::npos);
  const Answer other =
      Ask(kDigest, []() -> Result<std::vector<std::string>> { throw std::runtime_error("odd"); });
  EXPECT_EQ(other.code, kExitWorld);
  EXPECT_NE(other.err.find("odd"), std::string::npos);
}

TEST(RunCommand, TheSourceIsTheHosts) {
  const auto none = [] { return std::vector<std::string>{"a.csv"}; };
  EXPECT_EQ(Ask(kDigest, none).err, "ramet: a.csv: no such file.\n");
  const Answer doctor = Ask({"doctor"}, none);
  EXPECT_EQ(doctor.code, kExitDone);
  EXPECT_NE(doctor.out.find("plugged-in library"), std::string::npos);
}

TEST(RunCommand, AClusterIsTheHostsToo) {
  const auto files = [] { return std::vector<std::string>{"a.csv"}; };
  for (const auto& flag : {std::pair("--workers", "2"),
                           {"--scheduler", "tcp://s:1"},
                           {"--scheduler-file", "s.json"},
                           {"--cluster", "ramet"}}) {
    const Answer answer =
        Ask({"train", "a.csv", "--label", "y", "--out", "m.ramet", flag.first, flag.second}, files);
    EXPECT_EQ(answer.code, kExitUsage);
    EXPECT_EQ(answer.err.rfind(std::string("ramet: ") + flag.first, 0), 0u) << answer.err;
    EXPECT_NE(answer.err.find("pip install"), std::string::npos) << answer.err;
  }
  const Answer both = Ask({"train", "a.csv", "--label", "y", "--out", "m.ramet", "--workers", "2",
                           "--scheduler", "tcp://s:1"},
                          files);
  EXPECT_EQ(both.code, kExitUsage);
  EXPECT_NE(both.err.find("excludes"), std::string::npos) << both.err;
}

TEST(RunCommand, HelpGoesToStandardOutput) {
  const auto none = [] { return std::vector<std::string>(); };
  for (const char* verb : {"train", "predict", "evaluate", "inspect", "digest", "doctor"}) {
    const Answer help = Ask({verb, "--help"}, none);
    EXPECT_EQ(help.code, kExitDone);
    EXPECT_EQ(help.err, "");
    EXPECT_EQ(help.out.rfind("Example\n", 0), 0u) << help.out;
  }
}

}  // namespace
}  // namespace ramet
