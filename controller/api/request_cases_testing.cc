#include "controller/api/request_cases_testing.h"

#include <algorithm>
#include <cctype>
#include <limits>
#include <map>
#include <set>

namespace databuild {
namespace {

namespace pb = google::protobuf;
using Json = nlohmann::json;

constexpr size_t kLongList = 10'000;
constexpr int kVarint = 0, kBytes = 2;

std::string Varint(uint64_t value) {
  std::string out;
  for (; value >= 128; value >>= 7) out.push_back(static_cast<char>((value & 127) | 128));
  out.push_back(static_cast<char>(value));
  return out;
}

std::string Tag(int number, int type) {
  return Varint(static_cast<uint64_t>(number) << 3 | static_cast<uint64_t>(type));
}

std::string Bytes(int number, const std::string& bytes) {
  return Tag(number, kBytes) + Varint(bytes.size()) + bytes;
}

std::string Number(int number, uint64_t value) { return Tag(number, kVarint) + Varint(value); }

bool IsPage(const std::string& name) {
  return name == "page_size" || name == "limit" || name == "offset";
}

// Texts that are checked by more than their type.
bool IsChecked(const std::string& name) {
  return name == "page_token" || name.find("pattern") != std::string::npos ||
         name == "build_status" || name == "status_filter";
}

// A request's field as one step of a path: the value's type of a map.
const pb::Descriptor* MessageOf(const pb::FieldDescriptor& field) {
  if (field.is_map()) return field.message_type()->map_value()->message_type();
  return field.message_type();
}

bool IsRef(const pb::FieldDescriptor& field) {
  return field.message_type() != nullptr && field.message_type()->name() == "PartitionRef";
}

// All values of one field.
class Values {
 public:
  Values(const pb::FieldDescriptor& field, size_t huge_text, bool top)
      : field_(field), number_(field.number()), huge_text_(huge_text), top_(top) {}

  std::vector<FieldValue> All() {
    if (field_.is_map()) {
      Map();
    } else if (field_.message_type() != nullptr) {
      OfMessage();
    } else if (field_.enum_type() != nullptr) {
      OfEnum();
    } else if (field_.cpp_type() == pb::FieldDescriptor::CPPTYPE_BOOL) {
      Bool();
    } else if (field_.cpp_type() == pb::FieldDescriptor::CPPTYPE_STRING) {
      Text();
    } else {
      Numbers();
    }
    if (field_.is_repeated() && !field_.is_map()) Lists();
    return std::move(values_);
  }

 private:
  // Refused by what it is; handlers of calls inside a batch answer for their own entry.
  Expect Checked(bool refused) const {
    return refused && top_ ? Expect::kRefused : Expect::kNoFault;
  }
  FieldValue& Add(const std::string& kind, Expect expect) {
    values_.push_back({kind, expect, {}, {}, {}});
    return values_.back();
  }
  Json Wrap(Json value) const {
    return field_.is_repeated() ? Json::array({std::move(value)}) : std::move(value);
  }
  void WrongJson(const std::string& kind, Json value) {
    Add("bad: " + kind, Expect::kRefused).json = Wrap(std::move(value));
  }

  void Text() {
    const std::string good = KnownText(field_.name()).value_or("some text");
    AddText("good", KnownText(field_.name()) ? Expect::kAnswered : Expect::kNoFault, good);
    AddText("empty", Expect::kNoFault, "");
    AddText("bad: signs", Checked(IsChecked(field_.name())), "\x01(*[\\%{**");
    AddText("bad: a NUL", Checked(field_.name() == "page_token"), std::string("a\0b", 3));
    AddText("huge", Checked(IsChecked(field_.name())), std::string(huge_text_, 'x'));
    WrongJson("a number", 7);
    WrongJson("an object", Json::object());
    FieldValue& bytes = Add("bad: not UTF-8", Expect::kRefused);
    bytes.texts = {"\xff\xc0\xaf"};
    bytes.wire = Bytes(number_, "\xff\xc0\xaf");
    Add("bad: a number on the wire", Expect::kRefused).wire = Number(number_, 7);
  }
  void AddText(const std::string& kind, Expect expect, const std::string& text) {
    FieldValue& value = Add(kind, expect);
    value.json = Wrap(text);
    value.texts = {text};
    value.wire = Bytes(number_, text);
  }

