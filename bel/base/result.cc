#include "bel/base/result.h"

namespace databuild {

const char* ErrcName(Errc code) {
  switch (code) {
    case Errc::kInvalidArgument:
      return "invalid_argument";
    case Errc::kNotFound:
      return "not_found";
    case Errc::kAlreadyExists:
      return "already_exists";
    case Errc::kConflict:
      return "conflict";
    case Errc::kFenced:
      return "fenced";
    case Errc::kUnavailable:
      return "unavailable";
    case Errc::kInvalidTransition:
      return "invalid_transition";
    case Errc::kTooLarge:
      return "too_large";
    case Errc::kOutOfRange:
      return "out_of_range";
    case Errc::kUnauthenticated:
      return "unauthenticated";
    case Errc::kPermissionDenied:
      return "permission_denied";
    case Errc::kDeadlineExceeded:
      return "deadline_exceeded";
    case Errc::kUnsupported:
      return "unsupported";
    case Errc::kCorrupt:
      return "corrupt";
    case Errc::kCancelled:
      return "cancelled";
    case Errc::kInternal:
      return "internal";
  }
  return "internal";
}

}  // namespace databuild
