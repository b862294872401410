#include "ramet/collective/collective.h"

namespace ramet {

bool Collective::Exchange(std::span<const Bytes> outgoing, std::vector<Message>& incoming) {
  incoming.clear();
  incoming.resize(size_);
  if (!status_.ok() || stopped()) return false;
  const auto begin = std::chrono::steady_clock::now();
  Status status = ExchangeMessages(outgoing, incoming);
  ++use_.exchanges;
  use_.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (!status.ok()) {
    Fail(status.TakeError());
    return false;
  }
  for (size_t member = 0; member < size_; ++member) {
    if (member == rank_) continue;
    use_.bytes_sent += outgoing[member].size();
    use_.bytes_received += incoming[member].size();
  }
  return true;
}

void Collective::Fail(Error error) {
  if (status_.ok()) status_ = std::move(error);
  stop_ = true;
}

namespace internal {

bool SendToAll(Collective& collective, Bytes message, std::vector<Message>& incoming) {
  const std::vector<Bytes> outgoing(collective.size(), message);
  return collective.Exchange(outgoing, incoming);
}

bool HaveSize(Collective& collective, const std::vector<Message>& incoming, size_t bytes) {
  for (size_t member = 0; member < incoming.size(); ++member) {
    if (member == collective.rank() || incoming[member].size() == bytes) continue;
    collective.Fail(IoError("member " + std::to_string(member) + " sent " +
                            std::to_string(incoming[member].size()) + " bytes where " +
                            std::to_string(bytes) +
                            " were due: it runs another version, or its data are other columns."));
    return false;
  }
  return true;
}

}  // namespace internal
}  // namespace ramet
