// What PutWants and PutTaints were asked for, checked and grouped into objects. Pure.
//
// Every rule of the custom resources is checked here first, so that the error names the field of
// the request; the API server checks again.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "bel/base/result.h"
#include "controller/api/object_creator.h"

namespace databuild::v1 {
class PutTaintsRequest;
class PutWantsRequest;
}  // namespace databuild::v1

namespace databuild {

inline constexpr size_t kMaxPutWants = 10'000;      // entries of one call
inline constexpr size_t kMaxPutObjects = 100;       // that they become
inline constexpr size_t kMaxObjectRefs = 1'000;     // as spec.partitions says
inline constexpr size_t kMaxObjectBytes = 524'288;  // of its refs, as spec.partitions says

// Objects without graph, name, caller and source name, and which of them each entry went into.
struct WantObjects {
  std::vector<NewObject> objects;
  std::vector<size_t> object_of;  // by entry
};

// kInvalidArgument begins with the field.
Result<WantObjects> ObjectsOf(const v1::PutWantsRequest& request);
Result<NewObject> ObjectOf(const v1::PutTaintsRequest& request);

// What tells two requests under one idempotency key apart: everything but graph, key and the name
// of the source, which the caller does not choose. Hex.
std::string DigestOf(const v1::PutWantsRequest& request);
std::string DigestOf(const v1::PutTaintsRequest& request);

// The name of the nth object of a call: the same for the same caller, key and kind.
struct ObjectNaming {
  std::string caller;
  std::string key;  // idempotency key, or something random
  const char* kind = "";
};
std::string ObjectName(const ObjectNaming& naming, size_t ordinal);

}  // namespace databuild
