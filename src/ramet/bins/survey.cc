// What a part's rows tell before bins can be found, and how parts' surveys become one.

#include "ramet/bins/survey.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <unordered_map>

#include "ramet/bins/class_weight.h"
#include "ramet/parallel/parallel.h"

namespace ramet {
namespace {

constexpr size_t kRowsPerBlock = 4096;

using KeyCounts = std::unordered_map<CategoryKey, uint64_t>;
using SortedCounts = std::vector<std::pair<CategoryKey, uint64_t>>;

Error TooManyCategories(const std::string& column) {
  return DataError(Quoted(column) + " has more than " + std::to_string(kMaxCategoriesPerColumn) +
                   " distinct categories. Drop it, or group its values before training.");
}

// Exact counts of the keys of one column; rows of weight zero count nowhere.
Result<SortedCounts> CountKeys(const Context& context, const Table& table, size_t column,
                               std::span<const float> weights) {
  KeyCounts counts;
  std::vector<KeyView> block(kRowsPerBlock);
  for (size_t c = 0; c < table.num_chunks(); ++c) {
    const ColumnView view = table.chunk(c).column(column);
    const size_t first_row = table.chunk_begin(c);
    std::vector<uint64_t*> by_code;  // counters of this chunk's dictionary entries
    for (size_t begin = 0; begin < view.length(); begin += kRowsPerBlock) {
      const size_t end = std::min(view.length(), begin + kRowsPerBlock);
      if (context.Cancelled()) return CancelledError("stopped while counting categories");
      if (Status status = view.ReadKeys(begin, end, block.data(), UnfitKeys::kRefuse, first_row);
          !status.ok()) {
        Error error = status.TakeError();
        error.message = Quoted(view.name()) + ": " + error.message;
        return error;
      }
      for (size_t i = begin; i < end; ++i) {
        const KeyView& key = block[i - begin];
        if (key.kind == KeyView::Kind::kMissing ||
            (!weights.empty() && weights[first_row + i] == 0))
          continue;
        if (key.code >= 0) {
          if (by_code.size() <= static_cast<size_t>(key.code))
            by_code.resize(key.code + 1, nullptr);
          uint64_t*& counter = by_code[key.code];
          if (counter == nullptr) counter = &counts[key.ToKey()];
          ++*counter;
        } else {
          ++counts[key.ToKey()];
        }
      }
      if (counts.size() > kMaxCategoriesPerColumn) return TooManyCategories(view.name());
    }
  }
  SortedCounts sorted(std::move_iterator(counts.begin()), std::move_iterator(counts.end()));
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

ColumnSurvey SurveyColumn(const Field& field) { return {field.name, field.type, field.format}; }

// Weights as the categories' counts see them: zero where the class's factor is.
Result<std::vector<float>> CountedWeights(const DataSpec& spec, const LabelledRows& rows) {
  RAMET_ASSIGN(const std::vector<bool> zero, ZeroFactors(spec.class_weight, rows.classes));
  std::vector<float> weights = rows.weights;
  if (std::find(zero.begin(), zero.end(), true) == zero.end()) return weights;
  if (weights.empty()) weights.assign(rows.labels.size(), 1);
  for (size_t row = 0; row < weights.size(); ++row)
    if (zero[static_cast<size_t>(rows.labels[row])]) weights[row] = 0;
  return weights;
}

void Add(WeightFacts& facts, float weight, bool counts) {
  ++facts.rows;
  facts.counted += counts;
  facts.least = std::min(facts.least, weight);
  facts.most = std::max(facts.most, weight);
}

void Add(WeightFacts& facts, const WeightFacts& other) {
  facts.rows += other.rows;
  facts.counted += other.counted;
  facts.least = std::min(facts.least, other.least);
  facts.most = std::max(facts.most, other.most);
}

// The rows' facts; of each class too, where there are any.
void SurveyWeights(const LabelledRows& rows, std::span<const float> counted, Survey& survey) {
  std::vector<WeightFacts> facts(std::max<size_t>(1, rows.classes.size()));
  for (size_t row = 0; row < rows.labels.size(); ++row)
    Add(facts[rows.classes.empty() ? 0 : static_cast<size_t>(rows.labels[row])],
        rows.weights.empty() ? 1 : rows.weights[row], counted.empty() || counted[row] != 0);
  for (const WeightFacts& some : facts) Add(survey.rows, some);
  for (size_t k = 0; k < rows.classes.size(); ++k)
    survey.classes.emplace_back(rows.classes[k], facts[k]);
}

// Columns of one array: of one kind of values, whatever their widths.
int Family(ValueType type) {
  switch (type) {
    case ValueType::kString:
      return 1;
    case ValueType::kDate:
    case ValueType::kTimestamp:
      return 2;
    case ValueType::kTime:
      return 3;
    case ValueType::kDuration:
      return 4;
    default:
      return 0;
  }
}

Result<ColumnSurvey> MergeColumns(const ColumnSurvey& a, const ColumnSurvey& b) {
  if (a.type == ValueType::kNull) return b;
  if (b.type == ValueType::kNull) return a;
  if (Family(a.type) != Family(b.type))
    return DataError(Quoted(a.name) + " holds " +
                     std::string(ValueTypeName(std::min(a.type, b.type))) + "s in one part and " +
                     std::string(ValueTypeName(std::max(a.type, b.type))) +
                     "s in another. Convert it to one type.");
  return std::pair(a.type, a.format) < std::pair(b.type, b.format) ? b : a;
}

// a + b of two sorted lists of keys, the values of equal keys added.
template <class T, class AddTo>
std::vector<std::pair<CategoryKey, T>> MergeSorted(const std::vector<std::pair<CategoryKey, T>>& a,
                                                   const std::vector<std::pair<CategoryKey, T>>& b,
                                                   const AddTo& add) {
  std::vector<std::pair<CategoryKey, T>> merged;
  merged.reserve(std::max(a.size(), b.size()));
  auto next = b.begin();
  for (const auto& entry : a) {
    for (; next != b.end() && next->first < entry.first; ++next) merged.push_back(*next);
    merged.push_back(entry);
    if (next != b.end() && next->first == entry.first) add(merged.back().second, (next++)->second);
  }
  merged.insert(merged.end(), next, b.end());
  return merged;
}

// An error names a column that some part lacks, or has in another place.
Status CheckSameFeatures(const std::vector<FeatureSurvey>& a, const std::vector<FeatureSurvey>& b) {
  const auto name = [](const FeatureSurvey& feature) { return feature.column.name; };
  const auto same = [&](const FeatureSurvey& x, const FeatureSurvey& y) {
    return x.column.name == y.column.name;
  };
  if (std::equal(a.begin(), a.end(), b.begin(), b.end(), same)) return {};
  std::set<std::string> names, others;
  std::transform(a.begin(), a.end(), std::inserter(names, names.end()), name);
  std::transform(b.begin(), b.end(), std::inserter(others, others.end()), name);
  std::vector<std::string> lacking;
  std::set_symmetric_difference(names.begin(), names.end(), others.begin(), others.end(),
                                std::back_inserter(lacking));
  if (!lacking.empty())
    return DataError(Quoted(lacking[0]) +
                     " is in one part and not in another. Give all parts the same columns, or name "
                     "the features.");
  const auto [of_a, of_b] = std::mismatch(a.begin(), a.end(), b.begin(), b.end(), same);
  // Of columns that share a name, one part may have more.
  const std::string& one = of_a != a.end() ? name(*of_a) : name(*of_b);
  const std::string& other = of_b != b.end() ? name(*of_b) : name(*of_a);
  return DataError(Quoted(std::min(one, other)) +
                   " is not in the same place in all parts. Give all parts their columns in the "
                   "same order, or name the features.");
}

Result<FeatureSurvey> MergeFeatures(const FeatureSurvey& a, const FeatureSurvey& b) {
  FeatureSurvey merged;
  RAMET_ASSIGN(merged.column, MergeColumns(a.column, b.column));
  if (!a.any_kind && !b.any_kind && a.kind != b.kind)
    return DataError(Quoted(a.column.name) +
                     " is categorical in one part and numeric in another. Convert it to one type, "
                     "or declare it categorical or numeric.");
  merged.kind = a.any_kind ? b.kind : a.kind;
  merged.any_kind = a.any_kind && b.any_kind;
  merged.counts =
      MergeSorted(a.counts, b.counts, [](uint64_t& into, uint64_t from) { into += from; });
  if (merged.counts.size() > kMaxCategoriesPerColumn) return TooManyCategories(a.column.name);
  return merged;
}

}  // namespace

Status CheckReadable(const Schema& schema, const Roles& roles) {
  for (size_t i = 0; i < roles.features.size(); ++i) {
    const Field& field = schema.fields[roles.features[i]];
    if (roles.kinds[i] == FeatureKind::kNumeric && !IsNumeric(field.type))
      return DataError(Quoted(field.name) + " holds " + std::string(ValueTypeName(field.type)) +
                       "s and cannot be read as numbers. Read it as a category, or drop it.");
  }
  return {};
}

Result<std::vector<FeatureSurvey>> SurveyFeatures(const Context& context, const Table& table,
                                                  std::span<const size_t> columns,
                                                  std::span<const FeatureKind> kinds,
                                                  std::span<const float> weights) {
  std::vector<FeatureSurvey> features(columns.size());
  std::vector<size_t> categorical;
  for (size_t i = 0; i < columns.size(); ++i) {
    features[i].column = SurveyColumn(table.schema().fields[columns[i]]);
    features[i].kind = kinds[i];
    if (kinds[i] == FeatureKind::kCategorical) categorical.push_back(i);
  }
  std::vector<Status> statuses(categorical.size());
  RunOnThreads(context, [&] {
    ParallelFor(0, categorical.size(), 1, [&](size_t j, size_t) {
      const size_t i = categorical[j];
      Result<SortedCounts> counts = CountKeys(context, table, columns[i], weights);
      if (counts.ok())
        features[i].counts = *std::move(counts);
      else
        statuses[j] = counts.TakeError();
    });
  });
  if (context.Cancelled()) return CancelledError("stopped while counting categories");
  for (Status& status : statuses)
    if (!status.ok()) return status.TakeError();
  return features;
}

Result<Survey> SurveyRows(const Context& context, const Table& table, const DataSpec& spec,
                          const Roles& roles, const LabelledRows& rows) {
  const std::vector<Field>& fields = table.schema().fields;
  RAMET_RETURN_IF_ERROR(CheckReadable(table.schema(), roles));
  Survey survey;
  survey.spec = spec;
  survey.label = SurveyColumn(fields[roles.label]);
  if (roles.weight) survey.weight = SurveyColumn(fields[*roles.weight]);
  RAMET_ASSIGN(const std::vector<float> counted, CountedWeights(spec, rows));
  SurveyWeights(rows, counted, survey);
  RAMET_ASSIGN(survey.features,
               SurveyFeatures(context, table, roles.features, roles.kinds, counted));
  for (size_t i = 0; i < roles.features.size(); ++i) {
    const Field& field = fields[roles.features[i]];
    const auto among = [&](const std::vector<std::string>& names) {
      return std::find(names.begin(), names.end(), field.name) != names.end();
    };
    survey.features[i].any_kind = field.type == ValueType::kNull && !field.dictionary &&
                                  !among(spec.categorical) && !among(spec.numeric);
  }
  return survey;
}

Result<Survey> TakeSurvey(const Context& context, const Table& table, const DataSpec& spec) {
  RAMET_ASSIGN(const Roles roles, FindRoles(table.schema(), spec));
  RAMET_ASSIGN(const LabelledRows rows, ReadLabels(context, table, roles, spec, nullptr));
  return SurveyRows(context, table, spec, roles, rows);
}

Result<Survey> Merge(const Survey& a, const Survey& b) {
  if (!(a.spec == b.spec) || a.weight.has_value() != b.weight.has_value())
    return InvalidArgument(
        "these surveys were taken with different settings. Take them all alike.");
  RAMET_RETURN_IF_ERROR(CheckSameFeatures(a.features, b.features));
  Survey merged;
  merged.spec = a.spec;
  RAMET_ASSIGN(merged.label, MergeColumns(a.label, b.label));
  if (a.weight) {
    RAMET_ASSIGN(merged.weight, MergeColumns(*a.weight, *b.weight));
  }
  for (size_t i = 0; i < a.features.size(); ++i) {
    RAMET_ASSIGN(FeatureSurvey feature, MergeFeatures(a.features[i], b.features[i]));
    merged.features.push_back(std::move(feature));
  }
  merged.rows = a.rows;
  Add(merged.rows, b.rows);
  merged.classes = MergeSorted(a.classes, b.classes,
                               [](WeightFacts& into, const WeightFacts& from) { Add(into, from); });
  if (merged.classes.size() > kMaxClasses)
    return DataError(Quoted(merged.label.name) + " has more than " + std::to_string(kMaxClasses) +
                     " classes. Is it a number to predict? Then train a regression (--task "
                     "regression, HistGradientBoostingRegressor).");
  return merged;
}

DataSpec SettledSpec(const Survey& survey) {
  DataSpec spec = survey.spec;
  spec.features.clear();
  spec.categorical.clear();
  spec.numeric.clear();
  for (const FeatureSurvey& feature : survey.features) {
    spec.features.push_back(feature.column.name);
    (feature.kind == FeatureKind::kCategorical ? spec.categorical : spec.numeric)
        .push_back(feature.column.name);
  }
  return spec;
}

}  // namespace ramet
