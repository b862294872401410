// Parts: made of tables, and put together to data sets.

#include "ramet/bins/part.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>

#include "ramet/bins/class_weight.h"
#include "ramet/bins/encode.h"
#include "ramet/bins/labels.h"
#include "ramet/parallel/parallel.h"

namespace ramet {
namespace {

constexpr size_t kRowsPerBlock = 1024;

Shared<double> OutputsFirst(const Buffer<double>& row_major, size_t rows) {
  if (rows == 0) return {};
  const size_t outputs = row_major.size() / rows;
  RAMET_CHECK(outputs * rows == row_major.size());
  Buffer<double> scores(row_major.size());
  for (size_t row = 0; row < rows; ++row)
    for (size_t k = 0; k < outputs; ++k) scores[k * rows + row] = row_major[row * outputs + k];
  return Shared<double>(std::move(scores));
}

std::string RowsOf(const Part& part) {
  return "rows " + std::to_string(part.first_row) + " to " +
         std::to_string(part.first_row + part.num_rows - 1);
}

// Those that have rows, by their first one.
std::vector<const Part*> InOrder(std::span<const Part* const> parts) {
  std::vector<const Part*> ordered;
  for (const Part* part : parts)
    if (part->num_rows > 0) ordered.push_back(part);
  std::sort(ordered.begin(), ordered.end(),
            [](const Part* a, const Part* b) { return a->first_row < b->first_row; });
  return ordered;
}

Status CheckParts(const Binning& binning, std::span<const Part* const> parts, uint64_t total_rows,
                  bool weighted) {
  const uint64_t fingerprint = FingerprintOf(binning);
  uint64_t end = 0, rows = 0;
  for (const Part* part : parts) {
    if (part->binning != fingerprint || part->num_features != binning.feature_names.size())
      return InvalidArgument(RowsOf(*part) +
                             " were binned with another binning. Make all parts with this one.");
    if (part->first_row < end)
      return InvalidArgument(RowsOf(*part) + " overlap with another part's. Give each row once.");
    end = part->first_row + part->num_rows;
    rows += part->num_rows;
    if (end > total_rows)
      return InvalidArgument(RowsOf(*part) + " lie beyond the " + std::to_string(total_rows) +
                             " rows that there are in all.");
    if (part->num_outputs != parts[0]->num_outputs)
      return InvalidArgument(RowsOf(*part) +
                             " have initial scores where others have none, or of other outputs. "
                             "Make all parts with the same initial model.");
    if (!weighted && !part->weights.empty())
      return InvalidArgument(RowsOf(*part) +
                             " have weights other than 1, but are said to have none: say that the "
                             "whole table is weighted.");
  }
  if (rows > kMaxRows)
    return DataError("the parts have " + std::to_string(rows) +
                     " rows; one process handles up to " + std::to_string(kMaxRows) +
                     ". Spread them over more.");
  return {};
}

// Neighbouring parts are one run.
RowIds IdsOf(std::span<const Part* const> parts, uint64_t total_rows) {
  std::vector<RowIds::Run> runs;
  for (const Part* part : parts) {
    if (!runs.empty() && runs.back().first + runs.back().count == part->first_row)
      runs.back().count += part->num_rows;
    else
      runs.push_back({part->first_row, part->num_rows});
  }
  return RowIds(runs, total_rows);
}

// Copies blocks of parts into a data set, which has room for them.
class Assembly {
 public:
  Assembly(Dataset& dataset, std::span<const Part* const> parts) : dataset_(dataset) {
    size_t to = 0;
    for (const Part* part : parts) {
      for (size_t begin = 0; begin < part->num_rows; begin += kRowsPerBlock)
        blocks_.push_back(
            {part, begin, std::min(part->num_rows - begin, kRowsPerBlock), to + begin});
      to += part->num_rows;
    }
  }

  size_t num_blocks() const { return blocks_.size(); }

  // False if it holds what no part of this binning can.
  bool CopyBlock(size_t i) {
    const Block& block = blocks_[i];
    const bool right = CopyBins(block) && CopyLabels(block) && CopyWeights(block);
    const Part& part = *block.part;
    for (size_t k = 0; k < part.num_outputs; ++k)
      std::copy_n(part.initial_scores.data() + k * part.num_rows + block.begin, block.rows,
                  dataset_.initial_scores.data() + k * dataset_.num_rows + block.to);
    return right;
  }

 private:
  struct Block {
    const Part* part;
    size_t begin, rows;
    size_t to;  // row of the data set
  };

  bool CopyBins(const Block& block) {
    bool right = true;
    for (size_t f = 0; f < block.part->num_features; ++f) {
      const uint8_t* from = block.part->bins.data() + f * block.part->num_rows + block.begin;
      uint8_t* to = dataset_.bins.mutable_column(f) + block.to;
      std::memcpy(to, from, block.rows);
      uint8_t largest = 0;
      for (size_t row = 0; row < block.rows; ++row) largest = std::max(largest, to[row]);
      right &= largest < dataset_.mapper.features[f].num_bins();
    }
    dataset_.bins.FillRows(block.to, block.to + block.rows);
    return right;
  }

