// Result<T>: the one error type. Used for what the world can do to us; our own bugs are CHECKs.
#pragma once

#include <string>
#include <utility>
#include <variant>

#include "bel/base/check.h"

namespace databuild {

// Distinct on purpose: callers branch on these, never on the text.
enum class Errc {
  kInvalidArgument,
  kNotFound,
  kAlreadyExists,
  kConflict,           // the head moved, or a resourceVersion did not match
  kFenced,             // another writer acquired a newer epoch: stop all effects
  kUnavailable,        // try again later; nothing is known to be wrong with the request
  kInvalidTransition,  // the event is not a legal next state; message names entity, from and to
  kTooLarge,
  kOutOfRange,  // a cursor below the log's floor, or beyond its head
  kUnauthenticated,
  kPermissionDenied,
  kDeadlineExceeded,
  kUnsupported,
  kCorrupt,  // stored bytes do not match their checksum or schema
  kCancelled,
  kInternal,
};

// Lower-case name as used in logs, metrics labels and API errors ("invalid_argument").
const char* ErrcName(Errc code);

// `message` says what was tried, on what, and what to do about it.
struct Error {
  Errc code = Errc::kInternal;
  std::string message;
};

template <typename T = std::monostate>
class [[nodiscard]] Result {
 public:
  Result() requires std::is_default_constructible_v<T> : value_(T{}) {}
  Result(T value) : value_(std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : value_(std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return std::holds_alternative<T>(value_); }
  explicit operator bool() const { return ok(); }

  T& value() {
    CHECK(ok());
    return std::get<T>(value_);
  }
  const T& value() const {
    CHECK(ok());
    return std::get<T>(value_);
  }
  const Error& error() const {
    CHECK(!ok());
    return std::get<Error>(value_);
  }
  T& operator*() { return value(); }
  const T& operator*() const { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<T, Error> value_;
};

using Status = Result<std::monostate>;

}  // namespace databuild

// Returns the error of `expr` from the enclosing function, if there is one.
#define RETURN_IF_ERROR(expr)                                                 \
  do {                                                                        \
    if (auto return_if_error_result_ = (expr); !return_if_error_result_.ok()) \
      return return_if_error_result_.error();                                 \
  } while (false)

#define DATABUILD_CONCAT_INNER(a, b) a##b
#define DATABUILD_CONCAT(a, b) DATABUILD_CONCAT_INNER(a, b)
// ASSIGN_OR_RETURN(auto x, Foo());
#define ASSIGN_OR_RETURN(lhs, expr) \
  ASSIGN_OR_RETURN_INNER(DATABUILD_CONCAT(assign_or_return_, __LINE__), lhs, expr)
#define ASSIGN_OR_RETURN_INNER(tmp, lhs, expr) \
  auto tmp = (expr);                           \
  if (!tmp.ok()) return tmp.error();           \
  lhs = std::move(tmp.value())
