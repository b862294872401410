// Choosing instruction sets, and that a kernel runs on the one that was chosen.
#include "ramet/base/isa.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ramet/base/isa_test.cc"
#include <hwy/foreach_target.h>
// After foreach_target.h, so that they are compiled per target.
#include <hwy/highway.h>

#include "ramet/base/dispatch.h"

HWY_BEFORE_NAMESPACE();
namespace ramet {
namespace HWY_NAMESPACE {

int64_t CompiledFor() { return HWY_TARGET; }

}  // namespace HWY_NAMESPACE
}  // namespace ramet
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <optional>

namespace ramet {
HWY_EXPORT(CompiledFor);

namespace {

// Sets RAMET_ISA for a scope.
class ForcedIsa {
 public:
  explicit ForcedIsa(const char* value) {
    if (const char* old = std::getenv("RAMET_ISA")) old_ = old;
    setenv("RAMET_ISA", value, 1);
  }
  ~ForcedIsa() { old_ ? setenv("RAMET_ISA", old_->c_str(), 1) : unsetenv("RAMET_ISA"); }

 private:
  std::optional<std::string> old_;
};

constexpr Isa kAllIsas[] = {Isa::kScalar, Isa::kSse4, Isa::kAvx2, Isa::kAvx512, Isa::kNeon};

TEST(Isa, NamesAreReadBack) {
  for (Isa isa : kAllIsas) {
    const Result<Isa> parsed = ParseIsa(IsaName(isa));
    ASSERT_TRUE(parsed.ok()) << IsaName(isa);
    EXPECT_EQ(*parsed, isa);
  }
}

TEST(Isa, UnknownNamesAreRefusedWithTheKnownOnes) {
  for (const char* name : {"", "avx", "AVX2", "avx2 ", "sse4.1", "auto"}) {
    const Result<Isa> parsed = ParseIsa(name);
    ASSERT_FALSE(parsed.ok()) << name;
    EXPECT_EQ(parsed.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(parsed.error().message.find("\"" + std::string(name) + "\""), std::string::npos);
    for (Isa isa : SupportedIsas())
      EXPECT_NE(parsed.error().message.find(IsaName(isa)), std::string::npos)
          << parsed.error().message;
  }
}

TEST(Isa, ScalarIsAlwaysThereAndSlowest) {
  const std::vector<Isa> isas = SupportedIsas();
  ASSERT_FALSE(isas.empty());
  EXPECT_EQ(isas.front(), Isa::kScalar);
  EXPECT_TRUE(std::is_sorted(isas.begin(), isas.end()));
  EXPECT_EQ(std::adjacent_find(isas.begin(), isas.end()), isas.end());
}

TEST(Isa, TheEnvironmentForcesOne) {
  for (Isa isa : SupportedIsas()) {
    const ForcedIsa forced(std::string(IsaName(isa)).c_str());
    const Result<Isa> chosen = ChooseIsa();
    ASSERT_TRUE(chosen.ok());
    EXPECT_EQ(*chosen, isa);
  }
  const ForcedIsa none("");
  EXPECT_EQ(*ChooseIsa(), SupportedIsas().back());
}

TEST(Isa, AnImpossibleEnvironmentIsAnErrorThatNamesIt) {
  const std::vector<Isa> supported = SupportedIsas();
  std::vector<std::string> impossible = {"mmx"};
  for (Isa isa : kAllIsas)
    if (std::find(supported.begin(), supported.end(), isa) == supported.end())
      impossible.emplace_back(IsaName(isa));
  EXPECT_GE(impossible.size(), 2u);  // no processor has both AVX and NEON
  for (const std::string& name : impossible) {
    const ForcedIsa forced(name.c_str());
    const Result<Isa> chosen = ChooseIsa();
    ASSERT_FALSE(chosen.ok()) << name;
    EXPECT_EQ(chosen.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(chosen.error().message.find("RAMET_ISA=" + name), std::string::npos)
        << chosen.error().message;
  }
}

TEST(Dispatch, RunsTheKernelOfTheChosenInstructionSet) {
  for (Isa isa : SupportedIsas()) {
    const int64_t target = RAMET_DISPATCH(isa, CompiledFor)();
    switch (isa) {
      case Isa::kScalar:
        EXPECT_TRUE(target == HWY_EMU128 || target == HWY_SCALAR) << target;
        break;
      case Isa::kSse4:
        EXPECT_EQ(target, HWY_SSE4);
        break;
      case Isa::kAvx2:
        EXPECT_EQ(target, HWY_AVX2);
        break;
      case Isa::kAvx512:
        EXPECT_EQ(target, HWY_AVX3);
        break;
      case Isa::kNeon:
        EXPECT_EQ(target, HWY_NEON);
        break;
    }
  }
}

}  // namespace
}  // namespace ramet
#endif
