// A gradient boosting machine to compare with: the same bins, the same formulas, the same order of
// growth, written as plainly as can be — float64 sums in the order of rows, no quantisation, no
// subtraction, no speculation, no threads.
//
// It knows numeric features (missing values on either side), one or several outputs, every loss,
// weights and the parameters loss, quantile, learning_rate, max_iter, max_leaf_nodes,
// min_samples_leaf, min_child_weight, l2_regularization. What it gives are the training rows' raw
// scores.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "ramet/bins/dataset.h"
#include "ramet/boost/parameters.h"

namespace ramet {

class ReferenceGbdt {
 public:
  ReferenceGbdt(const Dataset& data, const TrainParameters& parameters)
      : data_(data),
        parameters_(parameters),
        num_outputs_(data.classes.size() > 2 ? data.classes.size() : 1) {}

  // Raw scores of the training rows, rows x outputs, after max_iter rounds.
  std::vector<double> Fit() {
    scores_.assign(data_.num_rows * num_outputs_, 0);
    const std::vector<double> base = BaseScores();
    for (size_t i = 0; i < scores_.size(); ++i) scores_[i] = base[i % num_outputs_];
    for (int64_t round = 0; round < parameters_.max_iter; ++round) {
      ComputeGradients();
      for (size_t k = 0; k < num_outputs_; ++k) GrowTree(k);
    }
    return scores_;
  }

 private:
  struct Sums {
    double gradient = 0, hessian = 0;
    size_t count = 0;
    void Add(const Sums& o) {
      gradient += o.gradient;
      hessian += o.hessian;
      count += o.count;
    }
    Sums Without(const Sums& o) const {
      return {gradient - o.gradient, hessian - o.hessian, count - o.count};
    }
  };
  struct Leaf {
    std::vector<uint32_t> rows;
    double gain = 0;
    size_t feature = 0, last_left_bin = 0;
    bool missing_left = false;
  };

  double Weight(size_t row) const { return data_.weights.empty() ? 1 : data_.weights[row]; }
  bool Is(const char* loss) const { return parameters_.loss == loss; }
  bool LeavesAreQuantiles() const { return Is("absolute_error") || Is("quantile"); }

  // The middle of the first values whose weight from below is at least the quantile's share of all,
  // and above it.
  double Quantile(std::vector<std::pair<double, double>> value_and_weight) const {
    std::sort(value_and_weight.begin(), value_and_weight.end());
    double total = 0, below = 0;
    for (const auto& [value, weight] : value_and_weight) total += weight;
    const double share = (Is("quantile") ? parameters_.quantile : 0.5) * total;
    const auto first = [&](const auto& reached) {
      below = 0;
      for (const auto& [value, weight] : value_and_weight)
        if (weight != 0 && reached(below += weight)) return value;
      return value_and_weight.back().first;
    };
    const double low = first([&](double weight) { return weight >= share; });
    return (low + first([&](double weight) { return weight > share; })) / 2;
  }

  std::vector<double> BaseScores() const {
    double total = 0;
    for (size_t row = 0; row < data_.num_rows; ++row) total += Weight(row);
    if (LeavesAreQuantiles()) {
      std::vector<std::pair<double, double>> labels;
      for (size_t row = 0; row < data_.num_rows; ++row)
        labels.emplace_back(data_.labels[row], Weight(row));
      return {Quantile(std::move(labels))};
    }
    if (data_.classes.empty()) {
      double sum = 0;
      for (size_t row = 0; row < data_.num_rows; ++row) sum += Weight(row) * data_.labels[row];
      return {Is("poisson") || Is("gamma") ? std::log(sum / total) : sum / total};
    }
    std::vector<double> shares(data_.classes.size(), 0);
    for (size_t row = 0; row < data_.num_rows; ++row)
      shares[static_cast<size_t>(data_.labels[row])] += Weight(row) / total;
    if (shares.size() == 2) return {std::log(shares[1] / shares[0])};
    for (double& share : shares) share = std::log(share);
    return shares;
  }

  Sums NumberGradient(double score, double label) const {
    const double side = score > label ? 1 : score < label ? -1 : 0;
    if (Is("absolute_error")) return {side, 1, 1};
    if (Is("quantile"))
      return {side > 0 ? 1 - parameters_.quantile : side < 0 ? -parameters_.quantile : 0, 1, 1};
    if (Is("poisson")) return {std::exp(score) - label, std::exp(score), 1};
    if (Is("gamma")) return {1 - label * std::exp(-score), label * std::exp(-score), 1};
    return {score - label, 1, 1};
  }

