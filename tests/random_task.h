// Random training tasks for the tests of the promise: a table of mixed columns, which loss, which
// parameters.
//
//   const RandomTask task(seed, loss, rows);
//   Table table = task.Columns(0).ToTable(chunk_sizes);
//   Result<Dataset> data = MakeDataset(context, std::move(table), task.spec(),
//   BinningOf(task.parameters()));
//
// Cells are hashes of (seed, column, row): a longer table begins with the rows of a shorter one.
// Columns are of every type that tables have, with missing values, infinities, signed zeros, few,
// many and more than 254 categories, constants and nothing at all.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "ramet/base/hash.h"
#include "ramet/boost/boost.h"
#include "ramet/loss/loss.h"
#include "ramet/model/testing.h"
#include "ramet/table/testing.h"

namespace ramet {

// Seeds of a property's cases: RAMET_PROPERTY_SEED alone, or the first RAMET_PROPERTY_CASES, or the
// first `cases`.
inline std::vector<uint64_t> PropertySeeds(size_t cases) {
  if (const char* seed = std::getenv("RAMET_PROPERTY_SEED"))
    return {std::strtoull(seed, nullptr, 10)};
  if (const char* asked = std::getenv("RAMET_PROPERTY_CASES"))
    cases = std::strtoull(asked, nullptr, 10);
  std::vector<uint64_t> seeds(cases);
  for (size_t i = 0; i < seeds.size(); ++i) seeds[i] = i;
  return seeds;
}

class RandomTask {
 public:
  RandomTask(uint64_t seed, const Loss& loss, size_t rows)
      : key_(Mix64(seed ^ 0x6a09e667f3bcc909ull)), loss_(loss), rows_(rows) {
    RandomDraws draws(seed);
    const size_t num_columns = 1 + draws.Below(9);
    for (size_t c = 0; c < num_columns; ++c) {
      columns_.push_back({static_cast<Kind>(draws.Below(kNumKinds)), draws.Value(),
                          draws.Chance(50)      ? 0u
                          : draws.Below(3) == 0 ? 50u
                                                : 10u});
    }
    weighted_ = draws.Chance(50);
    zero_weight_percent_ = draws.Chance(50) ? 0 : 30;
    if (loss.classification) {
      num_classes_ = loss.num_outputs(2) == 1 ? 2 : 3 + draws.Below(3);
      label_kind_ = draws.Below(num_classes_ == 2 ? 3 : 2);
    }
    heavy_tail_ = draws.Chance(30);
    DrawParameters(draws);
    if (draws.Chance(40)) DrawMonotonic(draws);
    if (draws.Chance(40)) DrawInteractions(draws);
    if (loss_.classification && draws.Chance(30)) DrawClassWeight(draws);
    SetSpec();
  }

  const TrainParameters& parameters() const { return parameters_; }
  const DataSpec& spec() const { return spec_; }
  bool weighted() const { return weighted_; }
  size_t rows() const { return rows_; }

  // The table; then `more` rows of weight zero, for which the table has a weight column.
  TestTable Columns(size_t more = 0) const {
    const size_t rows = rows_ + more;
    TestTable table;
    for (size_t c = 0; c < columns_.size(); ++c) AddColumn(c, rows, table);
    AddLabel(rows, table);
    if (!spec_.weight.empty()) {
      std::vector<double> weights;
      for (size_t row = 0; row < rows; ++row) weights.push_back(row < rows_ ? Weight(row) : 0);
      table.Add("weight", weights);
    }
    return table;
  }
  // The same task over other rows: a validation set.
  RandomTask Later() const {
    RandomTask later = *this;
    later.first_row_ = first_row_ + 1'000'000;
    return later;
  }
  // All rows weigh 1 unless the task is weighted; with this, the table says so in a column.
  void AddWeightColumn() { spec_.weight = "weight"; }