  bool CopyLabels(const Block& block) {
    const double* from = block.part->labels.data() + block.begin;
    std::copy_n(from, block.rows, dataset_.labels.data() + block.to);
    const double classes = static_cast<double>(dataset_.classes.size());
    return std::all_of(from, from + block.rows, [&](double label) {
      if (classes == 0) return std::isfinite(label);
      return label >= 0 && label < classes && label == std::floor(label);
    });
  }

  bool CopyWeights(const Block& block) {
    if (dataset_.weights.empty()) return true;
    float* to = dataset_.weights.data() + block.to;
    if (block.part->weights.empty())
      std::fill_n(to, block.rows, 1.0f);
    else
      std::copy_n(block.part->weights.data() + block.begin, block.rows, to);
    return std::all_of(to, to + block.rows,
                       [](float weight) { return weight >= 0 && std::isfinite(weight); });
  }

  Dataset& dataset_;
  std::vector<Block> blocks_;
};

}  // namespace

Result<Part> MakePart(const Context& context, Table table, const Binning& binning,
                      const std::string& label, const std::string& weight, uint64_t first_row,
                      const InitialScores& initial_scores) {
  DataSpec spec;
  spec.label = label;
  spec.weight = weight;
  spec.features = binning.feature_names;
  spec.classification = !binning.classes.empty();
  if (table.num_rows() > kMaxRows)
    return DataError("the part has " + std::to_string(table.num_rows()) +
                     " rows; one process handles up to " + std::to_string(kMaxRows) +
                     ". Cut it into smaller ones.");
  RAMET_ASSIGN(const Roles roles, FindRoles(table.schema(), spec));
  RAMET_ASSIGN(LabelledRows rows, ReadLabels(context, table, roles, spec, &binning.classes));
  RAMET_RETURN_IF_ERROR(MultiplyByClass(binning.class_factors, rows.labels, rows.weights));
  Part part;
  part.first_row = first_row;
  part.num_rows = table.num_rows();
  part.num_features = roles.features.size();
  part.binning = FingerprintOf(binning);
  if (initial_scores) {
    RAMET_ASSIGN(const Buffer<double> scores, initial_scores(table));
    part.num_outputs = part.num_rows == 0 ? 0 : scores.size() / part.num_rows;
    part.initial_scores = OutputsFirst(scores, part.num_rows);
  }
  Buffer<uint8_t> bins(part.num_features * part.num_rows);
  RAMET_RETURN_IF_ERROR(EncodeTable(context, binning.mapper, table, roles.features,
                                    /*release=*/true, {bins.data(), part.num_rows},
                                    [](size_t, size_t) {}));
  part.bins = Shared<uint8_t>(std::move(bins));
  part.labels = Shared<double>(std::move(rows.labels));
  part.weights = Shared<float>(std::move(rows.weights));
  part.fingerprint = FingerprintOf(part);
  return part;
}

Result<Dataset> AssembleDataset(const Context& context, const Binning& binning,
                                std::span<const Part* const> parts, uint64_t total_rows,
                                std::optional<bool> weighted) {
  const bool has_weights = weighted.value_or(binning.weighted);
  const std::vector<const Part*> ordered = InOrder(parts);
  RAMET_RETURN_IF_ERROR(CheckParts(binning, ordered, total_rows, has_weights));
  Dataset dataset;
  static_cast<Binning&>(dataset) = binning;
  dataset.weighted = has_weights;
  dataset.ids = IdsOf(ordered, total_rows);
  dataset.num_rows = dataset.ids.size();
  dataset.bins = BinnedMatrix(dataset.num_rows, binning.feature_names.size());
  dataset.labels.resize(dataset.num_rows);
  if (has_weights) dataset.weights.resize(dataset.num_rows);
  if (!ordered.empty()) dataset.initial_scores.resize(ordered[0]->num_outputs * dataset.num_rows);
  Assembly assembly(dataset, ordered);
  std::atomic<bool> right = true;
  RunOnThreads(context, [&] {
    constexpr size_t kBlocksPerTask = 8;
    ParallelFor(0, assembly.num_blocks(), kBlocksPerTask, [&](size_t begin, size_t end) {
      for (size_t i = begin; i < end && !context.Cancelled(); ++i)
        if (!assembly.CopyBlock(i)) right = false;
    });
  });
  if (context.Cancelled()) return CancelledError("stopped while assembling rows");
  if (!right)
    return DataError(
        "a part holds bins, labels or weights that its binning does not have: it is damaged. Make "
        "it again.");
  return dataset;
}

}  // namespace ramet
