// Prediction: raw scores, probabilities, classes, leaves — for tables and for binned rows.
//
//   Model ──Predictor──► compact trees ; Table ──► blocks of bins ──► scores (rows x outputs)
//
// A row's raw score is base + the float64 sum of its leaves in tree order (design rule 7), whatever
// the instruction set. Values are first placed among the model's own thresholds (one byte or two
// per feature), then trees are walked on those small integers: the decisions are exactly those of
// the float64 comparisons.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ramet/base/buffer.h"
#include "ramet/model/model.h"

namespace ramet {

// All functions are thread-safe: one Predictor serves many threads. They stop with an error of code
// kCancelled where the context says so. Few rows cost little beyond their trees: no threads are
// asked.
//
// Rows come as a table, whose columns are found by name, or as a matrix, whose columns are the
// model's features by position (an error if their number differs).
class StagedScores;

class Predictor {
 public:
  // The model must be valid (loaded or trained); it is not kept.
  explicit Predictor(const Model& model);
  ~Predictor();
  Predictor(Predictor&&) noexcept;
  Predictor& operator=(Predictor&&) noexcept;

  size_t num_outputs() const;
  size_t num_trees() const;
  size_t num_features() const;

  // Positions in `schema` of the model's features, found by name; an error names a missing or unfit
  // column, or says that the model names a loss that it cannot have (a damaged file).
  Result<std::vector<size_t>> MatchColumns(const Schema& schema) const;

  // rows x outputs, row-major. `rounds` limits to the first rounds (staged prediction); 0 means
  // all.
  Result<Buffer<double>> RawScores(const Context& context, const Table& table,
                                   size_t rounds = 0) const;
  Result<Buffer<double>> RawScores(const Context& context, const MatrixView& matrix,
                                   size_t rounds = 0) const;
  // rows x trees: the leaf's node index in its tree, row-major.
  Result<Buffer<int32_t>> Leaves(const Context& context, const Table& table) const;
  Result<Buffer<int32_t>> Leaves(const Context& context, const MatrixView& matrix) const;
  // Raw scores after each round, one after the other. The Predictor must outlive what is returned;
  // the table or matrix need not.
  Result<StagedScores> Stage(const Context& context, const Table& table) const;
  Result<StagedScores> Stage(const Context& context, const MatrixView& matrix) const;
  // Calls `stage(round, scores)` after each of the rounds 1..n with the scores so far (rows x
  // outputs).
  Status StagedRawScores(const Context& context, const Table& table,
                         const std::function<void(size_t, const Buffer<double>&)>& stage) const;

 private:
  friend class StagedScores;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Scores that grow by a round at a time:
//
//   RAMET_ASSIGN(StagedScores staged, predictor.Stage(context, table));
//   for (;;) {
//     RAMET_ASSIGN(const bool more, staged.Next(context));
//     if (!more) break;
//     Use(staged.scores());  // of the rounds 1 to staged.round()
//   }
//
// Keeps the rows' bins, so that values are read and placed once.
class StagedScores {
 public:
  // Adds one more round; false where there is none.
  Result<bool> Next(const Context& context);
  size_t round() const { return round_; }
  const Buffer<double>& scores() const { return scores_; }  // rows x outputs, row-major

 private:
  friend class Predictor;
  const Predictor::Impl* predictor_ = nullptr;
  size_t num_rows_ = 0, round_ = 0;
  Buffer<double> scores_;
  // Of all blocks of rows, column-major: of the forest's type of bins.
  Buffer<uint8_t> bins_;
};

// Raw scores (of a Predictor of this model) to the response: probabilities (rows x classes, two
// columns for binary) or predicted values (rows x 1).
Buffer<double> Response(const Context& context, const Model& model,
                        const Buffer<double>& raw_scores);

// Index of the most probable class per row; ties to the lower index.
std::vector<uint32_t> PredictedClasses(const Model& model, const Buffer<double>& raw_scores);

}  // namespace ramet
