// ramet predict: a model and tables in, one row of CSV out per row in.
//
//   files ─► batches of rows ─► scores ─► text on all threads ─► file or standard output
//
// Works batch by batch, so that its memory does not grow with the table.
#include "ramet/predict/predict.h"

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/input.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/text.h"
#include "cli/verbs.h"
#include "ramet/loss/loss.h"

namespace ramet {
namespace {

constexpr const char* kHelp =
    "Example\n"
    "  ramet predict late.ramet tomorrow.parquet --out predictions.csv\n"
    "\n"
    "Writes one row of CSV per row of the files, in order. By default: the class and each class's\n"
    "probability (classification), or the value (regression).";

constexpr size_t kRowsPerBatch = size_t{1} << 18;

enum class What { kResponse, kRaw, kProbability, kClass, kLeaf };

struct PredictFlags {
  std::string model;
  std::vector<std::string> files;
  std::string out;
  bool raw = false, probability = false, classes = false, leaf = false;
  size_t rounds = 0;
  ReaderFlags reader;
  RunFlags run;

  What what() const {
    return raw           ? What::kRaw
           : probability ? What::kProbability
           : classes     ? What::kClass
           : leaf        ? What::kLeaf
                         : What::kResponse;
  }
};

struct Seconds {
  double read = 0, predict = 0, write = 0;
};

// The predictions of one batch, and how a row of them is written. Columns point into the buffers,
// whose memory stays where it is when the batch moves.
struct Batch {
  Buffer<double> raw_scores, response;
  Buffer<int32_t> leaves;
  std::vector<uint32_t> classes;
  std::vector<CsvColumn> columns;
};

template <class T>
void AddNumberColumns(const Buffer<T>& values, size_t width, std::vector<CsvColumn>& columns) {
  for (size_t k = 0; k < width; ++k)
    columns.push_back([data = values.data(), width, k](size_t row, std::string& text) {
      if constexpr (std::is_same_v<T, double>)
        AppendNumber(data[row * width + k], text);
      else
        text += std::to_string(data[row * width + k]);
    });
}

class BatchPredictor {
 public:
  BatchPredictor(const Context& context, const Model& model, What what, size_t rounds)
      : context_(context), model_(model), predictor_(model), what_(what), rounds_(rounds) {
    for (const CategoryKey& key : model.classes) class_names_.push_back(CsvField(ToString(key)));
  }

  const Predictor& predictor() const { return predictor_; }

  std::string Header() const {
    std::vector<std::string> names;
    if (what_ == What::kClass || (what_ == What::kResponse && !model_.classes.empty()))
      names.push_back("class");
    if (what_ == What::kProbability || (what_ == What::kResponse && !model_.classes.empty()))
      for (const CategoryKey& key : model_.classes)
        names.push_back(CsvField("probability_" + ToString(key)));
    if (what_ == What::kResponse && model_.classes.empty()) names.push_back("value");
    if (what_ == What::kRaw)
      for (size_t k = 0; k < model_.num_outputs(); ++k)
        names.push_back(model_.num_outputs() == 1 ? "raw"
                                                  : CsvField("raw_" + ToString(model_.classes[k])));
    if (what_ == What::kLeaf)
      for (size_t k = 0; k < predictor_.num_trees(); ++k)
        names.push_back("leaf_" + std::to_string(k));
    return Join(names, ",") + "\n";
  }

  Result<Batch> Predict(const Table& table) const {
    Batch batch;
    if (what_ == What::kLeaf) {
      RAMET_ASSIGN(batch.leaves, predictor_.Leaves(context_, table));
      AddNumberColumns(batch.leaves, predictor_.num_trees(), batch.columns);
      return batch;
    }
    RAMET_ASSIGN(batch.raw_scores, predictor_.RawScores(context_, table, rounds_));
    if (what_ == What::kRaw) {
      AddNumberColumns(batch.raw_scores, model_.num_outputs(), batch.columns);
      return batch;
    }
    if (!model_.classes.empty() && what_ != What::kProbability) {
      batch.classes = PredictedClasses(model_, batch.raw_scores);
      batch.columns.push_back(
          [this, classes = batch.classes.data()](size_t row, std::string& text) {
            text += class_names_[classes[row]];
          });
    }
    if (what_ != What::kClass) {
      batch.response = Response(context_, model_, batch.raw_scores);
      AddNumberColumns(batch.response, std::max<size_t>(1, model_.classes.size()), batch.columns);
    }
    return batch;
  }

