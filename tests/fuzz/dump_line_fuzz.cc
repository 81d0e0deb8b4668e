// The lines of a dump: any text is refused or is a line that comes back as it was; any payload that
// the log may hold survives dump and load to the byte.
//
// First byte of the input: 'p', the rest is the payload of an event; else the rest is text, read as
// a header and as an event.
#include <google/protobuf/stubs/logging.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "bel/base/crc32c.h"
#include "bel/event_codec.h"
#include "databuild/v1/databuild.pb.h"
#include "tools/bel/event_line.h"

namespace databuild {
namespace {

constexpr char kSomeId[] = "6f1c3a52-0000-4000-8000-000000000001";

void Fail(const char* what, const std::string& line) {
  std::fprintf(stderr, "%s: %s\n", what, line.c_str());
  std::abort();
}

void CheckEvent(const StoredEvent& event) {
  const std::string line = EventLine(event);
  const auto again = ParseEventLine(line);
  if (!again.ok()) Fail(again.error().message.c_str(), line);
  if (!(*again == event)) Fail("the line loads to another event", line);
}

void CheckText(const std::string& text) {
  if (const auto header = ParseHeaderLine(text); header.ok()) {
    const std::string line = HeaderLine(*header);
    const auto again = ParseHeaderLine(line);
    if (!again.ok() || HeaderLine(*again) != line) Fail("the header does not come back", line);
  }
  if (const auto event = ParseEventLine(text); event.ok()) CheckEvent(*event);
}

void CheckPayload(const std::string& payload) {
  StoredEvent event;
  event.idx = 7;
  event.ts = 1'000;
  event.epoch = 3;
  event.type = 11;
  event.event_id = kSomeId;
  v1::BuildEvent decoded;
  if (decoded.ParseFromString(payload)) {
    // The columns that a writer makes of it.
    if (const auto encoded = EncodeEvent(decoded); encoded.ok()) {
      event = *encoded;
      event.epoch = 3;
    }
  }
  event.payload = payload;
  event.crc32c = Crc32c(payload);
  CheckEvent(event);
}

}  // namespace
}  // namespace databuild

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  [[maybe_unused]] static const auto silenced = google::protobuf::SetLogHandler(nullptr);
  if (size == 0) return 0;
  const std::string rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] == 'p') {
    databuild::CheckPayload(rest);
  } else {
    databuild::CheckText(rest);
  }
  return 0;
}
