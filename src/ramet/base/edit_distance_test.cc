#include "ramet/base/edit_distance.h"

#include <gtest/gtest.h>

namespace ramet {
namespace {

TEST(EditDistance, CountsInsertionsDeletionsAndSubstitutions) {
  EXPECT_EQ(EditDistance("", ""), 0u);
  EXPECT_EQ(EditDistance("", "abc"), 3u);
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3u);
  EXPECT_EQ(EditDistance("learning_rate", "learning-rate"), 1u);
  EXPECT_EQ(EditDistance("Label", "label"), 0u);
}

}  // namespace
}  // namespace ramet
