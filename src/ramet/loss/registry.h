// The losses there are. A new one is a file that defines its `Loss`, a line here and one in
// loss.cc.
#pragma once

#include "ramet/loss/loss.h"

namespace ramet {

// A class's share of the weight is taken to be at least this, so that its log is finite.
inline constexpr double kSmallestShare = 1e-15;

extern const Loss kLogistic;
extern const Loss kSoftmax;
extern const Loss kSquaredError;
extern const Loss kAbsoluteError;
extern const Loss kQuantile;
extern const Loss kPoisson;
extern const Loss kGamma;

}  // namespace ramet
