// Reductions on top of exchanges.
#pragma once

#include <algorithm>
#include <string>
#include <utility>

namespace ramet {
namespace internal {

// Below this, one step of latency costs more than everybody receiving everything.
inline constexpr size_t kSmallReduction = 1 << 14;

template <class T>
Bytes AsBytes(std::span<const T> values) {
  return {reinterpret_cast<const std::byte*>(values.data()), values.size_bytes()};
}

template <class T>
std::span<const T> Elements(const Message& message) {
  return {reinterpret_cast<const T*>(message.data()), message.size() / sizeof(T)};
}

// One message from everybody, the own one left out. False after a failure.
bool SendToAll(Collective& collective, Bytes message, std::vector<Message>& incoming);
// Whether each sent `bytes` bytes; else the collective has failed.
bool HaveSize(Collective& collective, const std::vector<Message>& incoming, size_t bytes);

}  // namespace internal

template <class T, class Merge>
void AllReduce(const Context& context, std::span<T> values, const Merge& merge) {
  static_assert(std::is_trivially_copyable_v<T>);
  if (NumMembers(context) == 1 || values.empty()) return;
  Collective& collective = *context.collective;
  const size_t members = collective.size(), own = collective.rank();
  std::vector<Message> incoming;
  const std::span<const T> sent = values;
  if (values.size_bytes() * members <= internal::kSmallReduction) {
    if (!internal::SendToAll(collective, internal::AsBytes(sent), incoming) ||
        !internal::HaveSize(collective, incoming, values.size_bytes()))
      return;
    for (size_t member = 0; member < members; ++member) {
      if (member == own) continue;
      const std::span<const T> theirs = internal::Elements<T>(incoming[member]);
      for (size_t i = 0; i < values.size(); ++i) merge(values[i], theirs[i]);
    }
    return;
  }
  // Each member merges one slice, and sends it to all.
  const auto slice = [&](size_t member) {
    const size_t begin = SliceBegin(values.size(), members, member);
    return std::pair(begin, SliceBegin(values.size(), members, member + 1) - begin);
  };
  std::vector<Bytes> outgoing;
  for (size_t member = 0; member < members; ++member) {
    const auto [begin, count] = slice(member);
    outgoing.push_back(internal::AsBytes(sent.subspan(begin, count)));
  }
  const auto [begin, count] = slice(own);
  if (!collective.Exchange(outgoing, incoming) ||
      !internal::HaveSize(collective, incoming, count * sizeof(T)))
    return;
  std::vector<T> merged(sent.begin() + static_cast<std::ptrdiff_t>(begin),
                        sent.begin() + static_cast<std::ptrdiff_t>(begin + count));
  for (size_t member = 0; member < members; ++member) {
    if (member == own) continue;
    const std::span<const T> theirs = internal::Elements<T>(incoming[member]);
    for (size_t i = 0; i < count; ++i) merge(merged[i], theirs[i]);
  }
  std::vector<Message> slices;
  if (!internal::SendToAll(collective, internal::AsBytes(std::span<const T>(merged)), slices))
    return;
  slices[own] = Message(count * sizeof(T));
  if (count > 0) std::memcpy(slices[own].data(), merged.data(), count * sizeof(T));
  for (size_t member = 0; member < members; ++member)
    if (slices[member].size() != slice(member).second * sizeof(T)) {
      collective.Fail(
          IoError("member " + std::to_string(member) + " sent a slice of another size."),
          static_cast<int>(member));
      return;
    }
  for (size_t member = 0; member < members; ++member)
    if (!slices[member].empty())
      std::memcpy(values.data() + slice(member).first, slices[member].data(),
                  slices[member].size());
}

template <class T>
std::vector<T> AllGather(const Context& context, std::span<const T> own) {
  static_assert(std::is_trivially_copyable_v<T>);
  std::vector<T> all(own.begin(), own.end());
  if (NumMembers(context) == 1) return all;
  std::vector<Message> incoming;
  if (!internal::SendToAll(*context.collective, internal::AsBytes(own), incoming)) return all;
  all.clear();
  for (size_t member = 0; member < incoming.size(); ++member) {
    const std::span<const T> theirs =
        member == context.collective->rank() ? own : internal::Elements<T>(incoming[member]);
    all.insert(all.end(), theirs.begin(), theirs.end());
  }
  return all;
}

}  // namespace ramet
