// A program of its own that trains a model: columns in memory ─► table ─► data set ─► model ─► file
// ─► predictions.
//
// The data are made up: the height of a tide in metres, from the hour of the day, the moon's age
// and the wind. It prints the model's digest, which is the same on every machine.

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ramet/boost/boost.h"
#include "ramet/predict/predict.h"

namespace {

using Columns = std::vector<std::pair<std::string, std::vector<double>>>;

// What an Arrow array of ours points to; it lives until the consumer calls `release`.
struct Exported {
  Columns columns;
  std::vector<const void*> buffers;  // two a column: no validity bitmap, then the values
  std::vector<ArrowArray> children;
  std::vector<ArrowArray*> pointers;
  const void* no_validity = nullptr;
};

void ReleaseChild(ArrowArray* child) { child->release = nullptr; }

void ReleaseExported(ArrowArray* array) {
  delete static_cast<Exported*>(array->private_data);
  array->release = nullptr;
}

// Columns of numbers as an Arrow struct array: the way into Ramet from any program, without a copy.
ArrowArray Export(Columns columns) {
  auto* exported = new Exported;
  exported->columns = std::move(columns);
  const size_t count = exported->columns.size();
  const auto rows = static_cast<int64_t>(exported->columns[0].second.size());
  exported->buffers.resize(2 * count);
  exported->children.resize(count);
  for (size_t i = 0; i < count; ++i) {
    exported->buffers[2 * i + 1] = exported->columns[i].second.data();
    ArrowArray& child = exported->children[i];
    child = {};
    child.length = rows;
    child.n_buffers = 2;
    child.buffers = &exported->buffers[2 * i];
    child.release = &ReleaseChild;
    exported->pointers.push_back(&child);
  }
  ArrowArray array = {};
  array.length = rows;
  array.n_buffers = 1;
  array.buffers = &exported->no_validity;
  array.n_children = static_cast<int64_t>(count);
  array.children = exported->pointers.data();
  array.release = &ReleaseExported;
  array.private_data = exported;
  return array;
}

ramet::Result<ramet::Table> ToTable(Columns columns) {
  auto schema = std::make_shared<ramet::Schema>();
  for (const auto& [name, values] : columns) {
    ramet::Field& field = schema->fields.emplace_back();
    field.name = name;
    field.type = ramet::ValueType::kFloat64;
    field.format = "g";  // Arrow's name of float64
  }
  ArrowArray array = Export(std::move(columns));
  RAMET_ASSIGN(ramet::Chunk chunk, ramet::Chunk::Import(schema, &array));
  std::vector<ramet::Chunk> chunks;
  chunks.push_back(std::move(chunk));
  return ramet::Table(schema, std::move(chunks));
}

// Whole and half numbers, and no function of a library: the same bits everywhere.
Columns Tides(int rows) {
  std::vector<double> hour, moon, wind, height;
  for (int i = 0; i < rows; ++i) {
    hour.push_back(i % 24);
    moon.push_back(i * 7 % 59 * 0.5);
    wind.push_back(i * 37 % 31);
    const double from_high_water =
        std::fabs(std::fmod(hour.back() + moon.back() * 0.75, 12.5) - 6.25);
    height.push_back(4 - 0.5 * from_high_water + 0.0625 * wind.back());
  }
  return {{"hour", hour}, {"moon_age", moon}, {"wind", wind}, {"height", height}};
}

ramet::Status Run(const std::string& path) {
  RAMET_ASSIGN(const ramet::Context context, ramet::Context::FromEnvironment());

  ramet::TrainParameters parameters;
  parameters.loss = "squared_error";
  parameters.max_iter = 200;
  ramet::DataSpec spec;
  spec.label = "height";
  RAMET_ASSIGN(ramet::Table table, ToTable(Tides(5000)));
  RAMET_ASSIGN(const ramet::Dataset data,
               ramet::MakeDataset(context, std::move(table), spec, ramet::BinningOf(parameters)));
  RAMET_ASSIGN(const ramet::TrainResult result, ramet::Train(context, parameters, data));
  RAMET_RETURN_IF_ERROR(ramet::SaveModel(result.model, path));

  RAMET_ASSIGN(const ramet::Model model, ramet::LoadModel(path));
  Columns columns = Tides(5000);
  const std::vector<double> truth = columns.back().second;
  RAMET_ASSIGN(const ramet::Table again, ToTable(std::move(columns)));
  const ramet::Predictor predictor(model);
  RAMET_ASSIGN(const ramet::Buffer<double> predicted, predictor.RawScores(context, again));

  double sum = 0;
  for (size_t i = 0; i < truth.size(); ++i)
    sum += (predicted[i] - truth[i]) * (predicted[i] - truth[i]);
  std::printf("%zu rounds on %zu rows, root mean square error %.4f m\n", model.num_rounds(),
              data.num_rows, std::sqrt(sum / static_cast<double>(truth.size())));
  std::printf("digest %s\n", ramet::Digest(model).c_str());
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  const ramet::Status status = Run(argc > 1 ? argv[1] : "tide.ramet");
  if (status.ok()) return 0;
  std::fprintf(stderr, "tide: %s\n", status.error().message.c_str());
  return 1;
}