 private:
  enum Kind {
    kFloat64,
    kFloat32WithInfinities,
    kFewFloats,
    kInt8,
    kInt64,
    kUInt64,
    kBool,
    kFewStrings,
    kManyStrings,
    kDictionary,
    kManyEntries,
    kConstant,
    kAllMissing,
    kNulls,
    kIntegerCategories,
    kNumberDictionary,
    kNumKinds,
  };
  struct Column {
    Kind kind;
    double effect;
    size_t missing_percent;
  };

  uint64_t Hash(uint64_t what, uint64_t row) const {
    return CounterHash(Mix64(key_ + what), first_row_ + row);
  }
  double Unit(uint64_t what, uint64_t row) const {
    return static_cast<double>(Hash(what, row) >> 11) * 0x1p-53;
  }
  // What a cell is made of, in [0, 1): labels depend on it.
  double Latent(size_t c, size_t row) const { return Unit(4 * c, row); }
  bool Missing(size_t c, size_t row) const {
    return Hash(4 * c + 1, row) % 100 < columns_[c].missing_percent;
  }

  template <class T, class Value>
  std::vector<std::optional<T>> Cells(size_t c, size_t rows, const Value& value) const {
    std::vector<std::optional<T>> cells(rows);
    for (size_t row = 0; row < rows; ++row) {
      if (!Missing(c, row)) cells[row] = static_cast<T>(value(Latent(c, row)));
    }
    return cells;
  }
  std::vector<std::optional<std::string>> Texts(size_t c, size_t rows, size_t distinct) const {
    std::vector<std::optional<std::string>> cells(rows);
    for (size_t row = 0; row < rows; ++row) {
      // Squared: some are frequent, most are rare.
      const double u = Latent(c, row) * Latent(c, row) * static_cast<double>(distinct);
      if (!Missing(c, row)) cells[row] = "value " + std::to_string(static_cast<size_t>(u));
    }
    return cells;
  }

  void AddColumn(size_t c, size_t rows, TestTable& table) const {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    const std::string name = "x" + std::to_string(c);
    switch (columns_[c].kind) {
      case kFloat64:
        table.Add(name, Cells<double>(c, rows, [](double u) { return 1e3 * (u - 0.5); }));
        break;
      case kFloat32WithInfinities:
        table.Add(name, Cells<float>(c, rows, [](double u) {
                    return u < 0.05 ? -kInfinity : u > 0.9 ? kInfinity : 1 / (u - 0.5);
                  }));
        break;
      case kFewFloats:
        table.Add(name, Cells<double>(c, rows, [](double u) {
                    const double few[] = {-1.5, -0.0, 0.0, kMissing, 1, std::nextafter(1, 2)};
                    return few[static_cast<size_t>(u * 6)];
                  }));
        break;
      case kInt8:
        table.Add(name, Cells<int8_t>(c, rows, [](double u) { return u * 250 - 125; }));
        break;
      case kInt64:
        table.Add(name, Cells<int64_t>(c, rows, [](double u) { return (u - 0.5) * 0x1p62; }));
        break;
      case kUInt64:
        table.Add(name, Cells<uint64_t>(c, rows, [](double u) { return u * 0x1p63; }));
        break;
      case kBool:
        table.Add(name, Cells<bool>(c, rows, [](double u) { return u < 0.3; }));
        break;
      case kFewStrings:
        table.Add(name, Texts(c, rows, 7));
        break;
      case kManyStrings:
        table.Add(name, Texts(c, rows, 1000));
        break;
      case kDictionary:
        table.AddCategory(name, Texts(c, rows, 20));
        break;
      case kManyEntries:
        table.AddCategory(name, Texts(c, rows, 400));
        break;
      case kConstant:
        table.Add(name, Cells<double>(c, rows, [](double) { return 3.25; }));
        break;
      case kAllMissing:
        table.Add(name, std::vector<std::optional<double>>(rows));
        break;
      case kNulls:
        table.Add(name, std::vector<std::optional<int32_t>>(rows), "n");
        break;
      case kIntegerCategories:
        table.Add(name, Cells<int32_t>(c, rows, [](double u) { return u * u * 600 - 5; }));
        break;
      case kNumberDictionary: {
        std::vector<std::optional<double>> entries = {4.5, -1.0, 2.0, 1e300, std::nullopt};
        table.AddDictionary<double, int32_t>(
            name, Cells<int32_t>(c, rows, [](double u) { return u * 5; }), entries);
        break;
      }
      case kNumKinds:
        break;
    }
  }

