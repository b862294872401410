#include "ramet/bins/quantiles.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>

namespace ramet {
namespace {

// Orders float64 as unsigned integers.
uint64_t OrderedBits(double value) {
  const uint64_t bits = std::bit_cast<uint64_t>(value);
  return (bits >> 63) ? ~bits : bits | (uint64_t{1} << 63);
}

// Makes one of equal values that follow each other, with their weights' sum, in order.
void SumEqual(std::vector<WeightedValue>& values) {
  size_t distinct = 0;
  for (const WeightedValue& v : values) {
    if (distinct == 0 || values[distinct - 1].value != v.value)
      values[distinct++] = v;
    else
      values[distinct - 1].weight += v.weight;
  }
  values.resize(distinct);
}

// For each distinct value but the last: does a bin end after it?
std::vector<bool> BinEnds(const std::vector<WeightedValue>& distinct, int max_bins) {
  const size_t n = distinct.size();
  std::vector<bool> ends(n, false);
  if (n <= static_cast<size_t>(max_bins)) {
    ends.assign(n, true);
    return ends;
  }
  double rest_weight = 0;
  for (const WeightedValue& v : distinct) rest_weight += v.weight;
  // Values heavier than a bin's share get their own bin; the share of the others follows.
  double share = rest_weight / max_bins;
  int rest_bins = max_bins;
  std::vector<bool> heavy(n, false);
  for (size_t i = 0; i < n; ++i) {
    if (distinct[i].weight < share) continue;
    heavy[i] = true;
    --rest_bins;
    rest_weight -= distinct[i].weight;
  }
  if (rest_bins > 0) share = rest_weight / rest_bins;

  int bins = 1;  // begun so far
  double weight = 0;
  for (size_t i = 0; i + 1 < n && bins < max_bins; ++i) {
    weight += distinct[i].weight;
    if (!heavy[i]) rest_weight -= distinct[i].weight;
    const bool full = weight >= share || (heavy[i + 1] && weight >= share / 2);
    if (!heavy[i] && !full) continue;
    ends[i] = true;
    ++bins;
    weight = 0;
    if (!heavy[i] && --rest_bins > 0) share = rest_weight / rest_bins;
  }
  return ends;
}

}  // namespace

void SortByValue(std::vector<WeightedValue>& values, std::vector<WeightedValue>& space) {
  constexpr int kDigitBits = 8;
  constexpr size_t kDigits = 256;
  std::array<std::array<uint32_t, kDigits>, 8> counts{};
  for (const WeightedValue& v : values) {
    const uint64_t key = OrderedBits(v.value);
    for (int d = 0; d < 8; ++d) ++counts[d][(key >> (d * kDigitBits)) & 0xff];
  }
  space.resize(values.size());
  for (int d = 0; d < 8; ++d) {
    // A digit that all values share moves nothing: most of a float32's low bytes.
    if (std::any_of(counts[d].begin(), counts[d].end(),
                    [&](uint32_t c) { return c == values.size(); }))
      continue;
    std::array<uint32_t, kDigits> position{};
    for (size_t i = 1; i < kDigits; ++i) position[i] = position[i - 1] + counts[d][i - 1];
    for (const WeightedValue& v : values)
      space[position[(OrderedBits(v.value) >> (d * kDigitBits)) & 0xff]++] = v;
    std::swap(values, space);
  }
}

bool ThresholdBetween(double left, double right, double* threshold) {
  constexpr double kMax = std::numeric_limits<double>::max();
  const double finite_left = std::max(left, -kMax);
  if (finite_left >= right) return false;
  double middle = finite_left / 2 + std::min(right, kMax) / 2;
  if (right > kMax) middle = kMax;  // all finite values lie left of infinity
  if (left < -kMax) middle = -kMax;
  if (!(middle >= finite_left && middle < right)) middle = finite_left;
  *threshold = middle + 0.0;  // never -0
  return true;
}

std::vector<double> NumericThresholds(std::vector<WeightedValue>& values, int max_bins) {
  SumEqual(values);
  const std::vector<bool> ends = BinEnds(values, max_bins);
  std::vector<double> thresholds;
  for (size_t i = 0; i + 1 < values.size(); ++i) {
    double threshold;
    if (ends[i] && ThresholdBetween(values[i].value, values[i + 1].value, &threshold) &&
        (thresholds.empty() || threshold > thresholds.back()))
      thresholds.push_back(threshold);
  }
  return thresholds;
}

}  // namespace ramet
