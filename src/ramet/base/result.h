// Failures of the world as values.
//
//   Result<Table> ReadTable(path);              // a table, or an Error that says what, where and
//   what to do RAMET_ASSIGN(Table table, ReadTable(path)); // returns the error to the caller's
//   caller
//
// Three kinds of failure, three ways: the world's (files, data, cancellation) are `Error` values;
// the caller's (an impossible parameter) are `Error`s of code kInvalidArgument at the border; ours
// are bugs: RAMET_CHECK.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace ramet {

enum class ErrorCode {
  kInvalidArgument,  // the caller asked for something impossible (usage, exit code 2)
  kData,             // the data are not what they must be (exit code 1)
  kIo,               // a file, disk or network failed (exit code 1)
  kCancelled,        // the user stopped it (exit code 130)
};

struct [[nodiscard]] Error {
  ErrorCode code = ErrorCode::kData;
  std::string message;
};

inline Error InvalidArgument(std::string message) {
  return {ErrorCode::kInvalidArgument, std::move(message)};
}
inline Error DataError(std::string message) { return {ErrorCode::kData, std::move(message)}; }
inline Error IoError(std::string message) { return {ErrorCode::kIo, std::move(message)}; }
inline Error CancelledError(std::string message) {
  return {ErrorCode::kCancelled, std::move(message)};
}

// Prints the failed condition with file and line, and aborts: a bug of ours, never the world's
// fault.
[[noreturn]] void CheckFailed(const char* condition, const char* file, int line,
                              const std::string& detail = {});

#define RAMET_CHECK(condition) \
  (static_cast<bool>(condition) ? void(0) : ::ramet::CheckFailed(#condition, __FILE__, __LINE__))

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}  // NOLINT: implicit, so that `return value;` works
  Result(Error error)
      : state_(std::move(error)) {}  // NOLINT: implicit, so that `return error;` works

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  const Error& error() const { return std::get<1>(state_); }
  Error&& TakeError() { return std::get<1>(std::move(state_)); }

  T& value() & {
    RequireOk();
    return std::get<0>(state_);
  }
  const T& value() const& {
    RequireOk();
    return std::get<0>(state_);
  }
  T&& value() && {
    RequireOk();
    return std::get<0>(std::move(state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  void RequireOk() const {
    if (!ok()) CheckFailed("result.ok()", __FILE__, __LINE__, error().message);
  }
  std::variant<T, Error> state_;
};

// Success without a value, or an Error.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error)
      : error_(std::move(error)) {}  // NOLINT: implicit, so that `return error;` works
  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Error& error() const { return *error_; }
  Error&& TakeError() { return std::move(*error_); }

 private:
  std::optional<Error> error_;
};

#define RAMET_CONCAT_(a, b) a##b
#define RAMET_CONCAT(a, b) RAMET_CONCAT_(a, b)

#define RAMET_RETURN_IF_ERROR(expression)          \
  do {                                             \
    auto&& status_ = (expression);                 \
    if (!status_.ok()) return status_.TakeError(); \
  } while (false)

#define RAMET_ASSIGN_IMPL_(result, declaration, expression) \
  auto result = (expression);                               \
  if (!result.ok()) return result.TakeError();              \
  declaration = *std::move(result)

// RAMET_ASSIGN(auto x, F()): x = the value of F(), or returns F()'s error from this function.
#define RAMET_ASSIGN(declaration, ...) \
  RAMET_ASSIGN_IMPL_(RAMET_CONCAT(result_, __LINE__), declaration, (__VA_ARGS__))

}  // namespace ramet
