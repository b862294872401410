// A data set in parts: Survey, Sample, Binning, Part. All pickle; the large arrays of Sample and
// Part out of band, where protocol 5 is spoken.
#include "parts.h"

#include <cstdio>

#include "gil.h"
#include "interrupt.h"
#include "ramet/boost/boost.h"
#include "ramet/predict/predict.h"

namespace ramet::bindings {
namespace {

std::string_view View(const nb::bytes& bytes) { return {bytes.c_str(), bytes.size()}; }
nb::bytes ToBytes(std::string_view bytes) { return nb::bytes(bytes.data(), bytes.size()); }

// The result of work that may be stopped, shared.
template <class Work>
auto Run(const Context& context, Work&& work) {
  Interruptible run(context);
  auto result = run.Wait(work);
  run.RaiseIfStopped();
  using T = std::decay_t<decltype(*result)>;
  return std::make_shared<const T>(ValueOrRaise(std::move(result)));
}

// --- pickling

// An array as pickle takes it: the memory of `owner` out of band, or a copy.
nb::object Outside(Bytes array, nb::handle owner, int protocol) {
  if (array.empty()) return nb::bytes("", 0);
  const char* const data = reinterpret_cast<const char*>(array.data());
  if (protocol < 5) return nb::bytes(data, array.size());
  const nb::object view = nb::cast(nb::ndarray<nb::numpy, const uint8_t>(
      reinterpret_cast<const uint8_t*>(data), {array.size()}, owner));
  return nb::module_::import_("pickle").attr("PickleBuffer")(view);
}

// Bytes-like objects of one dimension, kept alive.
std::vector<Shared<std::byte>> Inside(const nb::list& arrays) {
  std::vector<Shared<std::byte>> shared;
  for (nb::handle array : arrays) {
    const ArrayView view = ArrayView::Of(array, "an array of a pickle");
    const bool bytes = view.ndim() == 1 && view.type() == ValueType::kUInt8 &&
                       (view.shape(0) <= 1 || view.stride(0) == 1);
    if (!bytes) Raise(PyExc_TypeError, "an array of a pickle is not contiguous bytes.");
    shared.emplace_back(std::span<const std::byte>(view.data(), view.shape(0)), view.owner());
  }
  return shared;
}

nb::tuple Reduce(nb::handle self, std::string_view header, std::span<const Bytes> arrays,
                 int protocol) {
  nb::list outside;
  for (const Bytes array : arrays) outside.append(Outside(array, self, protocol));
  return nb::make_tuple(nb::module_::import_("copyreg").attr("__newobj__"),
                        nb::make_tuple(self.type()), nb::make_tuple(ToBytes(header), outside));
}

template <class T>
T WithoutGil(const std::function<Result<T>()>& work) {
  std::optional<Result<T>> result;
  {
    const ReleaseGil without_gil;
    result.emplace(work());
  }
  return ValueOrRaise(*std::move(result));
}

// --- merging

std::shared_ptr<const Survey> MergeSurveys(const std::vector<nb::object>& objects) {
  if (objects.empty()) Raise(PyExc_ValueError, "there are no surveys to merge.");
  std::vector<std::shared_ptr<const Survey>> surveys;
  for (const nb::object& object : objects)
    surveys.push_back(nb::cast<const PySurvey&>(object).survey);
  return WithoutGil<std::shared_ptr<const Survey>>([&]() -> Result<std::shared_ptr<const Survey>> {
    // Neighbours in pairs, so that no survey is copied more often than it must.
    while (surveys.size() > 1) {
      for (size_t i = 0; i + 1 < surveys.size(); i += 2) {
        RAMET_ASSIGN(Survey merged, Merge(*surveys[i], *surveys[i + 1]));
        surveys[i / 2] = std::make_shared<const Survey>(std::move(merged));
      }
      if (surveys.size() % 2 == 1) surveys[surveys.size() / 2] = surveys.back();
      surveys.resize((surveys.size() + 1) / 2);
    }
    return surveys[0];
  });
}

std::shared_ptr<const Sample> MergeSamples(const std::vector<nb::object>& objects) {
  std::vector<std::shared_ptr<const Sample>> samples;
  std::vector<const Sample*> pointers;
  for (const nb::object& object : objects) {
    samples.push_back(nb::cast<const PySample&>(object).sample);
    pointers.push_back(samples.back().get());
  }
  return std::make_shared<const Sample>(WithoutGil<Sample>([&] { return Merge(pointers); }));
}

// --- steps

PySurvey SurveyOf(const Context& context, PyTable& table, DataSpec spec) {
  const Table& rows = table.Get();
  return {Run(context, [&](const Context& c) { return TakeSurvey(c, rows, spec); })};
}

PySample SampleOf(const Context& context, PyTable& table, const PySurvey& survey,
                  uint64_t first_row, const Texts& texts, bool everything) {
  const BinningParameters parameters = BinningOf(ToParameters(texts));
  const Table& rows = table.Get();
  return {Run(context, [&](const Context& c) {
    return TakeSample(c, rows, *survey.survey, first_row, parameters, everything);
  })};
}

PyBinning Find(const Context& context, const PySurvey& survey, const PySample& sample,
               const Texts& texts) {
  const BinningParameters parameters = BinningOf(ToParameters(texts));
  return {Run(context, [&](const Context& c) {
    return FindBinning(c, *survey.survey, *sample.sample, parameters);
  })};
}

PyPart Make(const Context& context, PyTable& table, const PyBinning& binning, uint64_t first_row,
            const std::string& label, const std::string& weight, const PyModel* initial_model) {
  Table taken = table.Take();
  return {Run(context, [&](const Context& c) {
    InitialScores scores;
    if (initial_model != nullptr)
      scores = [&](const Table& rows) {
        return Predictor(*initial_model->model).RawScores(c, rows);
      };
    return MakePart(c, std::move(taken), *binning.binning, label, weight, first_row, scores);
  })};
}

std::string Hex(const std::array<uint64_t, 2>& fingerprint) {
  char digits[33];
  std::snprintf(digits, sizeof digits, "%016llx%016llx",
                static_cast<unsigned long long>(fingerprint[0]),
                static_cast<unsigned long long>(fingerprint[1]));
  return digits;
}

size_t SizeOf(const Sample& sample) {
  return sample.values.size() * sizeof(double) + sample.num_rows() * 2 * sizeof(uint64_t) +
         sample.weights.size() * sizeof(float);
}

void AddSurvey(nb::module_& module) {
  nb::class_<PySurvey>(module, "Survey")
      .def_static(
          "of",
          [](const Context& context, PyTable& table, const std::string& label,
             const std::string& weight, const std::vector<std::string>& features,
             const std::vector<std::string>& categorical, const std::vector<std::string>& numeric,
             bool classification, const std::string& class_weight) {
            return SurveyOf(
                context, table,
                {label, weight, features, categorical, numeric, classification, class_weight});
          },
          nb::arg("context"), nb::arg("table"), nb::kw_only(), nb::arg("label"),
          nb::arg("weight") = "", nb::arg("features") = std::vector<std::string>(),
          nb::arg("categorical") = std::vector<std::string>(),
          nb::arg("numeric") = std::vector<std::string>(), nb::arg("classification"),
          nb::arg("class_weight") = "")
      .def_static(
          "merge",
          [](const std::vector<nb::object>& surveys) { return PySurvey{MergeSurveys(surveys)}; },
          nb::arg("surveys"))
      .def_prop_ro("num_rows", [](const PySurvey& self) { return self.survey->rows.rows; })
      .def("__getstate__", [](const PySurvey& self) { return ToBytes(Serialize(*self.survey)); })
      .def("__setstate__", [](PySurvey& self, const nb::bytes& state) {
        Survey survey = ValueOrRaise(DeserializeSurvey(View(state)));
        new (&self) PySurvey{std::make_shared<const Survey>(std::move(survey))};
      });
}

void AddSample(nb::module_& module) {
  nb::class_<PySample>(module, "Sample")
      .def_static("of", &SampleOf, nb::arg("context"), nb::arg("table"), nb::arg("survey"),
                  nb::kw_only(), nb::arg("first_row"), nb::arg("parameters"),
                  nb::arg("everything") = false)
      .def_static(
          "merge",
          [](const std::vector<nb::object>& samples) { return PySample{MergeSamples(samples)}; },
          nb::arg("samples"))
      .def_prop_ro("num_rows", [](const PySample& self) { return self.sample->num_rows(); })
      .def_prop_ro("nbytes", [](const PySample& self) { return SizeOf(*self.sample); })
      .def_prop_ro("enough", [](const PySample& self) { return self.sample->enough(); })
      .def("__sizeof__", [](const PySample& self) { return SizeOf(*self.sample); })
      .def("__reduce_ex__",
           [](nb::handle self, int protocol) {
             const Sample& sample = *nb::cast<const PySample&>(self).sample;
             const Bytes arrays[] = {ArrayOf(sample)};
             return Reduce(self, Serialize(sample), arrays, protocol);
           })
      .def("__setstate__", [](PySample& self, const std::pair<nb::bytes, nb::list>& state) {
        const std::vector<Shared<std::byte>> arrays = Inside(state.second);
        if (arrays.size() != 1) Raise(PyExc_ValueError, "a sample has one array.");
        Sample sample = ValueOrRaise(DeserializeSample(View(state.first), arrays[0]));
        new (&self) PySample{std::make_shared<const Sample>(std::move(sample))};
      });
}

void AddBinning(nb::module_& module) {
  nb::class_<PyBinning>(module, "Binning")
      .def_static("find", &Find, nb::arg("context"), nb::arg("survey"), nb::arg("sample"),
                  nb::kw_only(), nb::arg("parameters"))
      .def_prop_ro("feature_names",
                   [](const PyBinning& self) { return self.binning->feature_names; })
      .def_prop_ro("feature_kinds",
                   [](const PyBinning& self) { return KindsOf(self.binning->mapper); })
      .def_prop_ro("classes", [](const PyBinning& self) { return ToPython(self.binning->classes); })
      .def_prop_ro("num_rows", [](const PyBinning& self) { return self.binning->training_rows; })
      .def_prop_ro("weighted", [](const PyBinning& self) { return self.binning->weighted; })
      .def("__getstate__", [](const PyBinning& self) { return ToBytes(Serialize(*self.binning)); })
      .def("__setstate__", [](PyBinning& self, const nb::bytes& state) {
        Binning binning = ValueOrRaise(DeserializeBinning(View(state)));
        new (&self) PyBinning{std::make_shared<const Binning>(std::move(binning))};
      });
}

void AddPart(nb::module_& module) {
  nb::class_<PyPart>(module, "Part")
      .def_static("make", &Make, nb::arg("context"), nb::arg("table"), nb::arg("binning"),
                  nb::kw_only(), nb::arg("first_row"), nb::arg("label"), nb::arg("weight") = "",
                  nb::arg("initial_model").none() = nb::none())
      .def_prop_ro("first_row", [](const PyPart& self) { return self.part->first_row; })
      .def_prop_ro("num_rows", [](const PyPart& self) { return self.part->num_rows; })
      .def_prop_ro("nbytes", [](const PyPart& self) { return self.part->num_bytes(); })
      .def_prop_ro("weighted", [](const PyPart& self) { return !self.part->weights.empty(); })
      .def_prop_ro("fingerprint", [](const PyPart& self) { return Hex(self.part->fingerprint); })
      .def("__sizeof__", [](const PyPart& self) { return self.part->num_bytes(); })
      .def("__reduce_ex__",
           [](nb::handle self, int protocol) {
             const Part& part = *nb::cast<const PyPart&>(self).part;
             return Reduce(self, Serialize(part), ArraysOf(part), protocol);
           })
      .def("__setstate__", [](PyPart& self, const std::pair<nb::bytes, nb::list>& state) {
        const std::vector<Shared<std::byte>> arrays = Inside(state.second);
        Part part = WithoutGil<Part>([&] { return DeserializePart(View(state.first), arrays); });
        new (&self) PyPart{std::make_shared<const Part>(std::move(part))};
      });
}

}  // namespace

nb::list KindsOf(const BinMapper& mapper) {
  nb::list kinds;
  for (const FeatureBins& feature : mapper.features)
    kinds.append(feature.kind == FeatureKind::kCategorical ? "categorical" : "numeric");
  return kinds;
}

void AddParts(nb::module_& module) {
  AddSurvey(module);
  AddSample(module);
  AddBinning(module);
  AddPart(module);
}

}  // namespace ramet::bindings
