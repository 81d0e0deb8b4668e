// Between BuildEvent and the bytes of the log. An event is encoded once, when it is accepted; from
// then on its bytes are copied, never made again. Pure; any thread.
#pragma once

#include "bel/base/result.h"
#include "bel/event_view.h"
#include "bel/storage.h"

namespace databuild {

// idx and timestamp of `event` are set already. kTooLarge above kMaxEventBytes; kInvalidArgument
// when event_id is no UUID.
Result<StoredEvent> EncodeEvent(const v1::BuildEvent& event);

// Decodes and lifts events of older schema versions to the current one. kCorrupt: not a BuildEvent,
// or its idx is another one. kUnsupported: a kind or version this release does not know; names idx,
// kind and version.
Result<v1::BuildEvent> DecodeEvent(const StoredEvent& stored);
// The same in place: `view` holds as long as `stored` and until the decoder's next use.
Status ViewEvent(const StoredEvent& stored, EventDecoder& decoder, EventView& view);

}  // namespace databuild
