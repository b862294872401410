#include "cli/train_summary.h"

#include <sys/resource.h>

#include <nlohmann/json.hpp>

#include "cli/output.h"
#include "cli/text.h"

namespace ramet {
namespace {

size_t PeakMemoryBytes() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<size_t>(usage.ru_maxrss) * 1024;
}

nlohmann::ordered_json StepsJson(const StepTimes& steps) {
  return {{"quantise", steps.quantise},   {"partition", steps.partition},
          {"histogram", steps.histogram}, {"split", steps.split},
          {"leaves", steps.leaves},       {"scores", steps.scores},
          {"metric", steps.metric}};
}

}  // namespace

std::string SummaryJson(const TrainSummary& summary) {
  const TrainResult& result = summary.result;
  nlohmann::ordered_json json = {
      {"rows", summary.num_rows},
      {"features", summary.num_features},
      {"rounds", result.model.num_rounds()},
      {"loss", result.model.loss},
      {"digest", Digest(result.model)},
      {"model", summary.path},
      {"seconds",
       {{"read", summary.seconds.read},
        {"bin", summary.seconds.bin},
        {"train", result.seconds},
        {"steps", StepsJson(result.steps)}}},
      {"rows_per_second", summary.RowsPerSecond()},
      {"validation", nullptr},
      {"peak_memory_bytes", PeakMemoryBytes()},
  };
  if (result.validates)
    json["validation"] = {{"metric", result.curves[0].metric},
                          {"value", result.curves[0].values[result.best_round]},
                          {"best_round", result.best_round},
                          {"stopped_early", result.stopped_early},
                          {"history", result.curves[0].values}};
  return json.dump() + "\n";
}

std::string SummaryText(const TrainSummary& summary) {
  const TrainResult& result = summary.result;
  std::string text =
      Count(summary.num_rows, "row") + ", " + Count(summary.num_features, "feature") + ", " +
      Count(result.model.num_rounds(), "round") + ", loss " + result.model.loss + "\n";
  text += "read " + Duration(summary.seconds.read) + ", bin " + Duration(summary.seconds.bin) +
          ", train " + Duration(result.seconds) + "; " +
          Thousands(static_cast<uint64_t>(summary.RowsPerSecond())) +
          " rows x rounds per second; peak memory " +
          Bytes(static_cast<double>(PeakMemoryBytes())) + "\n";
  if (result.validates)
    text += "validation " + result.curves[0].metric + " " +
            Significant(result.curves[0].values[result.best_round]) + " after round " +
            Thousands(result.best_round) + (result.stopped_early ? "; stopped early" : "") + "\n";
  return text + "digest " + Digest(result.model) + "\nwritten to " + summary.path + "\n";
}

}  // namespace ramet
