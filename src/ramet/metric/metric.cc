#include "ramet/metric/metric.h"

#include <array>

#include "ramet/metric/metrics.h"

namespace ramet {
namespace {

constexpr std::array<Metric, 10> kMetrics = {{
    {.name = "logloss", .higher_is_better = false, .classification = true, .compute = LogLoss},
    {.name = "auc", .higher_is_better = true, .classification = true, .compute = Auc},
    {.name = "accuracy", .higher_is_better = true, .classification = true, .compute = Accuracy},
    {.name = "average_precision",
     .higher_is_better = true,
     .classification = true,
     .compute = AveragePrecision},
    {.name = "rmse",
     .higher_is_better = false,
     .classification = false,
     .compute = RootMeanSquaredError},
    {.name = "mae",
     .higher_is_better = false,
     .classification = false,
     .compute = MeanAbsoluteError},
    {.name = "r2", .higher_is_better = true, .classification = false, .compute = R2},
    {.name = "mean_pinball_loss",
     .higher_is_better = false,
     .classification = false,
     .compute = MeanPinballLoss},
    {.name = "mean_poisson_deviance",
     .higher_is_better = false,
     .classification = false,
     .compute = MeanPoissonDeviance},
    {.name = "mean_gamma_deviance",
     .higher_is_better = false,
     .classification = false,
     .compute = MeanGammaDeviance},
}};

}  // namespace

std::span<const Metric> AllMetrics() { return kMetrics; }

Result<const Metric*> FindMetric(std::string_view name) {
  std::string names;
  for (const Metric& metric : kMetrics) {
    if (metric.name == name) return &metric;
    names += (names.empty() ? "" : ", ") + std::string(metric.name);
  }
  return InvalidArgument("metric \"" + std::string(name) + "\" is not known. Use one of: " + names +
                         ".");
}

}  // namespace ramet
