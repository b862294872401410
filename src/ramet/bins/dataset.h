// A data set ready for training: binned features, labels as numbers, weights.
//
//   Table + DataSpec ──MakeDataset──► Dataset { binning, bins, labels, weights }
//
// A validation set is made with the training set as `reference`: same features, bins and classes.
// A table that lies in parts takes the same steps one by one: parts.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "ramet/bins/bins.h"
#include "ramet/bins/row_ids.h"

namespace ramet {

inline constexpr size_t kMaxRows =
    0x7fffffff;  // of one process: row ids are 32-bit offsets inside it
inline constexpr size_t kMaxClasses = 1000;
inline constexpr size_t kMaxTrainingFeatures = 0xffff;

// Which columns mean what. Names must exist; a column has one role.
struct DataSpec {
  std::string label;
  std::string weight;                 // empty: all rows weigh 1
  std::vector<std::string> features;  // empty: all other columns, in the table's order
  std::vector<std::string>
      categorical;  // features to read as categories (string and dictionary columns are anyway)
  std::vector<std::string> numeric;  // dictionary-of-number features to read as numbers
  bool classification = false;       // labels are classes, else numbers
  // Classes' weights, which rows' weights are multiplied by: "" (none), "balanced" or a JSON object
  // (class_weight.h). A validation set has those of its reference.
  std::string class_weight;
  bool operator==(const DataSpec&) const = default;
};

// How a row of a table becomes a row of bins: what the training rows, all of them, decide.
struct Binning {
  uint64_t training_rows = 0;
  // Some training row weighs other than 1, its class's factor included. In a Dataset: some row of
  // its whole table, held here or not.
  bool weighted = false;
  std::vector<std::string> feature_names;
  std::vector<std::string> feature_types;  // Arrow formats, provenance only
  BinMapper mapper;
  std::vector<CategoryKey> classes;  // classification: sorted keys; empty for regression
  std::vector<double>
      class_factors;  // of the classes, within rows' weights; empty without class_weight
  std::string label_name;
};

struct Dataset : Binning {
  size_t num_rows = 0;  // held here
  RowIds ids;           // which rows of the table these are
  BinnedMatrix bins;
  std::vector<double> labels;  // regression: the target; classification: index into classes
  std::vector<float> weights;  // one a row, or empty where the table is not weighted
  // Where training continues from a model: the rows' raw scores by it (outputs x rows), and the
  // metrics of its rounds (boost fills them, through `before_binning`).
  std::vector<double> initial_scores;
  std::vector<std::vector<double>> initial_curves;
};

// Called with the raw table when labels and weights are read, before the table is binned and gone.
using BeforeBinning = std::function<Status(const Table&, Dataset&)>;

// Consumes `table`. Errors name column and row: a missing or NaN or infinite label, a negative or
// non-finite weight, all weights zero, one class only, an unknown class in a validation set, a
// label of a wrong type, an impossible class_weight. Stops within a fraction of a second when the
// context is cancelled.
Result<Dataset> MakeDataset(const Context& context, Table table, const DataSpec& spec,
                            const BinningParameters& parameters, const Binning* reference = nullptr,
                            const BeforeBinning& before_binning = {});

}  // namespace ramet