  void ComputeGradients() {
    gradients_.resize(scores_.size());
    std::vector<double> p(num_outputs_);
    for (size_t row = 0; row < data_.num_rows; ++row) {
      const double* scores = scores_.data() + row * num_outputs_;
      double total = 0;
      for (size_t k = 0; k < num_outputs_; ++k) total += p[k] = std::exp(scores[k]);
      for (size_t k = 0; k < num_outputs_; ++k) {
        Sums& g = gradients_[row * num_outputs_ + k];
        if (data_.classes.empty()) {
          g = NumberGradient(scores[0], data_.labels[row]);
        } else if (num_outputs_ == 1) {
          const double q = 1 / (1 + std::exp(-scores[0]));
          g = {q - data_.labels[row], q * (1 - q), 1};
        } else {
          const double q = p[k] / total;
          g = {q - (data_.labels[row] == static_cast<double>(k) ? 1 : 0), q * (1 - q), 1};
        }
        g.gradient *= Weight(row);
        g.hessian *= Weight(row);
      }
    }
  }

  double Score(const Sums& sums) const {
    return sums.gradient * sums.gradient / (sums.hessian + parameters_.l2_regularization);
  }
  bool Allowed(const Sums& sums) const {
    return sums.count >= static_cast<size_t>(parameters_.min_samples_leaf) &&
           sums.hessian >= parameters_.min_child_weight;
  }

  Sums Total(const Leaf& leaf, size_t k) const {
    Sums total;
    for (const uint32_t row : leaf.rows) total.Add(gradients_[row * num_outputs_ + k]);
    return total;
  }

  void FindSplit(Leaf& leaf, size_t k) const {
    const Sums node = Total(leaf, k);
    for (size_t f = 0; f < data_.bins.num_features(); ++f) {
      const size_t num_bins = static_cast<size_t>(data_.mapper.features[f].num_bins());
      std::vector<Sums> cells(num_bins);
      const uint8_t* column = data_.bins.column(f);
      for (const uint32_t row : leaf.rows)
        cells[column[row]].Add(gradients_[row * num_outputs_ + k]);
      for (const bool missing_left : {false, true}) {
        if (missing_left && cells[0].count == 0) continue;
        Sums left = missing_left ? cells[0] : Sums();
        for (size_t bin = 1; bin < num_bins; ++bin) {
          left.Add(cells[bin]);
          const Sums right = node.Without(left);
          if (!Allowed(left) || !Allowed(right)) continue;
          const double gain = Score(left) + Score(right) - Score(node);
          if (gain > leaf.gain) {
            leaf.gain = gain;
            leaf.feature = f;
            leaf.last_left_bin = bin;
            leaf.missing_left = missing_left;
          }
        }
      }
    }
  }

  double LeafValue(const Leaf& leaf, size_t k) const {
    if (!LeavesAreQuantiles()) {
      const Sums sums = Total(leaf, k);
      return -sums.gradient / (sums.hessian + parameters_.l2_regularization);
    }
    std::vector<std::pair<double, double>> residuals;
    for (const uint32_t row : leaf.rows)
      residuals.emplace_back(data_.labels[row] - scores_[row], Weight(row));
    return Quantile(std::move(residuals));
  }

  // Best first; then every row gets its leaf's value.
  void GrowTree(size_t k) {
    std::vector<Leaf> leaves(1);
    for (uint32_t row = 0; row < data_.num_rows; ++row)
      if (Weight(row) != 0) leaves[0].rows.push_back(row);
    FindSplit(leaves[0], k);
    while (leaves.size() < static_cast<size_t>(parameters_.max_leaf_nodes)) {
      const auto best =
          std::max_element(leaves.begin(), leaves.end(),
                           [](const Leaf& a, const Leaf& b) { return a.gain < b.gain; });
      if (!(best->gain > 0)) break;
      Leaf left, right;
      const uint8_t* column = data_.bins.column(best->feature);
      for (const uint32_t row : best->rows) {
        const bool goes_left =
            column[row] == 0 ? best->missing_left : column[row] <= best->last_left_bin;
        (goes_left ? left : right).rows.push_back(row);
      }
      FindSplit(left, k);
      FindSplit(right, k);
      *best = std::move(left);
      leaves.push_back(std::move(right));
    }
    for (const Leaf& leaf : leaves) {
      const double value = LeafValue(leaf, k) * parameters_.learning_rate;
      for (const uint32_t row : leaf.rows) scores_[row * num_outputs_ + k] += value;
    }
  }

  const Dataset& data_;
  const TrainParameters& parameters_;
  size_t num_outputs_;
  std::vector<double> scores_;   // rows x outputs
  std::vector<Sums> gradients_;  // rows x outputs
};

}  // namespace ramet
