#include "ramet/bins/dataset.h"

#include <algorithm>

#include "ramet/bins/class_weight.h"
#include "ramet/bins/find.h"
#include "ramet/bins/survey.h"

namespace ramet {
namespace {

Status CheckNumRows(const Table& table) {
  if (table.num_rows() == 0) return DataError("the table has no rows.");
  if (table.num_rows() > kMaxRows)
    return DataError("the table has " + std::to_string(table.num_rows()) +
                     " rows; one process handles up to " + std::to_string(kMaxRows) + ".");
  return {};
}

// As StartBinning's, for rows whose weights are final.
Status CheckSomeWeight(const Roles& roles, const DataSpec& spec, const LabelledRows& rows,
                       const Binning& binning) {
  if (rows.weights.empty() || std::any_of(rows.weights.begin(), rows.weights.end(),
                                          [](float weight) { return weight > 0; }))
    return {};
  if (binning.class_factors.empty() && roles.weight)
    return DataError(Quoted(spec.weight) +
                     ": all weights are zero, so there is nothing to learn from.");
  return DataError(
      "all rows weigh zero by class_weight and their own weights, so there is nothing to learn "
      "from.");
}

}  // namespace

Result<Dataset> MakeDataset(const Context& context, Table table, const DataSpec& spec,
                            const BinningParameters& parameters, const Binning* reference,
                            const BeforeBinning& before_binning) {
  RAMET_RETURN_IF_ERROR(CheckNumRows(table));
  DataSpec full_spec = spec;
  if (reference != nullptr) full_spec.features = reference->feature_names;
  RAMET_ASSIGN(const Roles roles, FindRoles(table.schema(), full_spec));
  RAMET_ASSIGN(LabelledRows rows, ReadLabels(context, table, roles, full_spec,
                                             reference == nullptr ? nullptr : &reference->classes));
  Dataset dataset;
  Binning& binning = dataset;
  std::optional<Survey> survey;
  if (reference != nullptr) {
    binning = *reference;
  } else {
    RAMET_ASSIGN(survey, SurveyRows(context, table, full_spec, roles, rows));
    RAMET_ASSIGN(binning, StartBinning(*survey));
  }
  RAMET_RETURN_IF_ERROR(MultiplyByClass(binning.class_factors, rows.labels, rows.weights));
  RAMET_RETURN_IF_ERROR(CheckSomeWeight(roles, spec, rows, binning));
  if (survey) {
    RAMET_ASSIGN(binning.mapper, FindBinsOfWhole(context, table, roles.features, survey->features,
                                                 rows.weights, survey->rows.counted, parameters));
    survey.reset();
  }
  dataset.num_rows = table.num_rows();
  dataset.ids = RowIds(dataset.num_rows);
  dataset.labels = std::move(rows.labels);
  dataset.weights = std::move(rows.weights);
  dataset.weighted = !dataset.weights.empty();
  if (before_binning) RAMET_RETURN_IF_ERROR(before_binning(table, dataset));
  RAMET_ASSIGN(dataset.bins,
               ApplyBins(context, dataset.mapper, table, roles.features, /*release=*/true));
  return dataset;
}

}  // namespace ramet