  void Numbers() {
    const auto type = field_.cpp_type();
    const bool is_signed =
        type == pb::FieldDescriptor::CPPTYPE_INT32 || type == pb::FieldDescriptor::CPPTYPE_INT64;
    const bool wide =
        type == pb::FieldDescriptor::CPPTYPE_INT64 || type == pb::FieldDescriptor::CPPTYPE_UINT64;
    const uint64_t most = is_signed ? (wide ? INT64_MAX : INT32_MAX)
                                    : (wide ? UINT64_MAX : std::numeric_limits<uint32_t>::max());
    AddNumber("good", Expect::kAnswered, 1);
    AddNumber("empty", Expect::kNoFault, 0);
    AddNumber("huge", Checked(IsPage(field_.name()) || field_.name() == "wait_ms"), most);
    FieldValue& negative = Add("bad: negative", Expect::kNoFault);
    negative.expect = is_signed ? Checked(IsPage(field_.name()) || field_.name() == "wait_ms" ||
                                          field_.name() == "since_idx")
                                : Expect::kRefused;
    negative.json = Wrap(-1);
    negative.texts = {"-1"};
    if (is_signed) negative.wire = Number(number_, static_cast<uint64_t>(int64_t{-1}));
    for (const Json& wrong : {Json("x"), Json(1.5), Json(1e30), Json::object(), Json(true)})
      WrongJson(wrong.dump(), wrong);
    for (const char* wrong : {"x", "1.5", "99999999999999999999", " 1", "0x1"})
      Add("bad: " + std::string(wrong), Expect::kRefused).texts = {wrong};
    Add("bad: text on the wire", Expect::kRefused).wire = Bytes(number_, "\xff\xff\xff");
  }
  void AddNumber(const std::string& kind, Expect expect, uint64_t number) {
    FieldValue& value = Add(kind, expect);
    value.json = Wrap(number);
    value.texts = {std::to_string(number)};
    value.wire = Number(number_, number);
  }

  void Bool() {
    for (const bool good : {true, false}) {
      FieldValue& value = Add(good ? "good" : "empty", Expect::kAnswered);
      value.json = Wrap(good);
      value.texts = {good ? "true" : "false"};
      value.wire = Number(number_, good);
    }
    for (const Json& wrong : {Json("yes"), Json(2), Json::object()}) WrongJson(wrong.dump(), wrong);
    Add("bad: yes", Expect::kRefused).texts = {"yes"};
    Add("bad: text on the wire", Expect::kRefused).wire = Bytes(number_, "yes");
  }

