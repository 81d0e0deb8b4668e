// Included first by all that reads databuild.pb.h, in builds with ThreadSanitizer only. There
// Protobuf's map fields have members that the packaged library was compiled without, and its
// reflection would look for the others in the wrong place.
#pragma once

#ifdef __SANITIZE_THREAD__
#include <google/protobuf/map.h>  // and what else must know of the sanitizer
#pragma push_macro("__SANITIZE_THREAD__")
#undef __SANITIZE_THREAD__
#include <google/protobuf/map_field.h>
#pragma pop_macro("__SANITIZE_THREAD__")
#endif
