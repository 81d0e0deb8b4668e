// JSON as a job may print it: read strictly, without recursion beyond a fixed depth or allocation
// per value.
//
// A JsonTape is a flat list of nodes in document order; it keeps no copy of the text, which must
// outlive it. One tape is reused for every line. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace databuild::exec {

inline constexpr int kJsonDepthMax = 32;

enum class JsonType : uint8_t { kNull, kFalse, kTrue, kNumber, kString, kObject, kArray };

struct JsonNode {
  JsonType type;
  bool escaped;    // a string that contains a backslash
  uint32_t begin;  // bytes of the value in the text; of a string: between its quotes
  uint32_t end;
  uint32_t next;  // index of the node after this one and all that is inside it
};

class JsonTape {
 public:
  // False unless `text` is exactly one JSON value (RFC 8259, white space around it allowed) no
  // deeper than kJsonDepthMax and with at most `nodes_max` nodes (keys count). Text of 4 GiB and
  // more is refused.
  bool Parse(std::string_view text, size_t nodes_max);

  const JsonNode& operator[](uint32_t index) const { return nodes_[index]; }
  const JsonNode& root() const { return nodes_[0]; }

  // The text of a value as it stands there (a string without its quotes).
  std::string_view Raw(uint32_t index) const;
  // A string's value with its escapes undone; a lone surrogate becomes U+FFFD. `scratch` holds the
  // result if there was anything to undo.
  std::string_view String(uint32_t index, std::string* scratch) const;

  // Members of an object: for (uint32_t key = First(o); key != End(o); key = NextMember(key)),
  // the value is at key + 1. Elements of an array: next = (*this)[element].next.
  uint32_t First(uint32_t container) const { return container + 1; }
  uint32_t End(uint32_t container) const { return nodes_[container].next; }
  uint32_t NextMember(uint32_t key) const { return nodes_[key + 1].next; }
  // The value of the last member with this key, 0 if there is none.
  uint32_t Find(uint32_t object, std::string_view key) const;

 private:
  bool ParseValue(int depth);
  bool ParseObject(int depth);
  bool ParseArray(int depth);
  bool ParseString();
  bool ParseNumber();
  bool ParseLiteral(std::string_view word, JsonType type);
  void SkipSpace();
  bool Take(char c);
  uint32_t Open(JsonType type);

  std::string_view text_;
  size_t at_ = 0;
  size_t nodes_max_ = 0;
  std::vector<JsonNode> nodes_;
};

}  // namespace databuild::exec
