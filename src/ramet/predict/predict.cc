#include "ramet/predict/predict.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <unordered_map>
#include <variant>

#include "ramet/base/fpu.h"
#include "ramet/bins/dataset.h"
#include "ramet/loss/loss.h"
#include "ramet/parallel/parallel.h"
#include "ramet/predict/block_bins.h"
#include "ramet/predict/forest.h"
#include "ramet/predict/row.h"
#include "ramet/predict/source.h"

namespace ramet {
namespace {

Status CheckLoss(const Model& model) {
  RAMET_ASSIGN(const Loss* loss, FindLoss(model.loss));
  if (loss->classification != !model.classes.empty() ||
      loss->num_outputs(model.classes.size()) != model.num_outputs())
    return DataError("the model is damaged: loss " + model.loss + " does not have " +
                     std::to_string(model.num_outputs()) + " outputs for " +
                     std::to_string(model.classes.size()) + " classes.");
  return {};
}

Error Stopped() { return CancelledError("prediction was stopped"); }

}  // namespace

struct Predictor::Impl {
  std::vector<double> base_scores;
  std::vector<std::string> feature_names;
  bool distinct_names = true;
  std::vector<FeatureKind> feature_kinds;
  std::vector<ForestFeature> features;  // used ones
  std::variant<Forest<uint8_t>, Forest<uint16_t>, Forest<uint32_t>> forest;
  size_t num_trees = 0;
  Status usable;  // a file may name a loss that does not have the model's outputs, say

  Result<std::vector<size_t>> MatchColumns(const Schema& schema) const;
  Result<RowSource> Rows(const Table& table) const {
    RAMET_ASSIGN(std::vector<size_t> columns, MatchColumns(table.schema()));
    return RowSource(table, std::move(columns));
  }
  Result<RowSource> Rows(const MatrixView& matrix) const;
  Result<Buffer<double>> RawScores(const Context& context, const RowSource& source,
                                   size_t rounds) const;
  Result<Buffer<int32_t>> Leaves(const Context& context, const RowSource& source) const;
  Result<StagedScores> Stage(const Context& context, const RowSource& source) const;
  Status NextStage(const Context& context, StagedScores& staged) const;

  // out[i] = bin of row begin + i of used feature f.
  template <class Bin>
  Status EncodeFeature(Isa isa, const RowSource& source, const RowBlock& block, size_t f,
                       Bin* out) const {
    const ColumnView column = source.column(block.chunk, features[f].model_feature);
    if (features[f].kind == FeatureKind::kNumeric)
      return features[f].numeric.EncodeColumn(isa, column, block.begin, block.end, out);
    return features[f].categories.EncodeColumn(column, block.begin, block.end, out);
  }

  // Calls visit(forest, row, bins) for each of at most kFewRows rows, on this thread.
  template <class Visit>
  Status ForEachRow(const Context& context, const RowSource& source, const Visit& visit) const {
    if (context.Cancelled()) return Stopped();
    const FloatingPointGuard guard;
    return std::visit(
        [&]<class Bin>(const Forest<Bin>& all) -> Status {
          Buffer<Bin> bins(kFewRows * all.num_features);  // row-major
          for (const RowBlock& block : BlocksOf(source, kFewRows)) {
            for (size_t f = 0; f < all.num_features; ++f) {
              Bin column[kFewRows];
              RAMET_RETURN_IF_ERROR(EncodeFeature(context.isa, source, block, f, column));
              for (size_t i = 0; i < block.rows(); ++i) bins[i * all.num_features + f] = column[i];
            }
            for (size_t i = 0; i < block.rows(); ++i)
              visit(all, block.first_row + i, bins.data() + i * all.num_features);
          }
          return {};
        },
        forest);
  }

