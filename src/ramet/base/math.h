// exp and log of one float64, bit-equal to the vector versions (math-inl.h) on every instruction
// set.
#pragma once

namespace ramet {

double Exp(double x);
double Log(double x);

}  // namespace ramet
