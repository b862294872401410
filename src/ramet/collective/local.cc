#include "ramet/collective/local.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>

namespace ramet {

struct LocalGroup::Shared {
  explicit Shared(size_t size) : boxes(size * size) {}
  // Ends the group, because of `member`.
  void End(std::string why, int member) {
    const std::lock_guard lock(mutex);
    if (!ended.empty()) return;
    ended = std::move(why);
    ended_by = member;
    arrived.notify_all();
  }
  std::mutex mutex;
  std::condition_variable arrived;
  std::vector<std::deque<Message>> boxes;  // of (from, to)
  std::string ended;                       // why; empty while nobody is gone
  int ended_by = Collective::kNobody;
};

namespace {

constexpr auto kLook = std::chrono::milliseconds(20);  // how often a waiting member looks at `stop`

template <class Shared>
class LocalMember final : public Collective {
 public:
  LocalMember(std::shared_ptr<Shared> shared, size_t rank, size_t size, std::atomic<bool>& stop)
      : Collective(rank, size, stop), shared_(std::move(shared)) {}
  // Those that still wait for this one must not wait for ever.
  ~LocalMember() override {
    shared_->End("member " + std::to_string(rank()) + " has left.", static_cast<int>(rank()));
  }

 protected:
  Status ExchangeMessages(std::span<const Bytes> outgoing,
                          std::vector<Message>& incoming) override {
    std::unique_lock lock(shared_->mutex);
    if (!shared_->ended.empty()) return GroupEnded(lock);
    for (size_t to = 0; to < size(); ++to) {
      if (to == rank()) continue;
      Message message(outgoing[to].size());
      if (!message.empty()) std::memcpy(message.data(), outgoing[to].data(), message.size());
      shared_->boxes[rank() * size() + to].push_back(std::move(message));
    }
    shared_->arrived.notify_all();
    for (size_t from = 0; from < size(); ++from) {
      if (from == rank()) continue;
      std::deque<Message>& box = shared_->boxes[from * size() + rank()];
      while (box.empty()) {
        if (stopped()) return CancelledError("training was stopped");
        if (!shared_->ended.empty()) return GroupEnded(lock);
        shared_->arrived.wait_for(lock, kLook);
      }
      incoming[from] = std::move(box.front());
      box.pop_front();
    }
    return {};
  }

  void TellOthers(const Error& error, int member) override {
    shared_->End("member " + std::to_string(rank()) + " failed: " + error.message,
                 member == kNobody ? static_cast<int>(rank()) : member);
  }

 private:
  Error GroupEnded(std::unique_lock<std::mutex>& lock) {
    const Error error = IoError(shared_->ended);
    const int member = shared_->ended_by;
    lock.unlock();
    Fail(error, member);
    return error;
  }

  std::shared_ptr<Shared> shared_;
};

}  // namespace

LocalGroup::LocalGroup(size_t size) : size_(size), shared_(std::make_shared<Shared>(size)) {}

std::unique_ptr<Collective> LocalGroup::Join(size_t rank, std::atomic<bool>& stop) {
  return std::make_unique<LocalMember<Shared>>(shared_, rank, size_, stop);
}

}  // namespace ramet
