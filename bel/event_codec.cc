#include "bel/event_codec.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include "bel/base/check.h"
#include "bel/base/crc32c.h"
#include "bel/base/uuid.h"
#include "databuild/v1/databuild.pb.h"

namespace databuild {
namespace {

// The same event gives the same bytes, maps included: what a simulation replays byte for byte.
std::string Serialize(const v1::BuildEvent& event) {
  std::string bytes;
  bytes.reserve(event.ByteSizeLong());
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  event.SerializeWithCachedSizes(&coded);
  coded.Trim();
  return bytes;
}

}  // namespace

Result<StoredEvent> EncodeEvent(const v1::BuildEvent& event) {
  if (!ParseUuid(event.event_id())) {
    return Error{Errc::kInvalidArgument, "event_id \"" + event.event_id() + "\" is not a UUID"};
  }
  StoredEvent stored;
  stored.idx = event.idx();
  stored.ts = event.timestamp();
  stored.type = event.event_type_case();
  stored.event_id = event.event_id();
  stored.payload = Serialize(event);
  stored.crc32c = Crc32c(stored.payload);
  if (stored.payload.size() > kMaxEventBytes) {
    return Error{Errc::kTooLarge, "event " + event.event_id() + " has " +
                                      std::to_string(stored.payload.size()) +
                                      " bytes encoded, at most " + std::to_string(kMaxEventBytes) +
                                      " are allowed; carry ranges or split it in parts"};
  }
  return stored;
}

Status ViewEvent(const StoredEvent& stored, EventDecoder& decoder, EventView& view) {
  const auto where = [&] {
    return "event idx " + std::to_string(stored.idx) + " (kind " + std::to_string(stored.type) +
           ", schema version " + std::to_string(stored.schema_version) + ")";
  };
  // Version 1 is the first: there is nothing older to lift yet.
  if (stored.schema_version < 1 || stored.schema_version > kSchemaVersion) {
    return Error{Errc::kUnsupported, where() + " is of a newer release; run that one"};
  }
  if (!decoder.Decode(stored.payload, view)) {
    return Error{Errc::kCorrupt, where() + " is not an encoded BuildEvent"};
  }
  if (view.idx != stored.idx) {
    return Error{Errc::kCorrupt, where() + " says that its idx is " + std::to_string(view.idx)};
  }
  if (view.kind.number == 0) {
    return Error{Errc::kUnsupported,
                 where() + " is of a kind this release does not know; run a newer one"};
  }
  return {};
}

Result<v1::BuildEvent> DecodeEvent(const StoredEvent& stored) {
  EventDecoder decoder;
  EventView view;
  RETURN_IF_ERROR(ViewEvent(stored, decoder, view));
  v1::BuildEvent event;
  CHECK(event.ParseFromString(stored.payload));  // the decoder reads what libprotobuf reads
  return event;
}

}  // namespace databuild
