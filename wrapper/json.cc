#include "wrapper/json.h"

#include <limits>

namespace databuild::exec {
namespace {

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The four hex digits at text[at..], which ParseString has already seen to be there.
uint32_t FourHex(std::string_view text, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) {
    value = value * 16 + static_cast<uint32_t>(HexValue(text[at + i]));
  }
  return value;
}

void AppendUtf8(uint32_t point, std::string* out) {
  if (point < 0x80) {
    out->push_back(static_cast<char>(point));
  } else if (point < 0x800) {
    out->push_back(static_cast<char>(0xc0 | (point >> 6)));
    out->push_back(static_cast<char>(0x80 | (point & 0x3f)));
  } else if (point < 0x10000) {
    out->push_back(static_cast<char>(0xe0 | (point >> 12)));
    out->push_back(static_cast<char>(0x80 | ((point >> 6) & 0x3f)));
    out->push_back(static_cast<char>(0x80 | (point & 0x3f)));
  } else {
    out->push_back(static_cast<char>(0xf0 | (point >> 18)));
    out->push_back(static_cast<char>(0x80 | ((point >> 12) & 0x3f)));
    out->push_back(static_cast<char>(0x80 | ((point >> 6) & 0x3f)));
    out->push_back(static_cast<char>(0x80 | (point & 0x3f)));
  }
}

// The \uXXXX at raw[at..] (at: the backslash) and its low surrogate if it has one. Returns its
// length.
size_t AppendUnicodeEscape(std::string_view raw, size_t at, std::string* out) {
  const uint32_t first = FourHex(raw, at + 2);
  if (first < 0xd800 || first > 0xdfff) {
    AppendUtf8(first, out);
    return 6;
  }
  if (first < 0xdc00 && at + 12 <= raw.size() && raw[at + 6] == '\\' && raw[at + 7] == 'u') {
    const uint32_t second = FourHex(raw, at + 8);
    if (second >= 0xdc00 && second <= 0xdfff) {
      AppendUtf8(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00), out);
      return 12;
    }
  }
  AppendUtf8(0xfffd, out);
  return 6;
}

}  // namespace

bool JsonTape::Parse(std::string_view text, size_t nodes_max) {
  text_ = text;
  at_ = 0;
  nodes_max_ = nodes_max;
  nodes_.clear();
  if (text.size() >= std::numeric_limits<uint32_t>::max()) return false;
  SkipSpace();
  if (!ParseValue(0)) return false;
  SkipSpace();
  return at_ == text_.size();
}

std::string_view JsonTape::Raw(uint32_t index) const {
  const JsonNode& node = nodes_[index];
  return text_.substr(node.begin, node.end - node.begin);
}

std::string_view JsonTape::String(uint32_t index, std::string* scratch) const {
  const std::string_view raw = Raw(index);
  if (!nodes_[index].escaped) return raw;
  scratch->clear();
  for (size_t i = 0; i < raw.size();) {
    if (raw[i] != '\\') {
      scratch->push_back(raw[i++]);
      continue;
    }
    switch (raw[i + 1]) {
      case 'b':
        scratch->push_back('\b');
        break;
      case 'f':
        scratch->push_back('\f');
        break;
      case 'n':
        scratch->push_back('\n');
        break;
      case 'r':
        scratch->push_back('\r');
        break;
      case 't':
        scratch->push_back('\t');
        break;
      case 'u':
        i += AppendUnicodeEscape(raw, i, scratch);
        continue;
      default:
        scratch->push_back(raw[i + 1]);
        break;
    }
    i += 2;
  }
  return *scratch;
}

uint32_t JsonTape::Find(uint32_t object, std::string_view key) const {
  uint32_t found = 0;
  std::string scratch;
  for (uint32_t at = First(object); at != End(object); at = NextMember(at)) {
    if (String(at, &scratch) == key) found = at + 1;
  }
  return found;
}

