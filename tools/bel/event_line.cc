#include "tools/bel/event_line.h"

#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/type_resolver_util.h>

#include <charconv>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "bel/base/crc32c.h"
#include "bel/base/uuid.h"
#include "bel/event_codec.h"
#include "databuild/v1/databuild.pb.h"

namespace databuild {
namespace {

using nlohmann::ordered_json;
constexpr int kFormat = 1;
constexpr char kBase64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string ToBase64(std::string_view bytes) {
  std::string text;
  for (size_t at = 0; at < bytes.size(); at += 3) {
    uint32_t group = 0;
    for (size_t i = 0; i < 3; ++i) {
      group = group << 8 | (at + i < bytes.size() ? static_cast<uint8_t>(bytes[at + i]) : 0u);
    }
    for (size_t i = 0; i < 4; ++i) {
      text += at + i <= bytes.size() ? kBase64[group >> (18 - 6 * i) & 63] : '=';
    }
  }
  return text;
}

std::optional<std::string> FromBase64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  std::string bytes;
  uint32_t group = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    const char* found = std::char_traits<char>::find(kBase64, 64, text[at]);
    const bool is_padding = at >= text.size() - padding;
    if (found == nullptr && !is_padding) return std::nullopt;
    group = group << 6 | (is_padding ? 0u : static_cast<uint32_t>(found - kBase64));
    if (at % 4 != 3) continue;
    for (int shift = 16; shift >= 0; shift -= 8) bytes += static_cast<char>(group >> shift);
    group = 0;
  }
  bytes.resize(bytes.size() - padding);
  return bytes;
}

// The JSON of encoded bytes: the order of maps is theirs, so the same bytes give the same text.
std::optional<std::string> JsonOfPayload(const std::string& payload) {
  static const std::unique_ptr<google::protobuf::util::TypeResolver> resolver(
      google::protobuf::util::NewTypeResolverForDescriptorPool(
          "type.googleapis.com", google::protobuf::DescriptorPool::generated_pool()));
  static const std::string type =
      "type.googleapis.com/" + v1::BuildEvent::descriptor()->full_name();
  std::string json;
  const auto made =
      google::protobuf::util::BinaryToJsonString(resolver.get(), type, payload, &json);
  if (!made.ok()) return std::nullopt;
  return json;
}

// True when the event's JSON gives back these very bytes.
bool JsonIsFaithful(const StoredEvent& stored, v1::BuildEvent& event) {
  event.DiscardUnknownFields();
  const auto again = EncodeEvent(event);
  return again.ok() && again->payload == stored.payload && again->ts == stored.ts &&
         again->type == stored.type && again->event_id == stored.event_id &&
         stored.schema_version == kSchemaVersion;
}

std::optional<std::string> FaithfulJson(const StoredEvent& stored) {
  auto event = DecodeEvent(stored);
  if (!event.ok() || !JsonIsFaithful(stored, *event)) return std::nullopt;
  return JsonOfPayload(stored.payload);
}

std::string EnvelopeLine(const StoredEvent& event) {
  ordered_json line;
  line["crc32c"] = event.crc32c;
  line["epoch"] = std::to_string(event.epoch);
  line["idx"] = std::to_string(event.idx);
  line["ts"] = std::to_string(event.ts);
  line["schemaVersion"] = event.schema_version;
  line["type"] = event.type;
  line["eventId"] = event.event_id;
  line["payload"] = ToBase64(event.payload);
  return line.dump();
}

// A member of the line; nullptr if it is not of that kind.
template <typename T>
bool Read(const ordered_json& line, const char* key, T* value) {
  const auto found = line.find(key);
  if (found == line.end()) return false;
  if constexpr (std::is_same_v<T, std::string>) {
    if (!found->is_string()) return false;
    *value = found->template get<std::string>();
    return true;
  } else {
    if (found->is_number_integer()) {
      *value = found->template get<T>();
      return true;
    }
    if (!found->is_string()) return false;
    const std::string& text = found->template get_ref<const std::string&>();
    const auto read = std::from_chars(text.data(), text.data() + text.size(), *value);
    return read.ec == std::errc() && read.ptr == text.data() + text.size();
  }
}

Error NoEvent(const std::string& why) {
  return Error{Errc::kCorrupt, "not a line of a dump: " + why};
}

Result<StoredEvent> FromJson(const ordered_json& json) {
  v1::BuildEvent event;
  const auto parsed = google::protobuf::util::JsonStringToMessage(json.dump(), &event);
  if (!parsed.ok()) return NoEvent(parsed.ToString());
  auto encoded = EncodeEvent(event);
  if (!encoded.ok()) return NoEvent(encoded.error().message);
  return encoded;
}

