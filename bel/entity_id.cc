#include "bel/entity_id.h"

#include "bel/base/hash.h"

namespace databuild {
namespace {

uint64_t HashUuid(const UuidBytes& uuid) {
  uint64_t words[2];
  std::memcpy(words, uuid.data(), sizeof words);
  return HashWords(words[0], words[1], 0);
}

}  // namespace

IdKey::IdKey(std::string_view text) : text_(text) {
  const auto parsed = ParseCanonicalUuid(text);
  is_uuid_ = parsed && ((*parsed)[8] & 0xc0) == 0x80;
  if (is_uuid_) uuid_ = *parsed;
  hash_ = is_uuid_ ? HashUuid(uuid_) : HashBytes(text, 1);
}

void EntityId::Set(const IdKey& key) {
  const std::string* const before = Text();
  bytes_ = key.uuid();
  if (!key.is_uuid() && !key.text().empty()) {
    const auto* const text = new std::string(key.text());
    bytes_ = {};
    std::memcpy(bytes_.data(), &text, sizeof text);
  }
  delete before;
}

void EntityId::Copy(const EntityId& other) {
  const std::string* const text = other.Text();
  if (text != nullptr) return Set(IdKey(*text));
  delete Text();
  bytes_ = other.bytes_;
}

std::string EntityId::str() const {
  if (is_uuid()) return FormatUuid(bytes_);
  const std::string* const text = Text();
  return text == nullptr ? std::string() : *text;
}

uint64_t EntityId::hash() const {
  if (is_uuid()) return HashUuid(bytes_);
  const std::string* const text = Text();
  return HashBytes(text == nullptr ? std::string_view() : *text, 1);
}

bool EntityId::Is(const IdKey& key) const {
  if (is_uuid() || key.is_uuid()) return bytes_ == key.uuid() && is_uuid() == key.is_uuid();
  const std::string* const text = Text();
  return (text == nullptr ? std::string_view() : *text) == key.text();
}

}  // namespace databuild
