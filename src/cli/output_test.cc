#include "cli/output.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace ramet {
namespace {

namespace fs = std::filesystem;

class OutputTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("ramet_output_test_" + std::to_string(getpid()));
    fs::create_directory(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string Path(const std::string& name) const { return (folder_ / name).string(); }
  size_t FilesInFolder() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), {}));
  }
  static std::string Content(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }

  fs::path folder_;
};

TEST_F(OutputTest, AFileAppearsWholeOrNotAtAll) {
  std::ofstream(Path("a.csv")) << "old";
  {
    auto file = AtomicFile::Create(Path("a.csv"));
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE(file->Write("new").ok());
    EXPECT_EQ(Content(Path("a.csv")), "old");
  }
  EXPECT_EQ(Content(Path("a.csv")), "old");
  EXPECT_EQ(FilesInFolder(), 1u) << "an uncommitted file leaves nothing";
  auto file = AtomicFile::Create(Path("a.csv"));
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE(file->Write("new").ok());
  ASSERT_TRUE(file->Commit().ok());
  EXPECT_EQ(Content(Path("a.csv")), "new");
  EXPECT_EQ(FilesInFolder(), 1u);
}

TEST_F(OutputTest, CheckWritableRefusesWhatCannotBeAFileAndLeavesNothing) {
  EXPECT_TRUE(CheckWritable(Path("new.csv"), "--out").ok());
  EXPECT_EQ(FilesInFolder(), 0u);
  for (const std::string& path : {std::string(), folder_.string(), Path("missing/a.csv"),
                                  std::string("/dev/null"), std::string("/proc/a.csv")}) {
    const Status status = CheckWritable(path, "--out");
    ASSERT_FALSE(status.ok()) << path;
    EXPECT_NE(status.error().message.find(path.empty() ? "--out" : path), std::string::npos);
  }
}

}  // namespace
}  // namespace ramet
