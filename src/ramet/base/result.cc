#include "ramet/base/result.h"

#include <cstdio>
#include <cstdlib>

namespace ramet {

void CheckFailed(const char* condition, const char* file, int line, const std::string& detail) {
  std::fprintf(stderr, "%s:%d: CHECK failed: %s%s%s\nThis is a bug in Ramet; please report it.\n",
               file, line, condition, detail.empty() ? "" : ": ", detail.c_str());
  std::abort();
}

}  // namespace ramet
