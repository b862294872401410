// What each class's rows weigh beside their own weights.
//
// Private to this folder.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ramet/base/result.h"
#include "ramet/table/table.h"

namespace ramet {

// One factor per class, as scikit-learn means them:
//   "balanced"             rows / (classes * rows of the class), rows of weight zero too
//   {"no": 1, "yes": 2.5}  by the class's key; 1 for classes that are not named
// `classes` occur in `rows` rows each, at least one. Errors: another text, a weight that is
// negative or no finite number, all zero; a name that is no class, if some class has no weight (as
// in scikit-learn: a class may be missing from these rows, but a misspelt name is caught).
Result<std::vector<double>> ClassFactors(const std::string& class_weight,
                                         std::span<const CategoryKey> classes,
                                         std::span<const uint64_t> rows);

// Which of some classes have factor zero, whatever classes there are beside them. Errors as above,
// but those about all classes.
Result<std::vector<bool>> ZeroFactors(const std::string& class_weight,
                                      std::span<const CategoryKey> classes);

// Multiplies each row's weight (1 where `weights` is empty) by its class's factor: the float64
// product, rounded once. Errors: a product beyond float32, on either side. `weights` stays or
// becomes empty if all are 1.
Status MultiplyByClass(std::span<const double> factors, std::span<const double> labels,
                       std::vector<float>& weights);

}  // namespace ramet
