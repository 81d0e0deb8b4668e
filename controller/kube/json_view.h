// Reading foreign JSON without exceptions: total accessors over a parsed document.
//
// A view of something that is absent, or of another type than asked for, answers with the fallback.
// So a codec never fails on a missing field; it checks what it cannot do without.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "bel/base/result.h"

namespace databuild::kube {

// A value inside the document of a JsonParser; cheap to copy, valid until that parser parses again.
class JsonView {
 public:
  JsonView() = default;  // a value that does not exist

  bool exists() const { return exists_; }
  bool is_object() const;
  bool is_array() const;
  bool is_string() const;

  // The member of an object; does not exist if there is none or this is no object.
  JsonView operator[](std::string_view key) const;

  std::string_view Text(std::string_view fallback = {}) const;
  std::string Str() const { return std::string(Text()); }
  std::optional<int64_t> Int() const;
  bool Bool(bool fallback = false) const;

  // Nothing is called for a value of another type.
  void ForEachItem(const std::function<void(const JsonView&)>& visit) const;
  void ForEachField(const std::function<void(std::string_view key, const JsonView&)>& visit) const;

  // The value as compact JSON; empty if it does not exist.
  std::string Json() const;

 private:
  friend class JsonParser;
  std::array<uint64_t, 2> element_{};  // the parsed element's handle, opaque here
  bool exists_ = false;
};

// Owns a parsed document. One thread at a time.
class JsonParser {
 public:
  JsonParser();
  ~JsonParser();
  JsonParser(const JsonParser&) = delete;
  JsonParser& operator=(const JsonParser&) = delete;

  // Invalidates the views of the document before. Errors: kCorrupt, with the offset's reason.
  Result<JsonView> Parse(std::string_view text);

 private:
  struct Document;
  std::unique_ptr<Document> document_;
};

}  // namespace databuild::kube
