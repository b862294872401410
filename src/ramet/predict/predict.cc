#include "ramet/predict/predict.h"

#include <algorithm>
#include <cstring>
#include <variant>

#include "ramet/bins/dataset.h"
#include "ramet/loss/loss.h"
#include "ramet/parallel/parallel.h"
#include "ramet/predict/forest.h"
#include "ramet/predict/walk.h"

namespace ramet {
namespace {

struct Block {
  size_t chunk, begin, end;  // rows of the chunk
  size_t first_row;          // of the table
  size_t number;
};

std::vector<Block> BlocksOf(const Table& table) {
  std::vector<Block> blocks;
  for (size_t c = 0; c < table.num_chunks(); ++c)
    for (size_t begin = 0; begin < table.chunk(c).num_rows(); begin += kRowsPerBlock)
      blocks.push_back({c, begin, std::min(table.chunk(c).num_rows(), begin + kRowsPerBlock),
                        table.chunk_begin(c) + begin, blocks.size()});
  return blocks;
}

// The column-major bins of a block, and where triplets need it their row-major copy.
template <class Bin>
class BlockBins {
 public:
  explicit BlockBins(const Forest<Bin>& forest)
      : num_features_(forest.num_features),
        row_stride_(forest.row_stride),
        columns_(kRowsPerBlock * forest.num_features),
        rows_(kRowsPerBlock * forest.row_stride) {}

  Bin* columns() { return columns_.data(); }
  // The block of the first `rows` rows, whose columns have been written; vectors read the others
  // too.
  ForestBlock<Bin> Finish(Isa isa, size_t rows) {
    for (size_t f = 0; f < num_features_; ++f)
      std::fill(columns() + f * kRowsPerBlock + rows, columns() + (f + 1) * kRowsPerBlock, Bin{0});
    if constexpr (std::is_same_v<Bin, uint8_t>)
      if (row_stride_ > 0)
        TransposeBlock(isa, columns_.data(), num_features_, rows_.data(), row_stride_);
    return {columns_.data(), row_stride_ > 0 ? rows_.data() : nullptr, row_stride_,
            HasMissing(rows)};
  }

 private:
  bool HasMissing(size_t rows) const {
    for (size_t f = 0; f < num_features_; ++f) {
      const Bin* column = columns_.data() + f * kRowsPerBlock;
      if constexpr (sizeof(Bin) == 1) {
        if (std::memchr(column, 0, rows) != nullptr) return true;
      } else {
        if (std::find(column, column + rows, Bin{0}) != column + rows) return true;
      }
    }
    return false;
  }

  size_t num_features_, row_stride_;
  Buffer<Bin> columns_;
  Buffer<uint8_t> rows_;
};

Status CheckLoss(const Model& model) {
  RAMET_ASSIGN(const Loss* loss, FindLoss(model.loss));
  if (loss->classification != !model.classes.empty() ||
      loss->num_outputs(model.classes.size()) != model.num_outputs())
    return DataError("the model is damaged: loss " + model.loss + " does not have " +
                     std::to_string(model.num_outputs()) + " outputs for " +
                     std::to_string(model.classes.size()) + " classes.");
  return {};
}

}  // namespace

struct Predictor::Impl {
  std::vector<double> base_scores;
  std::vector<std::string> feature_names;
  std::vector<FeatureKind> feature_kinds;
  std::vector<ForestFeature> features;  // used ones
  std::variant<Forest<uint8_t>, Forest<uint16_t>, Forest<uint32_t>> forest;
  size_t num_trees = 0;
  Status usable;  // a file may name a loss that does not have the model's outputs, say

  template <class Bin>
  Status EncodeBlock(Isa isa, const Table& table, std::span<const size_t> columns,
                     const Block& block, Bin* bins) const {
    for (size_t f = 0; f < features.size(); ++f) {
      const ColumnView column = table.chunk(block.chunk).column(columns[features[f].model_feature]);
      Bin* out = bins + f * kRowsPerBlock;
      RAMET_RETURN_IF_ERROR(
          features[f].kind == FeatureKind::kNumeric
              ? features[f].numeric.EncodeColumn(isa, column, block.begin, block.end, out)
              : features[f].categories.EncodeColumn(column, block.begin, block.end, out));
    }
    return {};
  }

