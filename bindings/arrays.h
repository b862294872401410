// NumPy arrays in and out.
//
//   ArrayView: any object with the buffer protocol, as it lies in memory: no copy, any strides,
//   read-only too. MakeArray: a new NumPy array that owns the engine's buffer.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "errors.h"
#include "ramet/base/buffer.h"
#include "ramet/table/table.h"

namespace ramet::bindings {

class ArrayView {
 public:
  // TypeError, which names the dtype, for what is no number in native byte order, and for an object
  // that is no array. `what` is for the message. With the GIL.
  static ArrayView Of(nb::handle object, const std::string& what);

  ValueType type() const { return type_; }
  size_t ndim() const { return static_cast<size_t>(buffer_->ndim); }
  size_t shape(size_t axis) const { return static_cast<size_t>(buffer_->shape[axis]); }
  // In bytes; may be negative.
  ptrdiff_t stride(size_t axis) const { return buffer_->strides[axis]; }
  const std::byte* data() const { return static_cast<const std::byte*>(buffer_->buf); }
  // A 1-D array is one column.
  MatrixView matrix() const;
  // Keeps the memory alive; may be dropped on any thread.
  std::shared_ptr<const void> owner() const { return buffer_; }

 private:
  std::shared_ptr<Py_buffer> buffer_;
  ValueType type_ = ValueType::kNull;
};

// The values of a 1-D or 2-D array of type T in row-major order: a view where they lie so, else a
// copy.
template <class T>
class Contiguous {
 public:
  Contiguous(nb::handle object, const std::string& what);
  std::span<const T> span() const { return span_; }
  size_t rows() const { return rows_; }
  size_t columns() const { return columns_; }  // 1 where 1-D

 private:
  std::optional<ArrayView> view_;
  std::vector<T> copy_;
  std::span<const T> span_;
  size_t rows_ = 0, columns_ = 1;
};

// A new array that takes over `owner`, whose elements are at `data`.
template <class T, class Owner>
nb::object MakeArray(Owner owner, T* data, std::initializer_list<size_t> shape) {
  auto* const kept = new Owner(std::move(owner));
  const nb::capsule capsule(kept,
                            [](void* object) noexcept { delete static_cast<Owner*>(object); });
  return nb::cast(nb::ndarray<nb::numpy, T>(data, shape, capsule));
}
template <class T>
nb::object MakeArray(Buffer<T> buffer, std::initializer_list<size_t> shape) {
  T* const data = buffer.data();
  return MakeArray(std::move(buffer), data, shape);
}
template <class T>
nb::object MakeArray(std::vector<T> values) {
  T* const data = values.data();
  const size_t size = values.size();
  return MakeArray(std::move(values), data, {size});
}
// A copy of the values, and a new array of it.
Buffer<double> Copied(std::span<const double> values);
nb::object CopyArray(std::span<const double> values, std::initializer_list<size_t> shape);

}  // namespace ramet::bindings
