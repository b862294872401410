#include <gtest/gtest.h>

#include <cstdlib>

#include "ramet/model/testing.h"

namespace ramet {
namespace {

std::string ErrorOf(std::string_view bytes) {
  const Result<Model> model = Deserialize(bytes);
  return model.ok() ? "" : model.error().message;
}

bool Contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

// A model with both kinds of split whose file is small enough to be damaged everywhere.
Model SmallModel() {
  for (uint64_t seed = 0;; ++seed) {
    const Model model = RandomModel(seed);
    bool categorical = false, numeric = false;
    for (const Tree& tree : model.trees) {
      for (const Node& node : tree.nodes) {
        categorical |= node.category_set >= 0;
        numeric |= !node.is_leaf() && node.category_set < 0;
      }
    }
    if (categorical && numeric && Serialize(model).size() < 4000) return model;
  }
}

TEST(Deserialize, RefusesEveryTruncation) {
  const std::string bytes = Serialize(SmallModel());
  for (size_t size = 0; size < bytes.size(); ++size) {
    ASSERT_NE(ErrorOf(std::string_view(bytes).substr(0, size)), "") << size << " bytes";
  }
}

TEST(Deserialize, RefusesEveryTruncatedSectionOfRightChecksum) {
  const Model model = SmallModel();
  const std::string body = SerializeBody(model), names = SerializeNames(model);
  ASSERT_EQ(ErrorOf(AssembleFile(body, names)), "");
  for (size_t size = 0; size < body.size(); ++size) {
    ASSERT_TRUE(Contains(ErrorOf(AssembleFile(body.substr(0, size), names)), "body, at byte"))
        << size << " bytes of body";
  }
  for (size_t size = 0; size < names.size(); ++size) {
    ASSERT_TRUE(Contains(ErrorOf(AssembleFile(body, names.substr(0, size))), "names, at byte"))
        << size << " bytes of names";
  }
}

TEST(Deserialize, RefusesEveryFlippedBit) {
  std::string bytes = Serialize(SmallModel());
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    const char before = bytes[bit / 8];
    bytes[bit / 8] = static_cast<char>(before ^ (1 << (bit % 8)));
    ASSERT_NE(ErrorOf(bytes), "") << "bit " << bit;
    bytes[bit / 8] = before;
  }
}

TEST(Deserialize, RefusesBytesAfterTheEnd) {
  const Model model = SmallModel();
  const std::string body = SerializeBody(model), names = SerializeNames(model);
  EXPECT_TRUE(Contains(ErrorOf(Serialize(model) + 'x'), "1 bytes follow its end"));
  EXPECT_TRUE(Contains(ErrorOf(AssembleFile(body + 'x', names)), "1 bytes are left over"));
  EXPECT_TRUE(Contains(ErrorOf(AssembleFile(body, names + 'x')), "1 bytes are left over"));
}

TEST(Deserialize, SaysWhatIsWrongWithTheFile) {
  const std::string bytes = Serialize(SmallModel());
  EXPECT_TRUE(Contains(ErrorOf(""), "empty"));
  EXPECT_TRUE(Contains(ErrorOf("hour,carrier,late\n1,AA,0\n"), "not a Ramet model"));
  EXPECT_TRUE(Contains(ErrorOf(std::string_view(bytes).substr(0, 12)), "cut short"));
  EXPECT_TRUE(Contains(ErrorOf(std::string_view(bytes).substr(0, bytes.size() / 2)), "cut short"));
  std::string newer = bytes;
  newer[6] = 2;
  EXPECT_TRUE(Contains(ErrorOf(newer), "written by a newer Ramet")) << ErrorOf(newer);
  std::string flipped = bytes;
  flipped[kHeaderBytes + 3] ^= 1;
  EXPECT_TRUE(Contains(ErrorOf(flipped), "checksum of its body")) << ErrorOf(flipped);
  flipped = bytes;
  flipped.back() ^= 1;
  EXPECT_TRUE(Contains(ErrorOf(flipped), "checksum of its names")) << ErrorOf(flipped);
  std::string giant = bytes;
  StoreLittleEndian(~uint64_t{0}, &giant[8]);
  EXPECT_TRUE(Contains(ErrorOf(giant), "claims more than")) << ErrorOf(giant);
  StoreLittleEndian(kMaxFileBytes, &giant[8]);  // alone allowed, but not with the rest
  EXPECT_TRUE(Contains(ErrorOf(giant), "claims more than")) << ErrorOf(giant);
}

// Each count of the format, replaced by each number that is more than its bytes can hold: refused
// before allocation (a wrong allocation would be of gigabytes, 50 times over).
TEST(Deserialize, ChecksEveryCountAgainstTheBytesLeft) {
  Model model = RandomModel(1);
  model.features.assign(1, ModelFeature{FeatureKind::kCategorical, {CategoryKey("k")}, false});
  model.feature_names = {"f"};
  model.feature_types = {"t"};
  model.loss = "L";
  model.parameters = {{"p", "v"}};
  model.classes.clear();
  model.base_scores = {0.5};
  model.trees.assign(1, Tree{{Node{.feature = 0, .left = 1, .category_set = 0}, {}, {}},
                             {CategorySet{{1}, false}}});
  ASSERT_TRUE(Validate(model).ok()) << Validate(model).error().message;
  const std::string body = SerializeBody(model), names = SerializeNames(model);
  // Positions of: loss, parameters, name, value, features, categories, key, classes, outputs,
  // trees, nodes, sets.
  const size_t node_bytes = 3 * 45;
  const size_t positions[] = {4, 9, 13, 18, 23, 29, 34, 39, 43, 55, 59, 63, 67 + node_bytes + 1};
  const uint32_t right[] = {1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 3, 1, 1};
  for (size_t i = 0; i < std::size(positions); ++i) {
    ASSERT_EQ(LoadLittleEndian<uint32_t>(&body[positions[i]]), right[i]) << "count " << i;
    for (const uint32_t wrong : {10'000u, 65'536u, 1'000'000u, 1u << 24, 0x7fffffffu, ~0u}) {
      std::string damaged = body;
      StoreLittleEndian(wrong, &damaged[positions[i]]);
      const std::string error = ErrorOf(AssembleFile(damaged, names));
      EXPECT_TRUE(Contains(error, "it claims " + std::to_string(wrong))) << i << ": " << error;
    }
  }
}

// Files with damaged sections and right checksums are refused, or give a valid model in its one
// form, which every export can be made of. RAMET_FUZZ_ITERATIONS=n makes it as long as one likes.
TEST(Deserialize, DamageWithRightChecksumsIsRefusedOrHarmless) {
  const char* wish = std::getenv("RAMET_FUZZ_ITERATIONS");
  const uint64_t iterations = wish != nullptr ? std::strtoull(wish, nullptr, 10) : 20'000;
  uint64_t accepted = 0;
  Model model;
  for (uint64_t seed = 0; seed < iterations; ++seed) {
    if (seed % 16 == 0) model = RandomModel(seed / 16);
    SCOPED_TRACE("seed " + std::to_string(seed));
    const std::string bytes = DamagedFile(model, seed);
    const Result<Model> loaded = Deserialize(bytes);
    if (!loaded.ok()) {
      ASSERT_NE(loaded.error().message, "");
      continue;
    }
    ++accepted;
    ASSERT_TRUE(Validate(*loaded).ok());
    ASSERT_EQ(Serialize(*loaded), bytes);
    ASSERT_EQ(FeatureImportance(*loaded, ImportanceType::kSplit).size(), loaded->features.size());
    if (seed % 8 != 0) continue;
    ASSERT_FALSE(ToJson(*loaded).empty());
    for (size_t t = 0; t < loaded->trees.size(); ++t) {
      ASSERT_FALSE(TreeToText(*loaded, t).empty());
      ASSERT_FALSE(TreeToGraphviz(*loaded, t).empty());
    }
  }
  if (iterations >=
      1000) {  // both outcomes must be common, else the damage is too coarse or too fine
    EXPECT_GT(accepted, iterations / 20);
    EXPECT_LT(accepted, iterations * 19 / 20);
  }
}

}  // namespace
}  // namespace ramet