bool JsonTape::ParseValue(int depth) {
  if (at_ == text_.size() || nodes_.size() >= nodes_max_) return false;
  switch (text_[at_]) {
    case '{':
      return ParseObject(depth + 1);
    case '[':
      return ParseArray(depth + 1);
    case '"':
      return ParseString();
    case 't':
      return ParseLiteral("true", JsonType::kTrue);
    case 'f':
      return ParseLiteral("false", JsonType::kFalse);
    case 'n':
      return ParseLiteral("null", JsonType::kNull);
    default:
      return ParseNumber();
  }
}

bool JsonTape::ParseObject(int depth) {
  if (depth > kJsonDepthMax) return false;
  const uint32_t self = Open(JsonType::kObject);
  ++at_;
  SkipSpace();
  if (!Take('}')) {
    do {
      SkipSpace();
      if (at_ == text_.size() || text_[at_] != '"' || nodes_.size() >= nodes_max_) return false;
      if (!ParseString()) return false;
      SkipSpace();
      if (!Take(':')) return false;
      SkipSpace();
      if (!ParseValue(depth)) return false;
      SkipSpace();
    } while (Take(','));
    if (!Take('}')) return false;
  }
  nodes_[self].end = static_cast<uint32_t>(at_);
  nodes_[self].next = static_cast<uint32_t>(nodes_.size());
  return true;
}

bool JsonTape::ParseArray(int depth) {
  if (depth > kJsonDepthMax) return false;
  const uint32_t self = Open(JsonType::kArray);
  ++at_;
  SkipSpace();
  if (!Take(']')) {
    do {
      SkipSpace();
      if (!ParseValue(depth)) return false;
      SkipSpace();
    } while (Take(','));
    if (!Take(']')) return false;
  }
  nodes_[self].end = static_cast<uint32_t>(at_);
  nodes_[self].next = static_cast<uint32_t>(nodes_.size());
  return true;
}

bool JsonTape::ParseString() {
  const uint32_t self = Open(JsonType::kString);
  const size_t begin = ++at_;
  bool escaped = false;
  for (;; ++at_) {
    if (at_ == text_.size()) return false;
    const auto c = static_cast<unsigned char>(text_[at_]);
    if (c == '"') break;
    if (c < 0x20) return false;
    if (c != '\\') continue;
    escaped = true;
    if (++at_ == text_.size()) return false;
    if (text_[at_] == 'u') {
      for (size_t i = 1; i <= 4; ++i) {
        if (at_ + i >= text_.size() || HexValue(text_[at_ + i]) < 0) return false;
      }
      at_ += 4;
    } else if (std::string_view("\"\\/bfnrt").find(text_[at_]) == std::string_view::npos) {
      return false;
    }
  }
  nodes_[self] = {JsonType::kString, escaped, static_cast<uint32_t>(begin),
                  static_cast<uint32_t>(at_), self + 1};
  ++at_;
  return true;
}

bool JsonTape::ParseNumber() {
  const auto digits = [this] {
    const size_t start = at_;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
    return at_ - start;
  };
  const uint32_t self = Open(JsonType::kNumber);
  Take('-');
  const size_t whole = at_;
  const size_t count = digits();
  if (count == 0 || (count > 1 && text_[whole] == '0')) return false;
  if (Take('.') && digits() == 0) return false;
  if (Take('e') || Take('E')) {
    if (!Take('+')) Take('-');
    if (digits() == 0) return false;
  }
  nodes_[self].end = static_cast<uint32_t>(at_);
  return true;
}

bool JsonTape::ParseLiteral(std::string_view word, JsonType type) {
  if (text_.substr(at_, word.size()) != word) return false;
  const uint32_t self = Open(type);
  at_ += word.size();
  nodes_[self].end = static_cast<uint32_t>(at_);
  return true;
}

void JsonTape::SkipSpace() {
  while (at_ < text_.size() &&
         (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) {
    ++at_;
  }
}

bool JsonTape::Take(char c) {
  if (at_ == text_.size() || text_[at_] != c) return false;
  ++at_;
  return true;
}

uint32_t JsonTape::Open(JsonType type) {
  const auto self = static_cast<uint32_t>(nodes_.size());
  nodes_.push_back({type, false, static_cast<uint32_t>(at_), 0, self + 1});
  return self;
}

}  // namespace databuild::exec
