// The lines of a dump: JSON, one header and then one event each.
//
//   {"databuildLog":1,"graph":"sales","logId":"…","clusterUid":"…","schemaVersion":1,
//    "head":"1234","floor":"0"}
//   {"base":"0","idx":"1000","modelVersion":2,…,"bytes":"<base64>"}      where the floor is above 0
//   {"crc32c":123,"epoch":"3","event":{…BuildEvent as protobuf JSON, idx and timestamp in it…}}
//
// What JSON cannot give back byte for byte (an event of a newer release) comes as
// {"idx":"7","type":19,…,"payload":"<base64>"}. So a dump loads to the very same bytes, and the
// same log gives the same dump. Pure.
#pragma once

#include <string>

#include "bel/storage.h"

namespace databuild {

std::string HeaderLine(const GraphHead& log);
// kCorrupt: the line is no header, or of a format this release does not know.
Result<GraphHead> ParseHeaderLine(const std::string& line);

// A chunk of the base that a log with a floor rests on; in order, between header and events. Each
// names the whole base.
struct BaseLine {
  BaseInfo base;
  int32_t number = 0;
  std::string bytes;
};
std::string BaseChunkLine(const BaseLine& line);
// kCorrupt: no such line, or its bytes do not match their checksum.
Result<BaseLine> ParseBaseChunkLine(const std::string& line);

std::string EventLine(const StoredEvent& event);
// kCorrupt: no such line, or its bytes do not match its checksum.
Result<StoredEvent> ParseEventLine(const std::string& line);

// The event alone as JSON, without the envelope: what `tail` prints. Events of a kind this release
// does not know come as the envelope.
std::string EventJson(const StoredEvent& event);

}  // namespace databuild
