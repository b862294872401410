#include "ramet/collective/collective.h"

namespace ramet {

bool Collective::Exchange(std::span<const Bytes> outgoing, std::vector<Message>& incoming) {
  incoming.resize(size_);
  if (!status().ok()) return false;
  if (stopped()) {
    Fail(CancelledError("training was stopped"));
    return false;
  }
  const auto begin = std::chrono::steady_clock::now();
  Status status = ExchangeMessages(outgoing, incoming);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  {
    const std::lock_guard lock(mutex_);
    ++use_.exchanges;
    use_.seconds += seconds.count();
    for (size_t member = 0; status.ok() && member < size_; ++member) {
      if (member == rank_) continue;
      use_.bytes_sent += outgoing[member].size();
      use_.bytes_received += incoming[member].size();
    }
  }
  if (status.ok()) return true;
  Fail(status.TakeError());
  return false;
}

void Collective::Fail(Error error, int member) {
  {
    const std::lock_guard lock(mutex_);
    if (!status_.ok()) return;
    status_ = error;
    failed_member_ = member;
  }
  stop_ = true;
  TellOthers(error, member);
}

Status Collective::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

int Collective::failed_member() const {
  const std::lock_guard lock(mutex_);
  return failed_member_;
}

CollectiveUse Collective::use() const {
  const std::lock_guard lock(mutex_);
  return use_;
}

namespace internal {

bool SendToAll(Collective& collective, Bytes message, std::vector<Message>& incoming) {
  const std::vector<Bytes> outgoing(collective.size(), message);
  return collective.Exchange(outgoing, incoming);
}

bool HaveSize(Collective& collective, const std::vector<Message>& incoming, size_t bytes) {
  for (size_t member = 0; member < incoming.size(); ++member) {
    if (member == collective.rank() || incoming[member].size() == bytes) continue;
    collective.Fail(
        IoError("member " + std::to_string(member) + " sent " +
                std::to_string(incoming[member].size()) + " bytes where " + std::to_string(bytes) +
                " were due: it runs another version, or its data are other columns."),
        static_cast<int>(member));
    return false;
  }
  return true;
}

}  // namespace internal
}  // namespace ramet
