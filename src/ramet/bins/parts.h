// A data set whose table comes in parts, here and elsewhere: the steps of MakeDataset, one by one.
//
//   each part:  Table ──► Survey ─merge─┐     each part:  Table ──► Sample ─merge─┐
//                                       ▼ ──────────────────► ▲                   ▼
//                                    Survey ───────────────────────────────► Binning
//   each part:  Table + Binning ──► Part      some parts:  Binning + Parts ──► Dataset
//
// Invariants
//   A1. However the rows of a table are cut into parts, and in whatever order surveys and samples
//   are merged, the Binning is that of the whole table, and so is every row of a Dataset.
//   A2. Merging is associative and commutative. Parts may disagree about a column only as arrays of
//   one column may: nulls alone in some, numbers of another width.
//   A3. A message counts rows from 1 within the part.
//   A4. Bytes that are read back are checked like a hostile file's.
//
// Survey, Sample, Binning and Part do not change once made.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ramet/base/buffer.h"
#include "ramet/bins/dataset.h"

namespace ramet {

// Values and whoever owns their memory: a buffer made here, or one that came from elsewhere.
template <class T>
class Shared {
 public:
  Shared() = default;
  explicit Shared(Buffer<T> buffer) {
    auto kept = std::make_shared<const Buffer<T>>(std::move(buffer));
    values_ = kept->span();
    owner_ = std::move(kept);
  }
  explicit Shared(std::vector<T> values) {
    auto kept = std::make_shared<const std::vector<T>>(std::move(values));
    values_ = *kept;
    owner_ = std::move(kept);
  }
  Shared(std::span<const T> values, std::shared_ptr<const void> owner)
      : values_(values), owner_(std::move(owner)) {}

  std::span<const T> span() const { return values_; }
  const T* data() const { return values_.data(); }
  size_t size() const { return values_.size(); }
  bool empty() const { return values_.empty(); }
  const T& operator[](size_t i) const { return values_[i]; }
  const std::shared_ptr<const void>& owner() const { return owner_; }

 private:
  std::span<const T> values_;
  std::shared_ptr<const void> owner_;
};

// What some rows' weights are like.
struct WeightFacts {
  uint64_t rows = 0;
  uint64_t counted = 0;  // of weight other than zero, their class's factor included
  // Of the rows' own weights.
  float least = std::numeric_limits<float>::infinity(), most = 0;
  bool operator==(const WeightFacts&) const = default;
};

struct ColumnSurvey {
  std::string name;
  ValueType type = ValueType::kNull;
  std::string format;  // Arrow's
  bool operator==(const ColumnSurvey&) const = default;
};

struct FeatureSurvey {
  ColumnSurvey column;
  FeatureKind kind = FeatureKind::kNumeric;
  bool any_kind = false;  // nulls alone, undeclared: other parts say what kind it is
  // Categorical: sorted keys, and how many rows of non-zero weight have each.
  std::vector<std::pair<CategoryKey, uint64_t>> counts;
  bool operator==(const FeatureSurvey&) const = default;
};

// What must be known of all rows before bins can be found.
struct Survey {
  DataSpec spec;
  ColumnSurvey label;
  std::optional<ColumnSurvey> weight;
  std::vector<FeatureSurvey> features;
  WeightFacts rows;
  std::vector<std::pair<CategoryKey, WeightFacts>> classes;  // classification: sorted keys
  bool operator==(const Survey&) const = default;
};

// Errors as MakeDataset's, but those about all rows: no rows, one class only, all weights zero.
Result<Survey> TakeSurvey(const Context& context, const Table& table, const DataSpec& spec);
// An error names a column that the parts disagree about.
Result<Survey> Merge(const Survey& a, const Survey& b);

// Rows whose values bin edges may be taken from: the `wanted` ones with the smallest hashed ids of
// those that may be in it, ascending by id.
struct Sample {
  uint64_t wanted = 0;
  uint64_t seed = 0;
  uint64_t largest_hash = 0;  // rows of a larger one were left out
  std::vector<uint64_t> ids, hashes;
  std::vector<float> weights;  // class factors included; empty if all are 1
  size_t num_features = 0;     // numeric ones
  Shared<double> values;       // features x rows

  size_t num_rows() const { return ids.size(); }
  // False if a merged sample has too few rows, because the survey's guess at the largest hash was
  // too small (one time in 10^20): all parts must be sampled again, then with `everything`.
  bool enough() const { return largest_hash == ~uint64_t{0} || ids.size() >= wanted; }
};

// `table` holds the rows from `first_row` on of those that `survey` is about. O(rows) time; about
// as many rows as the part's share of `sample_rows`, or with `everything` all that might be in it.
Result<Sample> TakeSample(const Context& context, const Table& table, const Survey& survey,
                          uint64_t first_row, const BinningParameters& parameters,
                          bool everything = false);
// Two or more at once. An error if they are not of one table.
Result<Sample> Merge(std::span<const Sample* const> samples);

// Of all parts' survey and sample.
Result<Binning> FindBinning(const Context& context, const Survey& survey, const Sample& sample,
                            const BinningParameters& parameters);

// Binned rows.
struct Part {
  uint64_t first_row = 0;
  size_t num_rows = 0, num_features = 0;
  size_t num_outputs = 0;  // of initial scores; 0: there are none
  uint64_t binning = 0;    // which Binning these are bins of: its fingerprint
  Shared<uint8_t> bins;    // features x rows
  Shared<double> labels;
  Shared<float> weights;                  // class factors included; empty if all here are 1
  Shared<double> initial_scores;          // outputs x rows
  std::array<uint64_t, 2> fingerprint{};  // of bins, labels, weights and scores (XXH3, 128 bits)
  size_t num_bytes() const {
    return bins.size() + 8 * (labels.size() + initial_scores.size()) + 4 * weights.size();
  }
};

// Raw scores of a table's rows by the model that training continues from, rows x outputs.
using InitialScores = std::function<Result<Buffer<double>>(const Table&)>;

// Consumes `table`: training rows or those of an evaluation set, whose label and weight columns are
// named. Errors as MakeDataset's.
Result<Part> MakePart(const Context& context, Table table, const Binning& binning,
                      const std::string& label, const std::string& weight, uint64_t first_row,
                      const InitialScores& initial_scores = {});

// The rows of these parts, in any order, of a table of `total_rows`. None at all is fine.
// `weighted`: whether some row of the whole table weighs other than 1; of training rows the Binning
// knows. O(bytes); no memory beside the result's. Errors: parts that overlap, or are not of this
// Binning; weights where there should be none.
Result<Dataset> AssembleDataset(const Context& context, const Binning& binning,
                                std::span<const Part* const> parts, uint64_t total_rows,
                                std::optional<bool> weighted = std::nullopt);

// As bytes, and back. What is read is valid, and equal to what was written. The values of a Sample
// and the arrays of a Part, which are large, are apart: in order bins, labels, weights, scores.
using Bytes = std::span<const std::byte>;
std::string Serialize(const Survey& survey);
std::string Serialize(const Binning& binning);
std::string Serialize(const Sample& sample);
std::string Serialize(const Part& part);
Bytes ArrayOf(const Sample& sample);
std::array<Bytes, 4> ArraysOf(const Part& part);
Result<Survey> DeserializeSurvey(std::string_view bytes);
Result<Binning> DeserializeBinning(std::string_view bytes);
Result<Sample> DeserializeSample(std::string_view bytes, const Shared<std::byte>& array);
Result<Part> DeserializePart(std::string_view bytes, std::span<const Shared<std::byte>> arrays);

}  // namespace ramet
