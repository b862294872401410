// ramet digest: are two models, or two inputs, the same?
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/fingerprint.h"
#include "cli/input.h"
#include "cli/options.h"
#include "cli/text.h"
#include "cli/verbs.h"
#include "ramet/model/model.h"

namespace ramet {
namespace {

constexpr const char* kHelp =
    "Example\n"
    "  ramet digest here.ramet there.ramet --same\n"
    "  ramet digest --data flights/*.parquet --columns\n"
    "\n"
    "Prints the digest of models (SHA-256 of the body: trees, parameters, classes; not the "
    "columns'\n"
    "names), or a fingerprint of the rows that files hold, in order, however they are cut or "
    "stored.";

constexpr size_t kRowsPerBatch = size_t{1} << 16;

struct DigestFlags {
  std::vector<std::string> paths, features, drop;
  bool file = false, same = false, data = false, columns = false;
  ReaderFlags reader;
  RunFlags run;
};

using Lines = std::vector<std::pair<std::string, std::string>>;  // digest, name

Result<Lines> ModelDigests(const DigestFlags& flags) {
  Lines lines;
  for (const std::string& path : flags.paths) {
    if (flags.file) {
      RAMET_ASSIGN(const std::string bytes, ReadWholeFile(path));
      lines.emplace_back(Sha256Hex(bytes), path);
    } else {
      RAMET_ASSIGN(const Model model, LoadModel(path));
      lines.emplace_back(Digest(model), path);
    }
  }
  return lines;
}

Result<Lines> DataDigests(const DigestFlags& flags, const Session& session) {
  RAMET_ASSIGN(const Context context, flags.run.ToContext(session.console));
  RAMET_ASSIGN(ReadOptions read, flags.reader.ToReadOptions());
  RAMET_RETURN_IF_ERROR(RequireDistinct(flags.features, "--features"));
  read.columns = flags.features;
  read.drop = flags.drop;
  RAMET_ASSIGN(Input input, Input::Open(context, session.source, flags.paths, read));
  Fingerprint fingerprint(input.schema());
  for (;;) {
    RAMET_ASSIGN(const std::optional<Table> table, input.Next(kRowsPerBatch));
    if (!table) break;
    for (size_t c = 0; c < table->num_chunks(); ++c)
      if (Status status = fingerprint.Add(context, table->chunk(c)); !status.ok())
        return input.Named(status.TakeError());
  }
  const std::vector<std::string> columns = fingerprint.Columns();
  Lines lines = {{fingerprint.Table(columns), input.name() + " (" +
                                                  Count(fingerprint.num_rows(), "row") + ", " +
                                                  Count(columns.size(), "column") + ")"}};
  if (flags.columns)
    for (size_t i = 0; i < columns.size(); ++i)
      lines.emplace_back(columns[i], input.schema().fields[i].name);
  return lines;
}

Status RunDigest(const DigestFlags& flags, const Session& session) {
  if (flags.data && (flags.file || flags.same))
    return InvalidArgument(
        "--data reads all files as one table; --file and --same are for models.");
  if (flags.columns && !flags.data)
    return InvalidArgument("--columns goes with --data. Add it, or leave --columns out.");
  RAMET_ASSIGN(const Lines lines, flags.data ? DataDigests(flags, session) : ModelDigests(flags));
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const auto& [digest, name] : lines) {
    json.push_back({{"digest", digest}, {"name", name}});
    if (!flags.run.json) session.console.out << digest << "  " << name << "\n";
  }
  if (flags.run.json) session.console.out << json.dump() << "\n";
  const auto differs = [&](const auto& line) { return line.first != lines[0].first; };
  if (const auto other = std::find_if(lines.begin(), lines.end(), differs);
      flags.same && other != lines.end())
    return DataError(lines[0].second + " and " + other->second +
                     " differ. `ramet inspect` shows their parameters, `ramet digest --data` "
                     "compares their inputs.");
  return {};
}

}  // namespace

void AddDigest(CLI::App& app, Session& session) {
  CLI::App* verb = app.add_subcommand("digest", "Print what tells models or inputs apart");
  verb->footer(kHelp);
  auto flags = std::make_shared<DigestFlags>();
  verb->add_option("FILES", flags->paths, "Models, or with --data tables")->required();
  verb->add_flag("--same", flags->same, "Exit with 1 if the digests differ");
  verb->add_flag("--file", flags->file, "Of all bytes of the files, names and provenance too");
  verb->add_flag("--data", flags->data, "Of the rows that the files hold together");
  verb->add_flag("--columns", flags->columns, "With --data: of each column too");
  AddNames(*verb, "--features", flags->features, "With --data: these columns only");
  AddNames(*verb, "--drop", flags->drop, "With --data: leave these columns out");
  flags->reader.AddTo(*verb);
  flags->run.AddTo(*verb);
  verb->callback([flags, &session] {
    session.run = [flags, &session] { return RunDigest(*flags, session); };
  });
}

}  // namespace ramet