  // A sum of the columns' effects, and noise.
  double Signal(size_t row) const {
    double signal = Unit(1001, row) - 0.5;
    for (size_t c = 0; c < columns_.size(); ++c) {
      const double u = Latent(c, row);
      signal += columns_[c].effect * (u < 0.7 ? u : -u);
    }
    return signal;
  }
  size_t Class(size_t row) const {
    if (first_row_ + row < num_classes_) return row;  // every class occurs
    const double wide = std::fabs(Signal(row)) * 2;
    return static_cast<size_t>(wide) % num_classes_;
  }
  double Weight(size_t row) const {
    if (!weighted_) return 1;
    if (first_row_ + row > num_classes_ && Hash(1002, row) % 100 < zero_weight_percent_) return 0;
    return static_cast<double>(1 + Hash(1003, row) % 1000) / 128;
  }

  // Amounts for gamma, counts for Poisson (not all 0): near enough to their mean for Newton's steps
  // on a log scale.
  double InDomain(double label, size_t row) const {
    if (loss_.labels == LabelDomain::kAny) return label;
    const double size = std::min(std::fabs(label), 8.0);
    return loss_.labels == LabelDomain::kPositive ? 1 + size : std::floor(size) + (row % 3 == 0);
  }

  void AddLabel(size_t rows, TestTable& table) const {
    if (!loss_.classification) {
      std::vector<double> labels;
      for (size_t row = 0; row < rows; ++row) {
        const double signal = Signal(row);
        labels.push_back(
            InDomain(heavy_tail_ ? signal * signal * signal * signal * signal : signal, row));
      }
      table.Add("y", labels);
    } else if (label_kind_ == 0) {
      std::vector<std::string> labels;
      for (size_t row = 0; row < rows; ++row)
        labels.push_back("class " + std::to_string(9 - Class(row)));
      table.Add("y", labels);
    } else if (label_kind_ == 1) {
      std::vector<int16_t> labels;
      for (size_t row = 0; row < rows; ++row)
        labels.push_back(static_cast<int16_t>(Class(row) * 100 - 50));
      table.Add("y", labels);
    } else {
      std::vector<bool> labels;
      for (size_t row = 0; row < rows; ++row) labels.push_back(Class(row) == 1);
      table.Add("y", labels);
    }
  }

  template <class T>
  static T OneOf(RandomDraws& draws, std::initializer_list<T> choices) {
    return choices.begin()[draws.Below(choices.size())];
  }

