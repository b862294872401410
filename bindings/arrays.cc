#include "arrays.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "gil.h"

namespace ramet::bindings {
namespace {

std::string DtypeOf(nb::handle object) {
  const nb::object dtype = nb::getattr(object, "dtype", nb::none());
  return dtype.is_none() ? nb::cast<std::string>(nb::repr(object.type()))
                         : nb::cast<std::string>(nb::str(dtype));
}

// A struct-module format of one native number; kString, which arrays here cannot hold, otherwise.
ValueType TypeOfFormat(const char* format, size_t item_size) {
  if (format == nullptr) return ValueType::kUInt8;
  constexpr char kNative = std::endian::native == std::endian::little ? '<' : '>';
  if (*format == '@' || *format == '=' || *format == kNative) ++format;
  if (format[0] == '\0' || format[1] != '\0') return ValueType::kString;
  const auto by_size = [&](ValueType one, ValueType two, ValueType four, ValueType eight) {
    return item_size == 1   ? one
           : item_size == 2 ? two
           : item_size == 4 ? four
           : item_size == 8 ? eight
                            : ValueType::kString;
  };
  if (*format == '?') return ValueType::kBool;
  if (std::strchr("bhilqn", *format) != nullptr)
    return by_size(ValueType::kInt8, ValueType::kInt16, ValueType::kInt32, ValueType::kInt64);
  if (std::strchr("BHILQN", *format) != nullptr)
    return by_size(ValueType::kUInt8, ValueType::kUInt16, ValueType::kUInt32, ValueType::kUInt64);
  if (std::strchr("efd", *format) != nullptr)
    return by_size(ValueType::kString, ValueType::kFloat16, ValueType::kFloat32,
                   ValueType::kFloat64);
  return ValueType::kString;
}

void ReleaseBuffer(Py_buffer* buffer) {
  const AcquireGil gil;
  PyBuffer_Release(buffer);
  delete buffer;
}

template <class T>
constexpr ValueType kTypeOf = ValueType::kNull;
template <>
constexpr ValueType kTypeOf<double> = ValueType::kFloat64;
template <>
constexpr ValueType kTypeOf<float> = ValueType::kFloat32;

}  // namespace

ArrayView ArrayView::Of(nb::handle object, const std::string& what) {
  auto buffer = std::make_unique<Py_buffer>();
  ArrayView view;
  if (PyObject_GetBuffer(object.ptr(), buffer.get(), PyBUF_STRIDES | PyBUF_FORMAT) != 0) {
    PyErr_Clear();
  } else {
    view.type_ = TypeOfFormat(buffer->format, static_cast<size_t>(buffer->itemsize));
    view.buffer_ = std::shared_ptr<Py_buffer>(buffer.release(), ReleaseBuffer);
    if (view.type_ != ValueType::kString) return view;
  }
  Raise(PyExc_TypeError, what + " is of dtype " + DtypeOf(object) +
                             ". Give an array of bool, int8 to int64, uint8 to uint64, float16, "
                             "float32 or float64 in native byte order.");
}

MatrixView ArrayView::matrix() const {
  const bool matrix = ndim() == 2;
  return {type_, data(), shape(0), matrix ? shape(1) : 1, stride(0), matrix ? stride(1) : 0};
}

template <class T>
Contiguous<T>::Contiguous(nb::handle object, const std::string& what)
    : view_(ArrayView::Of(object, what)) {
  if (view_->type() != kTypeOf<T>)
    Raise(PyExc_TypeError, what + " is of dtype " + DtypeOf(object) + ", not " +
                               std::string(ValueTypeName(kTypeOf<T>)) + ".");
  if (view_->ndim() != 1 && view_->ndim() != 2)
    Raise(PyExc_ValueError, what + " has " + std::to_string(view_->ndim()) +
                                " dimensions. Give an array of one or two.");
  rows_ = view_->shape(0);
  const bool matrix = view_->ndim() == 2;
  if (matrix) columns_ = view_->shape(1);
  const ptrdiff_t width = static_cast<ptrdiff_t>(columns_ * sizeof(T));
  const ptrdiff_t row_stride = view_->stride(0), column_stride = matrix ? view_->stride(1) : 0;
  const bool rows_adjoin = rows_ <= 1 || row_stride == width;
  const bool columns_adjoin = columns_ <= 1 || column_stride == ptrdiff_t{sizeof(T)};
  const bool aligned = reinterpret_cast<uintptr_t>(view_->data()) % alignof(T) == 0;
  if (rows_adjoin && columns_adjoin && aligned) {
    span_ = {reinterpret_cast<const T*>(view_->data()), rows_ * columns_};
    return;
  }
  copy_.resize(rows_ * columns_);
  for (size_t i = 0; i < rows_; ++i)
    for (size_t j = 0; j < columns_; ++j)
      std::memcpy(&copy_[i * columns_ + j],
                  view_->data() + static_cast<ptrdiff_t>(i) * row_stride +
                      static_cast<ptrdiff_t>(j) * column_stride,
                  sizeof(T));
  span_ = copy_;
}

Buffer<double> Copied(std::span<const double> values) {
  Buffer<double> copy(values.size());
  std::copy(values.begin(), values.end(), copy.begin());
  return copy;
}

nb::object CopyArray(std::span<const double> values, std::initializer_list<size_t> shape) {
  return MakeArray(Copied(values), shape);
}

template class Contiguous<double>;
template class Contiguous<float>;

}  // namespace ramet::bindings
