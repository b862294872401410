// Isotonic regression over the leaves. The constraints form a series-parallel order, so that it can
// be done bottom up: where both sides of a split are solved, their common solution clips the lower
// side from above and the upper side from below, at one value where the pulls of what is clipped
// are equal. (A clipped solution is the solution within a bound, and a level set's mean is its
// level.)

#include "ramet/boost/monotone.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace ramet {
namespace {

// The leaves of one side of a split.
struct Side {
  std::span<double> values;
  std::span<const double> weights;
};

// How strongly clipping both sides at m pulls it down; rises with m.
double PullAt(double m, const Side& lower, const Side& upper) {
  double pull = 0;
  for (size_t i = 0; i < upper.values.size(); ++i)
    if (upper.values[i] < m) pull += upper.weights[i] * (m - upper.values[i]);
  for (size_t i = 0; i < lower.values.size(); ++i)
    if (lower.values[i] > m) pull -= lower.weights[i] * (lower.values[i] - m);
  return pull;
}

// Where the pull is 0: between two neighbouring values, it is the mean of what is clipped.
double MeetingPoint(const Side& lower, const Side& upper, double least, double most) {
  std::vector<double> steps;
  for (const Side* side : {&lower, &upper})
    for (const double value : side->values)
      if (value >= least && value <= most) steps.push_back(value);
  std::sort(steps.begin(), steps.end());
  const auto above = std::partition_point(steps.begin(), steps.end(), [&](double step) {
    return step == least || PullAt(step, lower, upper) <= 0;
  });
  const double begin = *(above - 1), end = above == steps.end() ? begin : *above;
  double sum = 0, weight = 0;
  const auto add = [&](const Side& side, size_t i) {
    sum += side.weights[i] * side.values[i];
    weight += side.weights[i];
  };
  for (size_t i = 0; i < lower.values.size(); ++i)
    if (lower.values[i] > begin) add(lower, i);
  for (size_t i = 0; i < upper.values.size(); ++i)
    if (upper.values[i] <= begin) add(upper, i);
  const double mean = sum / weight;
  return std::isfinite(mean) ? std::clamp(mean, begin, end) + 0.0 : begin;
}

void PutInOrder(const Side& lower, const Side& upper) {
  const double most = *std::max_element(lower.values.begin(), lower.values.end());
  const double least = *std::min_element(upper.values.begin(), upper.values.end());
  if (most <= least) return;
  const double meeting = MeetingPoint(lower, upper, least, most);
  for (double& value : lower.values) value = std::min(value, meeting);
  for (double& value : upper.values) value = std::max(value, meeting);
}

}  // namespace

void MakeMonotone(const Tree& tree, std::span<const LeafRows> leaves,
                  std::span<const int8_t> monotonic, std::span<const double> weights,
                  std::span<double> values) {
  if (monotonic.empty()) return;
  // Leaves from left to right, so that each node has a range of them.
  const size_t num_nodes = tree.nodes.size();
  std::vector<size_t> begins(num_nodes, 0), counts(num_nodes, 1);
  const auto left_of = [&](size_t node) { return static_cast<size_t>(tree.nodes[node].left); };
  for (size_t node = num_nodes; node-- > 0;)
    if (!tree.nodes[node].is_leaf())
      counts[node] = counts[left_of(node)] + counts[left_of(node) + 1];
  for (size_t node = 0; node < num_nodes; ++node) {
    if (tree.nodes[node].is_leaf()) continue;
    begins[left_of(node)] = begins[node];
    begins[left_of(node) + 1] = begins[node] + counts[left_of(node)];
  }
  std::vector<double> ordered(leaves.size()), ordered_weights(leaves.size());
  const auto place = [&](size_t leaf) { return begins[static_cast<size_t>(leaves[leaf].node)]; };
  for (size_t leaf = 0; leaf < leaves.size(); ++leaf) {
    ordered[place(leaf)] = values[leaf];
    ordered_weights[place(leaf)] = weights[leaf];
  }
  const auto side = [&](size_t node) -> Side {
    return {std::span(ordered).subspan(begins[node], counts[node]),
            std::span(ordered_weights).subspan(begins[node], counts[node])};
  };
  // Children come after their parents.
  for (size_t node = num_nodes; node-- > 0;) {
    if (tree.nodes[node].is_leaf()) continue;
    const int direction = monotonic[static_cast<size_t>(tree.nodes[node].feature)];
    const Side left = side(left_of(node)), right = side(left_of(node) + 1);
    if (direction > 0) PutInOrder(left, right);
    if (direction < 0) PutInOrder(right, left);
  }
  for (size_t leaf = 0; leaf < leaves.size(); ++leaf) values[leaf] = ordered[place(leaf)];
}

}  // namespace ramet
