// A collective over messages that somebody else carries (Dask's comm, MPI): no ports, no threads.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "ramet/collective/collective.h"

namespace ramet {

// Who carries must deliver every message once, whole, and in the order of its sender.
struct Carrier {
  // Takes a message for member `to`; its bytes may be gone afterwards. Does not wait for the
  // receiver.
  std::function<Status(size_t to, Bytes message)> send;
  // The next message of member `from`. Nothing, if none came within a fraction of a second: it is
  // asked again then, unless the group has been stopped.
  std::function<Result<std::optional<Message>>(size_t from)> receive;
};

std::unique_ptr<Collective> JoinCarried(size_t rank, size_t size, Carrier carrier,
                                        std::atomic<bool>& stop);

}  // namespace ramet