  void OfEnum() {
    for (int i = 0; i < field_.enum_type()->value_count(); ++i) {
      const auto& known = *field_.enum_type()->value(i);
      FieldValue& value = Add((i == 0 ? "empty " : "good ") + known.name(),
                              i == 0 ? Expect::kNoFault : Expect::kAnswered);
      value.json = Wrap(known.name());
      value.texts = {known.name()};
      value.wire = Number(number_, static_cast<uint64_t>(known.number()));
    }
    WrongJson("vanished", "vanished");
    WrongJson("an object", Json::object());
    Add("bad: vanished", Expect::kRefused).texts = {"vanished"};
    for (const uint64_t number : {uint64_t{12'345}, uint64_t{INT32_MAX}}) {
      FieldValue& value = Add("huge " + std::to_string(number), Expect::kRefused);
      value.json = Wrap(number);
      value.texts = {std::to_string(number)};
      value.wire = Number(number_, number);
    }
    if (!field_.is_repeated())
      Add("bad: text on the wire", Expect::kRefused).wire = Bytes(number_, "x");
  }

  void OfMessage() {
    FieldValue& empty = Add("empty", Expect::kNoFault);
    empty.json = Wrap(Json::object());
    empty.wire = Bytes(number_, "");
    if (IsRef(field_)) {
      const std::string good = KnownText("ref").value();
      FieldValue& value = Add("good", Expect::kAnswered);
      value.json = Wrap({{"str", good}});
      value.texts = {good};
      value.wire = Bytes(number_, Bytes(1, good));
    } else {
      Add("bad: in a query", Expect::kRefused).texts = {"x"};
    }
    for (const Json& wrong : {Json(7), Json("x"), Json::array({Json::array()})})
      WrongJson(wrong.dump(), wrong);
    Add("bad: a number on the wire", Expect::kRefused).wire = Number(number_, 7);
    Add("bad: cut on the wire", Expect::kRefused).wire = Tag(number_, kBytes) + Varint(100) + "x";
  }

  void Map() {
    const std::string entry = Bytes(1, "k") + Bytes(2, "");
    FieldValue& empty = Add("empty", Expect::kNoFault);
    empty.json = Json::object({{"k", Json::object()}});
    empty.wire = Bytes(number_, entry);
    FieldValue& huge = Add("huge", Expect::kRefused);  // maps of requests are bounded
    huge.json = Json::object();
    huge.wire = "";
    for (size_t i = 0; i < kLongList; ++i) {
      (*huge.json)[std::to_string(i)] = Json::object();
      *huge.wire += Bytes(number_, Bytes(1, std::to_string(i)) + Bytes(2, ""));
    }
    Add("bad: a list", Expect::kRefused).json = Json::array();
    Add("bad: a null in it", Expect::kRefused).json = Json::object({{"k", nullptr}});
    Add("bad: a number in it", Expect::kRefused).json = Json::object({{"k", 7}});
    Add("bad: a number on the wire", Expect::kRefused).wire = Number(number_, 7);
  }

  // Of the first good value, many.
  void Lists() {
    Add("bad: no list", Expect::kRefused).json = 7;
    Add("bad: a null in it", Expect::kRefused).json = Json::array({nullptr});
    Add("empty list", Expect::kNoFault).json = Json::array();
    const auto good = std::find_if(values_.begin(), values_.end(), [](const FieldValue& value) {
      return value.json && value.wire && (value.kind.starts_with("good") || value.kind == "empty");
    });
    const FieldValue one = *good;
    FieldValue& huge = Add("huge list", Expect::kNoFault);
    huge.json = Json::array();
    huge.wire = "";
    for (size_t i = 0; i < kLongList; ++i) {
      huge.json->push_back((*one.json)[0]);
      *huge.wire += *one.wire;
    }
    if (one.texts) huge.texts = std::vector<std::string>(kLongList, one.texts->front());
  }

  const pb::FieldDescriptor& field_;
  const int number_;
  const size_t huge_text_;
  const bool top_;
  std::vector<FieldValue> values_;
};

// Walks a request's type and those of its fields; a type that holds itself is entered once.
class PathWalk {
 public:
  explicit PathWalk(size_t depth) : depth_(depth) {}

  void Enter(const pb::Descriptor& type) {
    if (!within_.insert(&type).second) return;
    for (int i = 0; i < type.field_count(); ++i) {
      path_.push_back(type.field(i));
      all.push_back(path_);
      const pb::Descriptor* inner = MessageOf(*type.field(i));
      if (inner != nullptr && path_.size() < depth_) Enter(*inner);
      path_.pop_back();
    }
    within_.erase(&type);
  }

  std::vector<FieldPath> all;

 private:
  const size_t depth_;
  FieldPath path_;
  std::set<const pb::Descriptor*> within_;
};

}  // namespace

std::optional<std::string> KnownText(const std::string& field) {
  static const std::map<std::string, std::string> kKnown = {
      {"graph", "sales"},
      {"want_id", "s1-want"},
      {"want_ids", "s1-want"},
      {"triggering_want_ids", "s1-want"},
      {"names", "s1"},
      {"taint_id", "s1-taint"},
      {"taint_ids", "s1-taint"},
      {"build_id", "s1-build"},
      {"build_request_id", "s1-build"},
      {"build_request_ids", "s1-build"},
      {"build_reqeust_ids", "s1-build"},
      {"build_status", "completed"},
      {"status_filter", "failed"},
      {"job_label", "//s1"},
      {"job_labels", "//s1"},
      {"run_jobs", "//s1"},
      {"job_run_id", "s1-run"},
      {"job_run_ids", "s1-run"},
      {"ref", "s1/a"},
      {"str", "s1/a"},
      {"partition", "s1/a"},
      {"partitions", "s1/a"},
      {"partition_ref", "s1/a"},
      {"partition_refs", "s1/a"},
      {"built_partition", "s1/a"},
      {"output_partition", "s1/a"},
      {"built_partition_refs", "s1/a"},
      {"last_partition", "s1/a"},
      {"partition_patterns", "s1/*"},
      {"ref_pattern", "^s[0-9]+/a$"},
      {"ref_prefix", "s1"},
      {"search", "s1"},
      {"comment_contains", "s1"},
  };
  const auto found = kKnown.find(field);
  return found == kKnown.end() ? std::nullopt : std::optional(found->second);
}

std::vector<FieldPath> FieldPaths(const pb::Descriptor& request, size_t depth) {
  PathWalk walk(depth);
  walk.Enter(request);
  return std::move(walk.all);
}

std::vector<FieldValue> ValuesOf(const FieldPath& path, size_t huge_text) {
  auto values = Values(*path.back(), huge_text, path.size() == 1).All();
  // What is good by itself may lack company inside a message.
  for (FieldValue& value : values) {
    if (path.size() > 1 && value.expect == Expect::kAnswered) value.expect = Expect::kNoFault;
  }
  return values;
}

std::string PlainName(const std::string& field) {
  std::string plain;
  bool in_brackets = false;
  for (const char c : field) {
    if (c == '[') in_brackets = true;
    if (!in_brackets && c != '_')
      plain.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
    if (c == ']') in_brackets = false;
  }
  return plain;
}

std::string PlainName(const FieldPath& path) {
  std::string name;
  for (const auto* field : path) {
    name += (name.empty() ? "" : ".") + field->name();
    if (field->is_map()) name += ".k";
  }
  return PlainName(name);
}

void PutJson(const FieldPath& path, const Json& value, Json& request) {
  Json* at = &request;
  for (size_t i = 0; i < path.size(); ++i) {
    Json& here = (*at)[path[i]->json_name()];
    if (i + 1 == path.size()) {
      here = value;
    } else if (path[i]->is_map()) {
      at = &here["k"];
    } else if (path[i]->is_repeated()) {
      here = Json::array({Json::object()});
      at = &here[0];
    } else {
      at = &here;
    }
  }
}

std::string PutWire(const FieldPath& path, const std::string& wire) {
  std::string bytes = wire;
  for (size_t i = path.size() - 1; i > 0; --i) {
    const pb::FieldDescriptor& field = *path[i - 1];
    if (field.is_map()) bytes = Bytes(1, "k") + Bytes(2, bytes);
    bytes = Bytes(field.number(), bytes);
  }
  return bytes;
}

}  // namespace databuild
