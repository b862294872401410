#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "ramet/model/testing.h"

namespace ramet {
namespace {

namespace fs = std::filesystem;

bool Contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

class Files : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "ramet-save-test-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string Path(const std::string& name) const { return folder_ + "/" + name; }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_))
      names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    return names;
  }
  std::string folder_;
};

using SaveModelTest = Files;
using LoadModelTest = Files;
using WriteFileAtomicallyTest = Files;

std::string LoadError(const std::string& path) {
  const Result<Model> model = LoadModel(path);
  if (model.ok()) return "";
  EXPECT_EQ(model.error().message.rfind(path + ": ", 0), 0u) << model.error().message;
  return model.error().message;
}

TEST_F(SaveModelTest, RoundTripLeavesNothingElse) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Model model = RandomModel(seed);
    const Status saved = SaveModel(model, Path("m.ramet"));
    ASSERT_TRUE(saved.ok()) << saved.error().message;
    const Result<Model> loaded = LoadModel(Path("m.ramet"));
    ASSERT_TRUE(loaded.ok()) << loaded.error().message;
    ASSERT_EQ(*loaded, model);
    ASSERT_EQ(Names(), std::vector<std::string>{"m.ramet"});
  }
}

TEST_F(SaveModelTest, RefusesAnInvalidModelAndKeepsTheFile) {
  Model model = RandomModel(3);
  ASSERT_TRUE(SaveModel(model, Path("m.ramet")).ok());
  const std::string before = ReadFile(Path("m.ramet"));
  model.base_scores[0] = HUGE_VAL;
  const Status saved = SaveModel(model, Path("m.ramet"));
  ASSERT_FALSE(saved.ok());
  EXPECT_TRUE(Contains(saved.error().message, Path("m.ramet") + ": the model cannot be saved"));
  EXPECT_EQ(ReadFile(Path("m.ramet")), before);
}

TEST_F(LoadModelTest, SaysWhatIsWrong) {
  const std::string bytes = Serialize(RandomModel(3));
  const auto write = [&](const char* name, std::string_view content) {
    std::ofstream(Path(name), std::ios::binary) << content;
    return Path(name);
  };
  EXPECT_TRUE(Contains(LoadError(Path("none")), "No such file or directory"));
  EXPECT_TRUE(Contains(LoadError(folder_), "It is a folder"));
  EXPECT_TRUE(Contains(LoadError(write("empty", "")), "the file is empty"));
  EXPECT_TRUE(Contains(LoadError(write("text", "a,b\n1,2\n")), "not a Ramet model"));
  EXPECT_TRUE(Contains(LoadError(write("short", "RAM")), "cut short"));
  EXPECT_TRUE(Contains(LoadError(write("half", bytes.substr(0, bytes.size() / 2))), "cut short"));
  EXPECT_TRUE(Contains(LoadError(write("long", bytes + "x")), "1 bytes follow its end"));
  EXPECT_TRUE(Contains(LoadError(Path("text") + "/below"), "is a file, not a folder"));
  EXPECT_TRUE(Contains(LoadError("/dev/zero"), "not a Ramet model"));  // and does not read on
}

