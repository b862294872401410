// Bin edges of a numeric column: thresholds between weighted quantiles.
#pragma once

#include <cstdint>
#include <vector>

namespace ramet {

// A value with its weight in the sample.
struct WeightedValue {
  double value;
  double weight;
};

// Sorts by value, keeping the order of equal values. O(n) for values of few distinct digits, at
// most 8 passes. `space` is memory to work in, which the caller may use again.
void SortByValue(std::vector<WeightedValue>& values, std::vector<WeightedValue>& space);

// Largest finite t with left <= t < right, near the middle; false where there is none (left is
// -infinity and right the lowest finite number). left < right.
bool ThresholdBetween(double left, double right, double* threshold);

// At most `max_bins` - 1 increasing thresholds. One bin per distinct value where these are at most
// `max_bins` (B3); else bins of nearly equal weight, where a value that weighs more than a bin's
// share has a bin of its own. `values` is sorted by value and holds no NaN; equal ones are summed
// in place. O(n).
std::vector<double> NumericThresholds(std::vector<WeightedValue>& values, int max_bins);

}  // namespace ramet
