// ParallelReduce on top of ParallelFor: one partial result per piece, combined in order of the
// pieces.
#pragma once

#include <vector>

namespace ramet {

template <class T>
T ParallelReduce(size_t begin, size_t end, size_t grain, const T& identity,
                 std::type_identity_t<FunctionRef<void(T&, size_t, size_t)>> body,
                 std::type_identity_t<FunctionRef<void(T&, const T&)>> combine) {
  if (begin >= end) return identity;
  const size_t pieces = (end - begin + grain - 1) / grain;
  std::vector<T> partial(pieces, identity);
  ParallelFor(begin, end, grain, [&](size_t piece_begin, size_t piece_end) {
    body(partial[(piece_begin - begin) / grain], piece_begin, piece_end);
  });
  T total = identity;
  for (const T& part : partial) combine(total, part);
  return total;
}

}  // namespace ramet