  // Calls visit(forest, block, bins) for every block of rows, on all threads.
  template <class Visit>
  Status ForEachBlock(const Context& context, const RowSource& source, const Visit& visit) const {
    const std::vector<RowBlock> blocks = BlocksOf(source, kRowsPerBlock);
    std::vector<Status> statuses(blocks.size());
    std::visit(
        [&]<class Bin>(const Forest<Bin>& trees) {
          const auto do_block = [&](const RowBlock& block) {
            if (context.Cancelled()) return;
            BlockBins<Bin> bins(trees);
            Status& status = statuses[block.number];
            for (size_t f = 0; f < trees.num_features && status.ok(); ++f)
              status =
                  EncodeFeature(context.isa, source, block, f, bins.columns() + f * kRowsPerBlock);
            if (status.ok()) visit(trees, block, bins.Finish(context.isa, block.rows()));
          };
          if (blocks.size() == 1) {
            const FloatingPointGuard guard;
            return do_block(blocks[0]);
          }
          RunOnThreads(context, [&] {
            ParallelFor(0, blocks.size(), 1, [&](size_t b, size_t) { do_block(blocks[b]); });
          });
        },
        forest);
    if (context.Cancelled()) return Stopped();
    for (Status& status : statuses)
      if (!status.ok()) return status.TakeError();
    return {};
  }
};

Predictor::Predictor(const Model& model) : impl_(std::make_unique<Impl>()) {
  impl_->base_scores = model.base_scores;
  impl_->feature_names = model.feature_names;
  impl_->distinct_names = std::set(model.feature_names.begin(), model.feature_names.end()).size() ==
                          model.feature_names.size();
  impl_->num_trees = model.trees.size();
  impl_->usable = CheckLoss(model);
  for (const ModelFeature& feature : model.features) impl_->feature_kinds.push_back(feature.kind);
  const std::vector<std::vector<double>> thresholds = ThresholdsOf(model);
  const std::vector<bool> used = UsedFeatures(model);
  if (std::count(used.begin(), used.end(), true) >
      static_cast<std::ptrdiff_t>(kMaxTrainingFeatures)) {
    impl_->usable = DataError("the model uses more than " + std::to_string(kMaxTrainingFeatures) +
                              " features.");
    return;
  }
  size_t largest_bin = 0;
  for (size_t f = 0; f < used.size(); ++f) {
    const std::vector<CategoryKey>& categories = model.features[f].categories;
    largest_bin = std::max({largest_bin, thresholds[f].size() + 1, categories.size() + 1});
    if (used[f])
      impl_->features.push_back(
          {f, model.features[f].kind, NumericEncoder(thresholds[f]),
           CategoryEncoder(categories, static_cast<uint32_t>(categories.size() + 1))});
  }
  // Bins may use all of Bin: a leaf's limit is above none of them, and where missing values wrap to
  // the largest, the others are one less.
  if (largest_bin <= UINT8_MAX)
    impl_->forest = MakeForest<uint8_t>(model, thresholds);
  else if (largest_bin <= UINT16_MAX)
    impl_->forest = MakeForest<uint16_t>(model, thresholds);
  else
    impl_->forest = MakeForest<uint32_t>(model, thresholds);
}
Predictor::~Predictor() = default;
Predictor::Predictor(Predictor&&) noexcept = default;
Predictor& Predictor::operator=(Predictor&&) noexcept = default;

size_t Predictor::num_outputs() const { return impl_->base_scores.size(); }
size_t Predictor::num_trees() const { return impl_->num_trees; }
size_t Predictor::num_features() const { return impl_->feature_names.size(); }

Result<std::vector<size_t>> Predictor::MatchColumns(const Schema& schema) const {
  return impl_->MatchColumns(schema);
}

Result<std::vector<size_t>> Predictor::Impl::MatchColumns(const Schema& schema) const {
  if (!usable.ok()) return Error(usable.error());
  std::vector<size_t> columns;
  columns.reserve(feature_names.size());
  // Most tables begin with the model's columns, in its order.
  const bool in_order =
      distinct_names && schema.fields.size() >= feature_names.size() &&
      std::equal(feature_names.begin(), feature_names.end(), schema.fields.begin(),
                 [](const std::string& name, const Field& field) { return name == field.name; });
  std::unordered_map<std::string_view, size_t> position;  // the first of that name
  if (!in_order)
    for (size_t i = 0; i < schema.fields.size(); ++i) position.emplace(schema.fields[i].name, i);
  for (size_t f = 0; f < feature_names.size(); ++f) {
    size_t column = f;
    if (!in_order) {
      const auto found = position.find(feature_names[f]);
      if (found == position.end()) return schema.Require(feature_names[f]).TakeError();
      column = found->second;
    }
    const Field& field = schema.fields[column];
    if (feature_kinds[f] == FeatureKind::kNumeric && !IsNumeric(field.type))
      return DataError("column \"" + field.name + "\" holds " +
                       std::string(ValueTypeName(field.type)) +
                       "s, but was numeric in training. Convert it to numbers.");
    columns.push_back(column);
  }
  return columns;
}

Result<RowSource> Predictor::Impl::Rows(const MatrixView& matrix) const {
  if (!usable.ok()) return Error(usable.error());
  if (matrix.columns != feature_names.size())
    return InvalidArgument("the matrix has " + std::to_string(matrix.columns) +
                           " columns, but the model has " + std::to_string(feature_names.size()) +
                           " features. Give it the columns it was trained on, in that order.");
  return RowSource(matrix, feature_names);
}

Result<Buffer<double>> Predictor::Impl::RawScores(const Context& context, const RowSource& source,
                                                  size_t rounds) const {
  const size_t outputs = base_scores.size();
  const size_t trees = rounds == 0 ? num_trees : std::min(num_trees, rounds * outputs);
  Buffer<double> scores(source.num_rows() * outputs);
  if (source.num_rows() <= kFewRows) {
    RAMET_RETURN_IF_ERROR(ForEachRow(
        context, source, [&]<class Bin>(const Forest<Bin>& all, size_t row, const Bin* bins) {
          double* out = scores.data() + row * outputs;
          std::copy(base_scores.begin(), base_scores.end(), out);
          const std::span<const ForestTree<Bin>> some(all.trees.data(), trees);
          ForEachLeafOfRow(some, bins, [&](size_t t, uint32_t leaf) {
            out[t % outputs] += all.trees[t].values[leaf];
          });
        }));
    return scores;
  }
  RAMET_RETURN_IF_ERROR(ForEachBlock(
      context, source,
      [&]<class Bin>(const Forest<Bin>& all, const RowBlock& block, const ForestBlock<Bin>& bins) {
        double* out = scores.data() + block.first_row * outputs;
        for (size_t i = 0; i < block.rows() * outputs; ++i) out[i] = base_scores[i % outputs];
        for (size_t t = 0; t < trees; ++t)
          AddTree(context.isa, all.trees[t], bins, block.rows(), out + t % outputs, outputs);
      }));
  return scores;
}

Result<Buffer<int32_t>> Predictor::Impl::Leaves(const Context& context,
                                                const RowSource& source) const {
  Buffer<int32_t> leaves(source.num_rows() * num_trees);
  if (source.num_rows() <= kFewRows) {
    RAMET_RETURN_IF_ERROR(ForEachRow(
        context, source, [&]<class Bin>(const Forest<Bin>& all, size_t row, const Bin* bins) {
          ForEachLeafOfRow(std::span(all.trees), bins, [&](size_t t, uint32_t leaf) {
            leaves[row * num_trees + t] = static_cast<int32_t>(leaf);
          });
        }));
    return leaves;
  }
  RAMET_RETURN_IF_ERROR(ForEachBlock(
      context, source,
      [&]<class Bin>(const Forest<Bin>& all, const RowBlock& block, const ForestBlock<Bin>& bins) {
        int32_t* out = leaves.data() + block.first_row * num_trees;
        uint32_t nodes[kRowsPerBlock];
        for (size_t t = 0; t < num_trees; ++t) {
          FindLeaves(context.isa, all.trees[t], bins, block.rows(), nodes);
          for (size_t i = 0; i < block.rows(); ++i)
            out[i * num_trees + t] = static_cast<int32_t>(nodes[i]);
        }
      }));
  return leaves;
}

Result<StagedScores> Predictor::Impl::Stage(const Context& context, const RowSource& source) const {
  StagedScores staged;
  staged.predictor_ = this;
  staged.num_rows_ = source.num_rows();
  staged.scores_ = Buffer<double>(source.num_rows() * base_scores.size());
  for (size_t i = 0; i < staged.scores_.size(); ++i)
    staged.scores_[i] = base_scores[i % base_scores.size()];
  // In blocks of the whole, whatever the source's chunks.
  const size_t blocks = (source.num_rows() + kRowsPerBlock - 1) / kRowsPerBlock;
  const auto keep = [&]<class Bin>(const Forest<Bin>& all, const RowBlock& block,
                                   const ForestBlock<Bin>& bins) {
    Bin* kept = reinterpret_cast<Bin*>(staged.bins_.data());
    for (size_t i = 0; i < block.rows();) {
      const size_t row = block.first_row + i, within = row % kRowsPerBlock;
      const size_t count = std::min(block.rows() - i, kRowsPerBlock - within);
      for (size_t f = 0; f < all.num_features; ++f)
        std::copy_n(bins.columns + f * kRowsPerBlock + i, count,
                    kept + ((row / kRowsPerBlock) * all.num_features + f) * kRowsPerBlock + within);
      i += count;
    }
  };
  std::visit(
      [&]<class Bin>(const Forest<Bin>& all) {
        staged.bins_ = Buffer<uint8_t>(blocks * kRowsPerBlock * all.num_features * sizeof(Bin));
      },
      forest);
  RAMET_RETURN_IF_ERROR(ForEachBlock(context, source, keep));
  return staged;
}

Status Predictor::Impl::NextStage(const Context& context, StagedScores& staged) const {
  const size_t outputs = base_scores.size();
  std::visit(
      [&]<class Bin>(const Forest<Bin>& all) {
        const size_t block_size = kRowsPerBlock * all.num_features;
        const Bin* kept = reinterpret_cast<const Bin*>(staged.bins_.data());
        const auto add_round = [&](size_t first, size_t last) {
          if (context.Cancelled()) return;
          BlockBins<Bin> bins(all);
          const size_t rows = last - first;
          std::copy_n(kept + first / kRowsPerBlock * block_size, block_size, bins.columns());
          const ForestBlock<Bin> block = bins.Finish(context.isa, rows);
          for (size_t k = 0; k < outputs; ++k)
            AddTree(context.isa, all.trees[staged.round_ * outputs + k], block, rows,
                    staged.scores_.data() + first * outputs + k, outputs);
        };
        RunOnThreads(context, [&] { ParallelFor(0, staged.num_rows_, kRowsPerBlock, add_round); });
      },
      forest);
  if (context.Cancelled()) return Stopped();
  return {};
}

Result<bool> StagedScores::Next(const Context& context) {
  const size_t outputs = predictor_->base_scores.size();
  if (outputs == 0 || (round_ + 1) * outputs > predictor_->num_trees) return false;
  RAMET_RETURN_IF_ERROR(predictor_->NextStage(context, *this));
  ++round_;
  return true;
}

Result<Buffer<double>> Predictor::RawScores(const Context& context, const Table& table,
                                            size_t rounds) const {
  RAMET_ASSIGN(const RowSource source, impl_->Rows(table));
  return impl_->RawScores(context, source, rounds);
}
Result<Buffer<double>> Predictor::RawScores(const Context& context, const MatrixView& matrix,
                                            size_t rounds) const {
  RAMET_ASSIGN(const RowSource source, impl_->Rows(matrix));
  return impl_->RawScores(context, source, rounds);
}
Result<Buffer<int32_t>> Predictor::Leaves(const Context& context, const Table& table) const {
  RAMET_ASSIGN(const RowSource source, impl_->Rows(table));
  return impl_->Leaves(context, source);
}
Result<Buffer<int32_t>> Predictor::Leaves(const Context& context, const MatrixView& matrix) const {
  RAMET_ASSIGN(const RowSource source, impl_->Rows(matrix));
  return impl_->Leaves(context, source);
}
Result<StagedScores> Predictor::Stage(const Context& context, const Table& table) const {
  RAMET_ASSIGN(const RowSource source, impl_->Rows(table));
  return impl_->Stage(context, source);
}
Result<StagedScores> Predictor::Stage(const Context& context, const MatrixView& matrix) const {
  RAMET_ASSIGN(const RowSource source, impl_->Rows(matrix));
  return impl_->Stage(context, source);
}

Status Predictor::StagedRawScores(
    const Context& context, const Table& table,
    const std::function<void(size_t, const Buffer<double>&)>& stage) const {
  RAMET_ASSIGN(StagedScores staged, Stage(context, table));
  for (;;) {
    RAMET_ASSIGN(const bool more, staged.Next(context));
    if (!more) return {};
    stage(staged.round(), staged.scores());
  }
}

}  // namespace ramet