 private:
  const Context& context_;
  const Model& model_;
  Predictor predictor_;
  What what_;
  size_t rounds_;
  std::vector<std::string> class_names_;
};

Status CheckFlags(const PredictFlags& flags, const Model& model) {
  const int chosen = flags.raw + flags.probability + flags.classes + flags.leaf;
  if (chosen > 1)
    return InvalidArgument("--raw, --proba, --class and --leaf exclude each other. Choose one.");
  if (model.classes.empty() && (flags.probability || flags.classes))
    return InvalidArgument(flags.model + ": a model of numbers (loss " + model.loss +
                           ") has no classes. Leave out --proba and --class.");
  if (flags.rounds > model.num_rounds())
    return InvalidArgument("--rounds " + std::to_string(flags.rounds) + ": " + flags.model +
                           " has " + Count(model.num_rounds(), "round") + ". Use at most that.");
  if (flags.leaf && flags.rounds != 0)
    return InvalidArgument("--rounds does not go with --leaf. Leave it out.");
  if (flags.out.ends_with(".parquet"))
    return InvalidArgument("--out " + flags.out +
                           ": predictions are written as CSV. Choose a name that ends in .csv.");
  if (flags.run.json && flags.out.empty())
    return InvalidArgument(
        "--json needs --out: predictions and JSON would both go to standard output.");
  return {};
}

// Predicts and writes all batches; returns the number of rows.
Result<size_t> PredictAll(const Context& context, const BatchPredictor& batches, Input& input,
                          const TextSink& sink, Seconds& seconds) {
  RAMET_RETURN_IF_ERROR(sink(batches.Header()));
  size_t rows = 0;
  for (;;) {
    RAMET_ASSIGN(const std::optional<Table> table, input.Next(kRowsPerBatch));
    if (!table) break;
    const Stopwatch predicting;
    auto batch = batches.Predict(*table);
    if (!batch.ok()) return input.Named(batch.TakeError());
    seconds.predict += predicting.Seconds();
    const Stopwatch writing;
    RAMET_RETURN_IF_ERROR(WriteCsvRows(context, table->num_rows(), batch->columns, sink));
    seconds.write += writing.Seconds();
    rows += table->num_rows();
    if (context.Cancelled()) return CancelledError("stopped; no predictions were written.");
  }
  seconds.read += input.seconds();
  return rows;
}

Status RunPredict(const PredictFlags& flags, const Session& session) {
  RAMET_ASSIGN(const Context context, flags.run.ToContext(session.console));
  RAMET_ASSIGN(ReadOptions read, flags.reader.ToReadOptions());
  RAMET_ASSIGN(const Model model, LoadModel(flags.model));
  RAMET_RETURN_IF_ERROR(CheckFlags(flags, model));
  std::optional<AtomicFile> file;
  if (!flags.out.empty()) {
    RAMET_RETURN_IF_ERROR(CheckWritable(flags.out, "--out"));
    RAMET_ASSIGN(file, AtomicFile::Create(flags.out));
  }
  Progress progress(session.console, flags.run.quiet || flags.out.empty());
  progress.Stage("predicting with " + Count(model.num_rounds(), "round"));
  read.columns = model.feature_names;
  RAMET_ASSIGN(Input input,
               OpenWithText(context, session.source, flags.files, read, TextFeatures(model)));
  const BatchPredictor batches(context, model, flags.what(), flags.rounds);
  if (const auto columns = batches.predictor().MatchColumns(input.schema()); !columns.ok())
    return input.Named(columns.error());
  const TextSink sink = [&](std::string_view text) -> Status {
    if (file) return file->Write(text);
    session.console.out << text;
    return {};
  };
  Seconds seconds;
  RAMET_ASSIGN(const size_t rows, PredictAll(context, batches, input, sink, seconds));
  if (file) RAMET_RETURN_IF_ERROR(file->Commit());
  progress.EndLine();
  if (flags.run.json) {
    const nlohmann::ordered_json json = {
        {"rows", rows},
        {"out", flags.out},
        {"digest", Digest(model)},
        {"seconds",
         {{"read", seconds.read}, {"predict", seconds.predict}, {"write", seconds.write}}}};
    session.console.out << json.dump() << "\n";
  } else if (file && !flags.run.quiet) {
    session.console.out << Count(rows, "row") << " predicted: read " << Duration(seconds.read)
                        << ", predict " << Duration(seconds.predict) << ", write "
                        << Duration(seconds.write) << "\nwritten to " << flags.out << "\n";
  }
  return {};
}

}  // namespace

void AddPredict(CLI::App& app, Session& session) {
  CLI::App* verb = app.add_subcommand("predict", "Predict the rows of tables");
  verb->footer(kHelp);
  auto flags = std::make_shared<PredictFlags>();
  verb->add_option("MODEL", flags->model, "A model's file")->required();
  verb->add_option("FILES", flags->files, "Parquet, CSV or Feather files, globs or folders")
      ->required();
  verb->add_option("--out,-o", flags->out, "A CSV file; left out, standard output")
      ->type_name("FILE");
  const std::string group = "What to write";
  verb->add_flag("--raw", flags->raw, "Sums of leaves, before the link function")->group(group);
  verb->add_flag("--proba", flags->probability, "Probabilities only")->group(group);
  verb->add_flag("--class", flags->classes, "The most probable class only")->group(group);
  verb->add_flag("--leaf", flags->leaf, "Each tree's leaf")->group(group);
  verb->add_option("--rounds", flags->rounds, "Use the first N rounds only")
      ->type_name("N")
      ->group(group);
  flags->reader.AddTo(*verb);
  flags->run.AddTo(*verb);
  verb->callback([flags, &session] {
    session.run = [flags, &session] { return RunPredict(*flags, session); };
  });
}

}  // namespace ramet
