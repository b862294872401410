#include "ramet/parallel/context.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <sstream>
#include <vector>

namespace ramet {
namespace {

// The directories of this process's cgroup, from its own up to the root of the hierarchy.
// `controller` is empty for the unified hierarchy (v2).
std::vector<std::string> CgroupDirectories(const std::string& controller) {
  std::ifstream file("/proc/self/cgroup");
  std::string path;
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    std::stringstream controllers(line.substr(first + 1, second - first - 1));
    bool match = controller.empty() && second == first + 1;
    for (std::string name; std::getline(controllers, name, ',');)
      match |= !controller.empty() && name == controller;
    if (match) path = line.substr(second + 1);
  }
  const std::string root = controller.empty() ? "/sys/fs/cgroup" : "/sys/fs/cgroup/" + controller;
  std::vector<std::string> directories;
  while (path.size() > 1) {
    directories.push_back(root + path);
    path.resize(path.rfind('/'));
  }
  directories.push_back(root);
  return directories;
}

double ReadNumber(const std::string& path) {
  std::ifstream file(path);
  double value = -1;
  return file >> value ? value : -1;
}

}  // namespace

double CgroupCpuQuota() {
  double quota = std::numeric_limits<double>::infinity();
  for (const std::string& directory : CgroupDirectories("")) {
    std::ifstream file(directory + "/cpu.max");
    std::string limit;
    double period = 0;
    if (file >> limit >> period && limit != "max" && period > 0)
      quota = std::min(quota, std::strtod(limit.c_str(), nullptr) / period);
  }
  for (const std::string& directory : CgroupDirectories("cpu")) {
    const double limit = ReadNumber(directory + "/cpu.cfs_quota_us");
    const double period = ReadNumber(directory + "/cpu.cfs_period_us");
    if (limit > 0 && period > 0) quota = std::min(quota, limit / period);
  }
  return std::isfinite(quota) ? quota : 0;
}

int AvailableThreads() {
  int threads = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) threads = CPU_COUNT(&set);
  const double quota = CgroupCpuQuota();
  if (quota > 0) threads = std::min(threads, static_cast<int>(std::ceil(quota)));
  return std::max(1, threads);
}

size_t AvailableMemory() {
  double bytes =
      static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
  for (const std::string& directory : CgroupDirectories("")) {
    const double limit = ReadNumber(directory + "/memory.max");
    if (limit > 0) bytes = std::min(bytes, limit);
  }
  for (const std::string& directory : CgroupDirectories("memory")) {
    const double limit = ReadNumber(directory + "/memory.limit_in_bytes");
    if (limit > 0) bytes = std::min(bytes, limit);
  }
  return static_cast<size_t>(bytes);
}

Result<Context> Context::FromEnvironment() {
  Context context;
  RAMET_ASSIGN(context.isa, ChooseIsa());
  context.threads = AvailableThreads();
  if (const char* text = std::getenv("RAMET_THREADS"); text != nullptr && *text != '\0') {
    char* end = nullptr;
    const long value = std::strtol(text, &end, 10);
    if (*end != '\0' || value < 1 || value > 4096)
      return InvalidArgument("RAMET_THREADS=" + std::string(text) +
                             " is not a number of threads. Use a whole number from 1 to 4096.");
    context.threads = static_cast<int>(value);
  }
  return context;
}

}  // namespace ramet
