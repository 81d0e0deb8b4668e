// The id of an instance, run, build, want or taint: 16 bytes for a UUID as every release writes it
// (lower case, RFC 4122 variant), a text of its own for anything else that a log may name.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "bel/base/uuid.h"

namespace databuild {

// An id that is looked for: parsed and hashed once, nothing copied.
class IdKey {
 public:
  explicit IdKey(std::string_view text);
  std::string_view text() const { return text_; }
  uint64_t hash() const { return hash_; }
  bool is_uuid() const { return is_uuid_; }
  const UuidBytes& uuid() const { return uuid_; }

 private:
  std::string_view text_;
  UuidBytes uuid_{};
  bool is_uuid_ = false;
  uint64_t hash_ = 0;
};

class EntityId {
 public:
  EntityId() = default;
  explicit EntityId(const IdKey& key) { Set(key); }
  explicit EntityId(std::string_view text) { Set(IdKey(text)); }
  // Empty unless the UUID is of RFC 4122's variant.
  explicit EntityId(const UuidBytes& uuid) {
    if ((uuid[8] & 0xc0) == 0x80) bytes_ = uuid;
  }
  EntityId(const EntityId& other) { Copy(other); }
  EntityId(EntityId&& other) noexcept : bytes_(std::exchange(other.bytes_, UuidBytes{})) {}
  EntityId& operator=(const EntityId& other) {
    if (this != &other) Copy(other);
    return *this;
  }
  EntityId& operator=(EntityId&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~EntityId() { delete Text(); }

  std::string str() const;
  operator std::string() const { return str(); }  // NOLINT: an id is a text to all but the fold
  bool empty() const { return !is_uuid() && Text() == nullptr; }
  bool is_uuid() const { return (bytes_[8] & 0xc0) == 0x80; }
  const UuidBytes& uuid() const { return bytes_; }
  uint64_t hash() const;
  bool Is(const IdKey& key) const;

  friend bool operator==(const EntityId& a, std::string_view b) { return a.Is(IdKey(b)); }
  friend bool operator==(const EntityId& a, const std::string& b) { return a.Is(IdKey(b)); }
  friend bool operator==(const EntityId& a, const char* b) { return a.Is(IdKey(b)); }
  friend bool operator==(const EntityId& a, const EntityId& b) {
    return a.bytes_ == b.bytes_ || (!a.is_uuid() && !b.is_uuid() && a.str() == b.str());
  }
  friend std::string operator+(std::string a, const EntityId& b) { return a += b.str(); }
  template <class Out>
  friend Out& operator<<(Out& out, const EntityId& id) {
    return out << id.str();
  }

 private:
  void Set(const IdKey& key);
  void Copy(const EntityId& other);
  // Of an id that is no UUID; none: it is empty.
  const std::string* Text() const {
    if (is_uuid()) return nullptr;
    const std::string* text = nullptr;
    std::memcpy(&text, bytes_.data(), sizeof text);
    return text;
  }

  UuidBytes bytes_{};  // or a pointer to the text and zeros: no UUID has a zero at byte 8
};

}  // namespace databuild
