// One member of a replay: the exchanges of a recorded training, between real members, without what
// is computed between them.
//
//   network_replay RECORD RANK ADDRESSES..              (bench/network.py starts it)
//
// RECORD: "members trees", and then for each tree "exchanges", and for each of these one line of
// members x members numbers, the bytes that each sends to each. ADDRESSES: HOST:PORT of all
// members. Prints the seconds of each tree, one a line, and last the bytes sent.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "ramet/collective/tcp.h"

namespace {

using ramet::Bytes;
using ramet::Message;
using Clock = std::chrono::steady_clock;

struct Record {
  size_t members = 0;
  // Of each tree and exchange: bytes from each to each.
  std::vector<std::vector<std::vector<size_t>>> trees;
};

Record Read(const char* path) {
  Record record;
  std::ifstream file(path);
  size_t trees = 0;
  file >> record.members >> trees;
  for (size_t tree = 0; tree < trees; ++tree) {
    size_t exchanges = 0;
    file >> exchanges;
    auto& of_tree = record.trees.emplace_back(exchanges);
    for (auto& sizes : of_tree) {
      sizes.resize(record.members * record.members);
      for (size_t& size : sizes) file >> size;
    }
  }
  if (!file) {
    std::fprintf(stderr, "%s is no record of exchanges.\n", path);
    std::exit(2);
  }
  return record;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 4) return 2;
  const Record record = Read(arguments[1]);
  ramet::ConnectOptions options;
  options.rank = std::stoul(arguments[2]);
  options.secret = "sixteen secret bytes";
  for (int i = 3; i < count; ++i) {
    const std::string text = arguments[i];
    const size_t colon = text.find(':');
    options.addresses.push_back(
        {text.substr(0, colon), static_cast<uint16_t>(std::stoul(text.substr(colon + 1)))});
  }
  const size_t own = options.rank;
  const auto listener = ramet::Listener::Open({"0.0.0.0", options.addresses[own].port});
  if (!listener.ok()) {
    std::fprintf(stderr, "%s\n", listener.error().message.c_str());
    return 1;
  }
  std::atomic<bool> stop = false;
  const auto collective = ramet::Connect({}, *listener, options, stop);

  size_t longest = 0;
  for (const auto& tree : record.trees)
    for (const auto& sizes : tree)
      for (const size_t size : sizes) longest = std::max(longest, size);
  const std::vector<std::byte> bytes(longest, std::byte{7});
  std::vector<Message> incoming;
  const std::vector<Bytes> nothing(record.members);
  for (const auto& tree : record.trees) {
    collective->Exchange(nothing, incoming);  // all begin together
    const Clock::time_point begin = Clock::now();
    for (const auto& sizes : tree) {
      std::vector<Bytes> outgoing;
      for (size_t to = 0; to < record.members; ++to)
        outgoing.push_back(Bytes(bytes).first(to == own ? 0 : sizes[own * record.members + to]));
      if (!collective->Exchange(outgoing, incoming)) break;
    }
    std::printf("%.9f\n", std::chrono::duration<double>(Clock::now() - begin).count());
  }
  if (!collective->status().ok()) {
    std::fprintf(stderr, "%s\n", collective->status().error().message.c_str());
    return 1;
  }
  std::printf("%llu\n", static_cast<unsigned long long>(collective->use().bytes_sent));
}
