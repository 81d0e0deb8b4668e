#include "controller/kube/json_view.h"

#include <simdjson.h>

#include <bit>
#include <cstring>

namespace databuild::kube {

namespace dom = simdjson::dom;

namespace {

// A document that once held a large list must not keep its buffers for small frames.
constexpr size_t kKeepCapacity = 1024 * 1024;

static_assert(sizeof(dom::element) == sizeof(std::array<uint64_t, 2>));
static_assert(std::is_trivially_copyable_v<dom::element>);

dom::element ToElement(const std::array<uint64_t, 2>& handle) {
  dom::element element;
  std::memcpy(static_cast<void*>(&element), &handle, sizeof(element));
  return element;
}

std::array<uint64_t, 2> ToHandle(const dom::element& element) {
  std::array<uint64_t, 2> handle{};
  std::memcpy(&handle, static_cast<const void*>(&element), sizeof(element));
  return handle;
}

}  // namespace

struct JsonParser::Document {
  dom::parser parser;
  std::string padded;
};

JsonParser::JsonParser() : document_(std::make_unique<Document>()) {}
JsonParser::~JsonParser() = default;

Result<JsonView> JsonParser::Parse(std::string_view text) {
  if (document_->padded.capacity() > kKeepCapacity && text.size() < kKeepCapacity)
    document_ = std::make_unique<Document>();
  document_->padded.reserve(text.size() + simdjson::SIMDJSON_PADDING);
  document_->padded.assign(text);
  dom::element root;
  auto code = document_->parser.parse(document_->padded.data(), text.size(), false).get(root);
  if (code != simdjson::SUCCESS) {
    return Error{Errc::kCorrupt, "cannot parse " + std::to_string(text.size()) +
                                     " bytes as JSON: " + simdjson::error_message(code)};
  }
  JsonView view;
  view.element_ = ToHandle(root);
  view.exists_ = true;
  return view;
}

bool JsonView::is_object() const { return exists_ && ToElement(element_).is_object(); }
bool JsonView::is_array() const { return exists_ && ToElement(element_).is_array(); }
bool JsonView::is_string() const { return exists_ && ToElement(element_).is_string(); }

JsonView JsonView::operator[](std::string_view key) const {
  JsonView view;
  dom::object object;
  dom::element found;
  if (!is_object() || ToElement(element_).get(object) != simdjson::SUCCESS) return view;
  if (object.at_key(key).get(found) != simdjson::SUCCESS || found.is_null()) return view;
  view.element_ = ToHandle(found);
  view.exists_ = true;
  return view;
}

std::string_view JsonView::Text(std::string_view fallback) const {
  std::string_view text;
  if (!exists_ || ToElement(element_).get(text) != simdjson::SUCCESS) return fallback;
  return text;
}

std::optional<int64_t> JsonView::Int() const {
  int64_t number = 0;
  if (!exists_ || ToElement(element_).get(number) != simdjson::SUCCESS) return std::nullopt;
  return number;
}

bool JsonView::Bool(bool fallback) const {
  bool value = fallback;
  if (!exists_ || ToElement(element_).get(value) != simdjson::SUCCESS) return fallback;
  return value;
}

void JsonView::ForEachItem(const std::function<void(const JsonView&)>& visit) const {
  dom::array array;
  if (!is_array() || ToElement(element_).get(array) != simdjson::SUCCESS) return;
  for (dom::element item : array) {
    JsonView view;
    view.element_ = ToHandle(item);
    view.exists_ = true;
    visit(view);
  }
}

void JsonView::ForEachField(
    const std::function<void(std::string_view, const JsonView&)>& visit) const {
  dom::object object;
  if (!is_object() || ToElement(element_).get(object) != simdjson::SUCCESS) return;
  for (dom::key_value_pair field : object) {
    JsonView view;
    view.element_ = ToHandle(field.value);
    view.exists_ = true;
    visit(field.key, view);
  }
}

std::string JsonView::Json() const {
  if (!exists_) return {};
  return simdjson::minify(ToElement(element_));
}

}  // namespace databuild::kube
