#include "controller/logs/log_receipt.h"

#include <charconv>
#include <nlohmann/json.hpp>

namespace databuild {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxReceiptBytes = 12'288;

std::optional<int64_t> Number(const Json& object, const char* key) {
  const auto member = object.find(key);
  if (member == object.end()) return std::nullopt;
  if (member->is_number_integer()) return member->get<int64_t>();
  if (!member->is_string()) return std::nullopt;
  const auto& text = member->get_ref<const std::string&>();
  int64_t value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string Text(const Json& object, const char* key) {
  const auto member = object.find(key);
  return member != object.end() && member->is_string() ? member->get<std::string>() : "";
}

}  // namespace

std::optional<LogReceipt> ParseLogReceipt(const std::string& text,
                                          std::optional<int32_t> exit_code) {
  if (text.empty() || text.size() > kMaxReceiptBytes) return std::nullopt;
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return std::nullopt;
  const auto status = Number(json, "exitStatus");
  const auto last = Number(json, "lastSequence");
  if (!status || !exit_code || *status != *exit_code || !last || *last < 0) return std::nullopt;
  LogReceipt receipt;
  receipt.last_sequence = *last;
  if (const auto digest = json.find("digest"); digest != json.end() && digest->is_object()) {
    receipt.crc32c = Text(*digest, "crc32c");
    receipt.sha256 = Text(*digest, "sha256");
  }
  if (const auto dropped = json.find("dropped"); dropped != json.end() && dropped->is_object()) {
    const auto lines = Number(*dropped, "lines");
    if (lines && *lines > 0) receipt.dropped_lines = static_cast<uint64_t>(*lines);
  }
  return receipt;
}

}  // namespace databuild