TEST_F(LoadModelTest, ReadsAPipe) {
  Model model = RandomModel(5);
  model.feature_names[0] = std::string(500'000, 'n');  // more than a pipe holds at once
  const std::string bytes = Serialize(model), path = Path("pipe");
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  std::thread writer([&] { std::ofstream(path, std::ios::binary) << bytes; });
  const Result<Model> loaded = LoadModel(path);
  writer.join();
  ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  EXPECT_EQ(*loaded, model);
}

TEST_F(WriteFileAtomicallyTest, ReplacesAndFollowsLinks) {
  ASSERT_TRUE(WriteFileAtomically(Path("a"), "one").ok());
  ASSERT_TRUE(WriteFileAtomically(Path("a"), "second").ok());
  EXPECT_EQ(ReadFile(Path("a")), "second");
  fs::create_symlink("a", Path("link"));
  ASSERT_TRUE(WriteFileAtomically(Path("link"), "third").ok());
  EXPECT_TRUE(fs::is_symlink(Path("link")));
  EXPECT_EQ(ReadFile(Path("a")), "third");
  EXPECT_EQ(Names(), (std::vector<std::string>{"a", "link"}));
}

TEST_F(WriteFileAtomicallyTest, ModeIsTheUsersNotATemporaryFiles) {
  const mode_t mask = umask(027);
  const Status status = WriteFileAtomically(Path("a"), "x");
  umask(mask);
  ASSERT_TRUE(status.ok());
  struct stat info;
  ASSERT_EQ(stat(Path("a").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0640u);
}

// Root is stopped by none of the permission bits, so that these are the failures that every user
// meets.
TEST_F(WriteFileAtomicallyTest, RefusesWithPathReasonAndCure) {
  ASSERT_TRUE(WriteFileAtomically(Path("file"), "x").ok());
  struct Case {
    std::string path, reason, cure;
  };
  const Case cases[] = {
      {Path("none/m"), "No such file or directory", "make the folder first"},
      {Path("file/m"), "Not a directory", "is a file, not a folder"},
      {folder_, "Is a directory", "give the path of a file"},
      {folder_ + "/", "Is a directory", "give the path of a file"},
      {Path(std::string(300, 'n')), "File name too long", "choose a shorter one"},
      {"/dev/null", "a device or a pipe", "Give the path of a file"},
      {"/proc/m", "cannot write", ""},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.path);
    const Status status = WriteFileAtomically(c.path, "bytes");
    ASSERT_FALSE(status.ok());
    const std::string& message = status.error().message;
    EXPECT_EQ(status.error().code, ErrorCode::kIo);
    EXPECT_TRUE(Contains(message, c.path) && Contains(message, c.reason) &&
                Contains(message, c.cure))
        << message;
  }
  EXPECT_EQ(WriteFileAtomically("", "x").error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(Names(), std::vector<std::string>{"file"});
}

// A child whose files may have 1,000 bytes: the write stops half-way, as on a full disk.
TEST_F(WriteFileAtomicallyTest, AFullDiskLeavesTheOldFileAndNoOther) {
  ASSERT_TRUE(WriteFileAtomically(Path("m"), "old").ok());
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {1000, 1000};
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(2);
    if (!WriteFileAtomically(Path("small"), std::string(1000, 'x')).ok()) _exit(3);
    const Status status = WriteFileAtomically(Path("m"), std::string(100'000, 'x'));
    if (status.ok()) _exit(4);
    const std::string& message = status.error().message;
    _exit(Contains(message, Path("m") + ": cannot write: File too large") ? 0 : 5);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(ReadFile(Path("m")), "old");
  EXPECT_EQ(Names(), (std::vector<std::string>{"m", "small"}));
}

// Readers beside writers see one whole file or another.
TEST_F(WriteFileAtomicallyTest, ReadersNeverSeeAPart) {
  const Model models[] = {RandomModel(1), RandomModel(2)};
  ASSERT_TRUE(SaveModel(models[0], Path("m")).ok());
  std::vector<std::thread> writers;
  for (int w = 0; w < 2; ++w) {
    writers.emplace_back([&, w] {
      for (int i = 0; i < 50; ++i) EXPECT_TRUE(SaveModel(models[w], Path("m")).ok());
    });
  }
  for (int i = 0; i < 200; ++i) {
    const Result<Model> loaded = LoadModel(Path("m"));
    EXPECT_TRUE(loaded.ok()) << loaded.error().message;
    if (loaded.ok()) {
      EXPECT_TRUE(*loaded == models[0] || *loaded == models[1]);
    }
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(Names(), std::vector<std::string>{"m"});
}

}  // namespace
}  // namespace ramet