  void DrawParameters(RandomDraws& draws) {
    TrainParameters& p = parameters_;
    const bool has_default_loss = loss_.classification || loss_.name == "squared_error";
    if (draws.Chance(50) || !has_default_loss) p.loss = loss_.name;
    p.quantile = OneOf(draws, {0.0, 0.1, 0.5, 0.9, 1.0});
    p.max_iter = 1 + static_cast<int64_t>(draws.Below(num_classes_ > 2 ? 5 : 10));
    p.learning_rate = OneOf(draws, {0.05, 0.1, 0.5, 1.0});
    if (loss_.log_link) p.learning_rate = std::min(p.learning_rate, 0.1);
    p.max_leaf_nodes = OneOf<int64_t>(draws, {0, 2, 5, 16, 31, 60});
    p.max_depth = OneOf<int64_t>(draws, {0, 0, 1, 3, 6});
    p.min_samples_leaf = OneOf<int64_t>(draws, {1, 5, 20});
    p.min_child_weight = OneOf(draws, {0.0, 1e-3, 1.0});
    p.l2_regularization = OneOf(draws, {0.0, 0.0, 1.0, 10.0});
    p.min_split_gain = OneOf(draws, {0.0, 0.0, 0.1});
    p.subsample = OneOf(draws, {1.0, 1.0, 0.7, 0.2});
    p.max_features = OneOf(draws, {1.0, 1.0, 0.5, 0.1});
    p.max_bins = OneOf<int64_t>(draws, {2, 7, 64, 255});
    p.max_categories_one_vs_rest = OneOf<int64_t>(draws, {0, 4, 30});
    p.categorical_smoothing = OneOf(draws, {0.0, 10.0});
    p.categorical_l2 = OneOf(draws, {0.0, 10.0});
    p.max_categories_per_split = OneOf(draws, {1, 8, 32});
    p.min_samples_category = OneOf(draws, {0, 10});
    p.min_samples_category_group = OneOf(draws, {0, 20, 100});
    p.early_stopping = OneOf<std::string>(draws, {"auto", "true", "false", "true"});
    p.keep_best = draws.Chance(30);
    p.n_iter_no_change = OneOf<int64_t>(draws, {1, 3, 10});
    p.tol = OneOf(draws, {0.0, 1e-7, 1e-2});
    p.validation_fraction = OneOf(draws, {0.1, 0.4});
    if (draws.Chance(50)) {
      p.metric =
          !loss_.classification
              ? OneOf<std::string>(draws, {"rmse", "mae", "r2", "mean_pinball_loss",
                                           "mean_poisson_deviance", "mean_gamma_deviance"})
          : num_classes_ > 2
              ? OneOf<std::string>(draws, {"logloss", "accuracy", "average_precision"})
              : OneOf<std::string>(draws, {"logloss", "accuracy", "auc", "average_precision"});
    }
    p.random_state = static_cast<int64_t>(draws.Below(1000));
  }

  static bool Categorical(const Column& column) {
    return (column.kind >= kFewStrings && column.kind <= kManyEntries) ||
           column.kind == kIntegerCategories;
  }

  // By position or by name.
  void DrawMonotonic(RandomDraws& draws) {
    if (loss_.classification && num_classes_ > 2) return;
    for (size_t c = 0; c < columns_.size(); ++c) {
      if (Categorical(columns_[c]) || !draws.Chance(50)) continue;
      std::string& text = parameters_.monotonic_cst;
      text += (text.empty() ? "" : ",") + std::string(draws.Chance(50) ? "x" : "") +
              std::to_string(c) + (draws.Chance(50) ? ":1" : ":-1");
    }
  }

  void DrawInteractions(RandomDraws& draws) {
    std::string groups;
    for (size_t group = 0; group < 1 + draws.Below(3); ++group) {
      std::string members = std::to_string(draws.Below(columns_.size()));
      for (size_t c = 0; c < columns_.size(); ++c)
        if (draws.Chance(40)) members += ", \"x" + std::to_string(c) + "\"";
      groups += (groups.empty() ? "[" : ", [") + members + "]";
    }
    parameters_.interaction_cst =
        OneOf<std::string>(draws, {"pairwise", "no_interactions", "[" + groups + "]"});
  }

  void DrawClassWeight(RandomDraws& draws) {
    const std::string some = label_kind_ == 0 ? "class 8" : label_kind_ == 1 ? "-50" : "1";
    parameters_.class_weight = OneOf<std::string>(
        draws, {"balanced", "{\"" + some + "\": 2.5}", "{\"" + some + "\": 0.3}"});
  }

  void SetSpec() {
    spec_.class_weight = parameters_.class_weight;
    spec_.label = "y";
    spec_.classification = loss_.classification;
    if (weighted_) spec_.weight = "weight";
    for (size_t c = 0; c < columns_.size(); ++c) {
      const std::string name = "x" + std::to_string(c);
      if (columns_[c].kind == kIntegerCategories) spec_.categorical.push_back(name);
      if (columns_[c].kind == kNumberDictionary) spec_.numeric.push_back(name);
    }
  }

  uint64_t key_;
  const Loss& loss_;
  size_t rows_;
  size_t first_row_ = 0;
  size_t num_classes_ = 0, label_kind_ = 0;
  bool weighted_ = false, heavy_tail_ = false;
  size_t zero_weight_percent_ = 0;
  std::vector<Column> columns_;
  TrainParameters parameters_;
  DataSpec spec_;
};

}  // namespace ramet
