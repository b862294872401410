#include "ramet/collective/local.h"

#include <condition_variable>
#include <deque>
#include <mutex>

namespace ramet {

struct LocalGroup::Shared {
  explicit Shared(size_t size) : boxes(size * size) {}
  std::mutex mutex;
  std::condition_variable arrived;
  std::vector<std::deque<Message>> boxes;  // of (from, to)
  bool left = false;                       // some member is gone
};

namespace {

constexpr auto kLook = std::chrono::milliseconds(20);  // how often a waiting member looks at `stop`

template <class Shared>
class LocalMember final : public Collective {
 public:
  LocalMember(Shared& shared, size_t rank, size_t size, std::atomic<bool>& stop)
      : Collective(rank, size, stop), shared_(shared) {}
  ~LocalMember() override {
    // Those that still wait for this one must not wait for ever.
    const std::lock_guard lock(shared_.mutex);
    shared_.left = true;
    shared_.arrived.notify_all();
  }

 protected:
  Status ExchangeMessages(std::span<const Bytes> outgoing,
                          std::vector<Message>& incoming) override {
    std::unique_lock lock(shared_.mutex);
    for (size_t to = 0; to < size(); ++to) {
      if (to == rank()) continue;
      Message message(outgoing[to].size());
      if (!message.empty()) std::memcpy(message.data(), outgoing[to].data(), message.size());
      shared_.boxes[rank() * size() + to].push_back(std::move(message));
    }
    shared_.arrived.notify_all();
    for (size_t from = 0; from < size(); ++from) {
      if (from == rank()) continue;
      std::deque<Message>& box = shared_.boxes[from * size() + rank()];
      while (box.empty()) {
        if (stopped()) return CancelledError("training was stopped");
        if (shared_.left) return IoError("another member has left.");
        shared_.arrived.wait_for(lock, kLook);
      }
      incoming[from] = std::move(box.front());
      box.pop_front();
    }
    return {};
  }

 private:
  Shared& shared_;
};

}  // namespace

LocalGroup::LocalGroup(size_t size) : size_(size), shared_(std::make_unique<Shared>(size)) {}
LocalGroup::~LocalGroup() = default;

std::unique_ptr<Collective> LocalGroup::Join(size_t rank, std::atomic<bool>& stop) {
  return std::make_unique<LocalMember<Shared>>(*shared_, rank, size_, stop);
}

}  // namespace ramet
