// Surveys step by step: for a table whose labels are read already.
//
// Private to this folder.
#pragma once

#include <span>

#include "ramet/bins/labels.h"
#include "ramet/bins/parts.h"

namespace ramet {

// Counts the categories of some columns, on all threads. Rows of weight zero count nowhere;
// `weights` has one entry per row or is empty.
Result<std::vector<FeatureSurvey>> SurveyFeatures(const Context& context, const Table& table,
                                                  std::span<const size_t> columns,
                                                  std::span<const FeatureKind> kinds,
                                                  std::span<const float> weights);

Result<Survey> SurveyRows(const Context& context, const Table& table, const DataSpec& spec,
                          const Roles& roles, const LabelledRows& rows);

// How a survey's table is to be read: its features are settled.
DataSpec SettledSpec(const Survey& survey);

// An error if a numeric feature's column holds strings.
Status CheckReadable(const Schema& schema, const Roles& roles);

}  // namespace ramet