  // Calls visit(forest, block, bins) for every block of the table, on all threads.
  template <class Visit>
  Status ForEachBlock(const Context& context, const Table& table, std::span<const size_t> columns,
                      const Visit& visit) const {
    const std::vector<Block> blocks = BlocksOf(table);
    std::vector<Status> statuses(blocks.size());
    std::visit(
        [&]<class Bin>(const Forest<Bin>& trees) {
          RunOnThreads(context, [&] {
            ParallelFor(0, blocks.size(), 1, [&](size_t b, size_t) {
              if (context.Cancelled()) return;
              BlockBins<Bin> bins(trees);
              statuses[b] = EncodeBlock(context.isa, table, columns, blocks[b], bins.columns());
              if (statuses[b].ok())
                visit(trees, blocks[b], bins.Finish(context.isa, blocks[b].end - blocks[b].begin));
            });
          });
        },
        forest);
    if (context.Cancelled()) return CancelledError("prediction was stopped");
    for (Status& status : statuses)
      if (!status.ok()) return status.TakeError();
    return {};
  }
};

Predictor::Predictor(const Model& model) : impl_(std::make_unique<Impl>()) {
  impl_->base_scores = model.base_scores;
  impl_->feature_names = model.feature_names;
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

Result<std::vector<size_t>> Predictor::MatchColumns(const Schema& schema) const {
  if (!impl_->usable.ok()) return Error(impl_->usable.error());
  std::vector<size_t> columns;
  for (size_t f = 0; f < impl_->feature_names.size(); ++f) {
    RAMET_ASSIGN(const size_t column, schema.Require(impl_->feature_names[f]));
    const Field& field = schema.fields[column];
    if (impl_->feature_kinds[f] == FeatureKind::kNumeric && !IsNumeric(field.type))
      return DataError("column \"" + field.name + "\" holds " +
                       std::string(ValueTypeName(field.type)) +
                       "s, but was numeric in training. Convert it to numbers.");
    columns.push_back(column);
  }
  return columns;
}

Result<Buffer<double>> Predictor::RawScores(const Context& context, const Table& table,
                                            size_t rounds) const {
  RAMET_ASSIGN(const std::vector<size_t> columns, MatchColumns(table.schema()));
  const size_t outputs = num_outputs();
  const size_t trees =
      rounds == 0 ? impl_->num_trees : std::min(impl_->num_trees, rounds * outputs);
  Buffer<double> scores(table.num_rows() * outputs);
  RAMET_RETURN_IF_ERROR(impl_->ForEachBlock(
      context, table, columns,
      [&]<class Bin>(const Forest<Bin>& forest, const Block& block, const ForestBlock<Bin>& bins) {
        const size_t rows = block.end - block.begin;
        double* out = scores.data() + block.first_row * outputs;
        for (size_t i = 0; i < rows * outputs; ++i) out[i] = impl_->base_scores[i % outputs];
        for (size_t t = 0; t < trees; ++t)
          AddTree(context.isa, forest.trees[t], bins, rows, out + t % outputs, outputs);
      }));
  return scores;
}

Result<Buffer<int32_t>> Predictor::Leaves(const Context& context, const Table& table) const {
  RAMET_ASSIGN(const std::vector<size_t> columns, MatchColumns(table.schema()));
  const size_t trees = impl_->num_trees;
  Buffer<int32_t> leaves(table.num_rows() * trees);
  RAMET_RETURN_IF_ERROR(impl_->ForEachBlock(
      context, table, columns,
      [&]<class Bin>(const Forest<Bin>& forest, const Block& block, const ForestBlock<Bin>& bins) {
        int32_t* out = leaves.data() + block.first_row * trees;
        const size_t rows = block.end - block.begin;
        uint32_t nodes[kRowsPerBlock];
        for (size_t t = 0; t < trees; ++t) {
          FindLeaves(context.isa, forest.trees[t], bins, rows, nodes);
          for (size_t i = 0; i < rows; ++i) out[i * trees + t] = static_cast<int32_t>(nodes[i]);
        }
      }));
  return leaves;
}

Status Predictor::StagedRawScores(
    const Context& context, const Table& table,
    const std::function<void(size_t, const Buffer<double>&)>& stage) const {
  RAMET_ASSIGN(const std::vector<size_t> columns, MatchColumns(table.schema()));
  const size_t outputs = num_outputs(), num_features = impl_->features.size();
  Buffer<double> scores(table.num_rows() * outputs);
  for (size_t i = 0; i < scores.size(); ++i) scores[i] = impl_->base_scores[i % outputs];
  // All blocks' bins are kept, so that values are read and placed once.
  const std::vector<Block> blocks = BlocksOf(table);
  return std::visit(
      [&]<class Bin>(const Forest<Bin>& forest) -> Status {
        const size_t block_size = kRowsPerBlock * num_features;
        Buffer<Bin> all_bins(blocks.size() * block_size);
        RAMET_RETURN_IF_ERROR(impl_->ForEachBlock(
            context, table, columns,
            [&]<class B>(const Forest<B>&, const Block& block, const ForestBlock<B>& bins) {
              if constexpr (std::is_same_v<B, Bin>)
                std::copy_n(bins.columns, block_size, all_bins.data() + block.number * block_size);
            }));
        for (size_t round = 1; round * outputs <= impl_->num_trees; ++round) {
          if (context.Cancelled()) return CancelledError("prediction was stopped");
          RunOnThreads(context, [&] {
            ParallelFor(0, blocks.size(), 1, [&](size_t b, size_t) {
              BlockBins<Bin> bins(forest);
              std::copy_n(all_bins.data() + b * block_size, block_size, bins.columns());
              const size_t rows = blocks[b].end - blocks[b].begin;
              const ForestBlock<Bin> block_bins = bins.Finish(context.isa, rows);
              for (size_t k = 0; k < outputs; ++k)
                AddTree(context.isa, forest.trees[(round - 1) * outputs + k], block_bins, rows,
                        scores.data() + blocks[b].first_row * outputs + k, outputs);
            });
          });
          stage(round, scores);
        }
        return {};
      },
      impl_->forest);
}

Buffer<double> Response(const Context& context, const Model& model,
                        const Buffer<double>& raw_scores) {
  const Result<const Loss*> loss = FindLoss(model.loss);
  RAMET_CHECK(loss.ok());
  const size_t outputs = model.num_outputs();
  const size_t width = model.classes.empty() ? 1 : model.classes.size();
  const size_t rows = raw_scores.size() / outputs;
  Buffer<double> response(rows * width);
  RunOnThreads(context, [&] {
    ParallelFor(0, rows, 1 << 14, [&](size_t begin, size_t end) {
      if ((*loss)->respond_rows != nullptr) {
        (*loss)->respond_rows(context.isa, raw_scores.data() + begin, end - begin,
                              response.data() + begin * width);
        return;
      }
      for (size_t i = begin; i < end; ++i)
        (*loss)->respond(raw_scores.data() + i * outputs, outputs, response.data() + i * width);
    });
  });
  return response;
}

std::vector<uint32_t> PredictedClasses(const Model& model, const Buffer<double>& raw_scores) {
  const size_t outputs = model.num_outputs();
  std::vector<uint32_t> classes(raw_scores.size() / outputs);
  for (size_t i = 0; i < classes.size(); ++i) {
    const double* scores = raw_scores.data() + i * outputs;
    // One score is the log-odds of the second class; ties go to the first.
    classes[i] = outputs == 1
                     ? (scores[0] > 0 ? 1 : 0)
                     : static_cast<uint32_t>(std::max_element(scores, scores + outputs) - scores);
  }
  return classes;
}

}  // namespace ramet
