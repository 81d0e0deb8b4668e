// The view decoder against libprotobuf: any bytes, both refuse them or both read the same.
#include <google/protobuf/stubs/logging.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "bel/event_view_testing.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  [[maybe_unused]] static const auto silenced = google::protobuf::SetLogHandler(nullptr);
  // A copy of its own size: a read beyond it is seen by AddressSanitizer.
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  const std::string disagreement = databuild::DecoderDisagreement(bytes);
  if (disagreement.empty()) return 0;
  std::fprintf(stderr, "the decoders disagree: %s\n", disagreement.c_str());
  std::abort();
}