Result<StoredEvent> FromEnvelope(const ordered_json& line) {
  StoredEvent event;
  std::string payload;
  if (!Read(line, "idx", &event.idx) || !Read(line, "ts", &event.ts) ||
      !Read(line, "schemaVersion", &event.schema_version) || !Read(line, "type", &event.type) ||
      !Read(line, "eventId", &event.event_id) || !Read(line, "payload", &payload)) {
    return NoEvent("it has neither event nor idx, ts, schemaVersion, type, eventId and payload");
  }
  auto bytes = FromBase64(payload);
  if (!bytes || !ParseUuid(event.event_id)) return NoEvent("its payload or eventId is damaged");
  event.payload = std::move(*bytes);
  event.crc32c = Crc32c(event.payload);
  return event;
}

}  // namespace

std::string HeaderLine(const GraphHead& log) {
  ordered_json line;
  line["databuildLog"] = kFormat;
  line["graph"] = log.graph;
  line["logId"] = log.at.log_id;
  line["clusterUid"] = log.cluster_uid;
  line["schemaVersion"] = kSchemaVersion;
  line["head"] = std::to_string(log.at.head);
  line["floor"] = std::to_string(log.at.floor);
  return line.dump();
}

Result<GraphHead> ParseHeaderLine(const std::string& line) {
  const ordered_json json = ordered_json::parse(line, nullptr, false);
  int format = 0;
  if (json.is_discarded() || !json.is_object() || !Read(json, "databuildLog", &format)) {
    return Error{Errc::kCorrupt, "its first line is not the header that `dump` writes"};
  }
  int32_t schema = 0;
  GraphHead log;
  if (format != kFormat || !Read(json, "schemaVersion", &schema) || schema > kSchemaVersion) {
    return Error{Errc::kUnsupported, "it was written by a newer release; load it with that one"};
  }
  if (!Read(json, "graph", &log.graph) || !Read(json, "logId", &log.at.log_id) ||
      !Read(json, "clusterUid", &log.cluster_uid) || !Read(json, "head", &log.at.head) ||
      !Read(json, "floor", &log.at.floor)) {
    return Error{Errc::kCorrupt, "its header lacks graph, logId, clusterUid, head or floor"};
  }
  return log;
}

std::string BaseChunkLine(const BaseLine& chunk) {
  ordered_json line;
  line["base"] = std::to_string(chunk.number);
  line["idx"] = std::to_string(chunk.base.idx);
  line["modelVersion"] = chunk.base.model_version;
  line["chunks"] = chunk.base.chunks;
  line["size"] = std::to_string(chunk.base.bytes);
  line["baseCrc32c"] = chunk.base.crc32c;
  line["crc32c"] = Crc32c(chunk.bytes);
  line["bytes"] = ToBase64(chunk.bytes);
  return line.dump();
}

Result<BaseLine> ParseBaseChunkLine(const std::string& line) {
  const ordered_json json = ordered_json::parse(line, nullptr, false);
  BaseLine chunk;
  uint32_t crc = 0;
  std::string text;
  if (json.is_discarded() || !json.is_object() || !Read(json, "base", &chunk.number) ||
      !Read(json, "idx", &chunk.base.idx) ||
      !Read(json, "modelVersion", &chunk.base.model_version) ||
      !Read(json, "chunks", &chunk.base.chunks) || !Read(json, "size", &chunk.base.bytes) ||
      !Read(json, "baseCrc32c", &chunk.base.crc32c) || !Read(json, "crc32c", &crc) ||
      !Read(json, "bytes", &text)) {
    return NoEvent("it is no part of the base, which a log with a floor begins with");
  }
  auto bytes = FromBase64(text);
  if (!bytes || bytes->empty() || bytes->size() > kBaseChunkBytes || Crc32c(*bytes) != crc) {
    return Error{Errc::kCorrupt, "the base does not match its checksum: the line was changed"};
  }
  chunk.bytes = std::move(*bytes);
  return chunk;
}

std::string EventLine(const StoredEvent& event) {
  const auto json = FaithfulJson(event);
  if (!json) return EnvelopeLine(event);
  return "{\"crc32c\":" + std::to_string(event.crc32c) + ",\"epoch\":\"" +
         std::to_string(event.epoch) + "\",\"event\":" + *json + "}";
}

Result<StoredEvent> ParseEventLine(const std::string& line) {
  const ordered_json json = ordered_json::parse(line, nullptr, false);
  if (json.is_discarded() || !json.is_object()) return NoEvent("it is not a JSON object");
  uint32_t crc = 0;
  int64_t epoch = 0;
  if (!Read(json, "crc32c", &crc) || !Read(json, "epoch", &epoch)) {
    return NoEvent("it has no crc32c and epoch");
  }
  const auto inner = json.find("event");
  ASSIGN_OR_RETURN(StoredEvent event, inner == json.end() ? FromEnvelope(json) : FromJson(*inner));
  if (event.crc32c != crc) {
    return Error{Errc::kCorrupt, "idx " + std::to_string(event.idx) +
                                     " does not match its checksum: the line was changed"};
  }
  event.epoch = epoch;
  return event;
}

std::string EventJson(const StoredEvent& event) {
  const auto decoded = DecodeEvent(event);
  const auto json = decoded.ok() ? JsonOfPayload(event.payload) : std::nullopt;
  return json ? *json : EnvelopeLine(event);
}

}  // namespace databuild
