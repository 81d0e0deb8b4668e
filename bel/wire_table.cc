#include "bel/wire_table.h"

#include <google/protobuf/descriptor.h>

#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <new>

#include "bel/base/check.h"
#include "bel/wire_bytes.h"

namespace databuild {
namespace {

using Body = std::string_view;

// The value of a field nobody knows.
bool SkipValue(const char*& at, const char* end, uint32_t tag, int depth) {
  if (tag >> 3 == 0) return false;
  uint64_t number = 0;
  std::string_view body;
  const auto skip = [&](ptrdiff_t bytes) {
    if (end - at < bytes) return false;
    at += bytes;
    return true;
  };
  switch (tag & 7) {
    case kVarint:
      return ReadVarint(at, end, number);
    case kFixed64:
      return skip(8);
    case kBytes:
      return ReadBody(at, end, body);
    case kFixed32:
      return skip(4);
    case kStart:
      if (depth == 0) return false;
      while (at < end) {
        uint32_t inner = 0;
        if (!ReadTag(at, end, inner)) return false;
        if ((inner & 7) == kEnd) return inner == tag + 1;
        if (!SkipValue(at, end, inner, depth - 1)) return false;
      }
      return false;
    default:
      return false;
  }
}

template <class T>
void Put(char* out, const T& value) {
  std::memcpy(out, &value, sizeof value);
}

bool Continues(std::string_view text, size_t from, size_t count) {
  if (text.size() - from < count + 1) return false;
  for (size_t i = 1; i <= count; ++i) {
    if ((static_cast<uint8_t>(text[from + i]) & 0xc0) != 0x80) return false;
  }
  return true;
}

}  // namespace

bool IsUtf8(std::string_view text) {
  if (IsAscii(text.data(), text.size())) return true;
  size_t at = 0;
  while (at < text.size()) {
    const auto lead = static_cast<uint8_t>(text[at]);
    if (lead < 0x80) {
      ++at;
      continue;
    }
    const size_t more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    if (lead < 0xc2 || lead > 0xf4 || !Continues(text, at, more)) return false;
    const auto next = static_cast<uint8_t>(text[at + 1]);
    if ((lead == 0xe0 && next < 0xa0) || (lead == 0xed && next > 0x9f) ||
        (lead == 0xf0 && next < 0x90) || (lead == 0xf4 && next > 0x8f)) {
      return false;
    }
    at += more + 1;
  }
  return true;
}

void WireList::Iterator::Read() {
  uint32_t tag = 0;  // the bytes were checked before
  while (ReadTag(at_, end_, tag) && tag != (number_ << 3 | kBytes)) {
    if (!SkipValue(at_, end_, tag, kWireDepth)) break;
  }
  ReadBody(at_, end_, body_);
}

struct WireTable::Input {
  const char* start;  // of the tag
  uint32_t number;
  const char* end;  // of the message
  std::string_view body;
  int depth;
};

WireTable::WireTable(const google::protobuf::Descriptor& message,
                     std::initializer_list<Taken> taken) {
  Check(message);
  for (const Taken& take : taken) {
    CHECK(message.FindFieldByNumber(static_cast<int>(take.number)) != nullptr);
    Field& field = fields_[SlotOf(take.number)];
    const bool number = take.op == Op::kNumber || take.op == Op::kNumber32 ||
                        take.op == Op::kFlag || take.op == Op::kOptional;
    CHECK(number == (field.wire_type == kVarint));
    CHECK((take.op == Op::kText) == (field.text && !field.repeated && !number));
    field.op = take.op;
    field.offset = static_cast<uint16_t>(take.offset);
    field.present = static_cast<uint16_t>(take.present);
    if (take.sub != nullptr) field.sub = take.sub;
  }
}

void WireTable::Check(const google::protobuf::Descriptor& message) {
  using google::protobuf::FieldDescriptor;
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& described = *message.field(i);
    const auto number = static_cast<uint32_t>(described.number());
    CHECK(SlotOf(number) != 0);  // else the table needs more slots
    Field& field = fields_[SlotOf(number)];
    field.repeated = described.is_repeated();
    switch (described.cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        field.wire_type = kBytes;
        field.text = described.type() == FieldDescriptor::TYPE_STRING;
        break;
      case FieldDescriptor::CPPTYPE_MESSAGE:
        field.wire_type = kBytes;
        field.sub = Checked(*described.message_type());
        break;
      default:
        // No event has repeated or fixed numbers; sint would need another decoding.
        CHECK(!described.is_repeated() && described.type() != FieldDescriptor::TYPE_SINT64 &&
              described.type() != FieldDescriptor::TYPE_SINT32 &&
              described.cpp_type() != FieldDescriptor::CPPTYPE_DOUBLE &&
              described.cpp_type() != FieldDescriptor::CPPTYPE_FLOAT);
        field.wire_type = kVarint;
    }
  }
}

const WireTable* WireTable::Checked(const google::protobuf::Descriptor& message) {
  static std::recursive_mutex mutex;
  // Never destroyed, as what it points to: it is all that holds some of them.
  static auto& tables = *new std::map<const google::protobuf::Descriptor*, WireTable*>();
  std::lock_guard lock(mutex);
  const auto [it, added] = tables.try_emplace(&message, nullptr);
  if (added) {
    it->second = new WireTable();  // for the life of the process; known before its own fields are
    it->second->Check(message);
  }
  return it->second;
}

inline void WireTable::TakeNumber(const Field& field, uint64_t value, char* out) {
  switch (field.op) {
    case Op::kNumber:
      return Put(out + field.offset, static_cast<int64_t>(value));
    case Op::kNumber32:
      return Put(out + field.offset, static_cast<int32_t>(value));
    case Op::kFlag:
      return Put(out + field.offset, value != 0);
    case Op::kOptional:
      return Put(out + field.offset, WireOptional{static_cast<int64_t>(value), true});
    default:
      return;
  }
}

inline bool WireTable::TakeOneText(std::string_view body, void* out) const {
  constexpr char kTextOne = 1 << 3 | kBytes;
  const Field& first = fields_.data()[1];
  if (!first.text || first.repeated || first.op > Op::kText || body.size() < 2 ||
      body.size() > 129 || body[0] != kTextOne ||
      static_cast<uint8_t>(body[1]) != body.size() - 2 ||
      !IsAscii(body.data() + 2, body.size() - 2)) {
    return false;
  }
  if (first.op == Op::kText) Put(static_cast<char*>(out) + first.offset, body.substr(2));
  return true;
}

inline WireStatus WireTable::TakeBytes(const Field& field, const Input& input, char* out) const {
  switch (field.op) {
    case Op::kSub:
      if (field.present != 0) out[field.present] = 1;
      out += field.offset;
      break;
    case Op::kList: {
      WireList& list = *reinterpret_cast<WireList*>(out + field.offset);
      if (list.count_++ == 0) {
        list.first_ = input.start;
        list.end_ = input.end;
        list.number_ = input.number;
      }
      break;
    }
    case Op::kKind: {
      WireKind& kind = *reinterpret_cast<WireKind*>(out + field.offset);
      if (kind.number != 0) return WireStatus::kMerged;
      kind = {input.number, input.body};
      return WireStatus::kOk;
    }
    case Op::kPresent:
      out[field.offset] = 1;
      break;
    default:
      break;
  }
  if (field.text) return IsUtf8(input.body) ? WireStatus::kOk : WireStatus::kBad;
  if (field.sub == nullptr) return WireStatus::kOk;
  if (input.depth == 0) return WireStatus::kBad;
  if (field.op != Op::kSub) out = nullptr;
  if (field.sub->TakeOneText(input.body, out)) return WireStatus::kOk;
  return field.sub->Read(input.body, out, input.depth - 1);
}

WireStatus WireTable::Read(std::string_view bytes, void* out, int depth) const {
  const char* at = bytes.data();
  const char* const end = at + bytes.size();
  uint64_t seen = 0;  // single messages, by slot
  while (at < end) {
    const char* const start = at;
    uint32_t tag = 0;
    if (!ReadTag(at, end, tag)) return WireStatus::kBad;
    const uint32_t slot = SlotOf(tag >> 3);
    const Field& field = fields_.data()[slot];  // SlotOf is within bounds
    if (field.wire_type != (tag & 7)) {
      if (!SkipValue(at, end, tag, depth)) return WireStatus::kBad;
      continue;
    }
    if (field.wire_type == kVarint) {
      uint64_t value = 0;
      if (!ReadVarint(at, end, value)) return WireStatus::kBad;
      TakeNumber(field, value, static_cast<char*>(out));
      continue;
    }
    uint32_t size = 0;
    if (!ReadShort(at, end, 8, size) || size > static_cast<size_t>(end - at)) {
      return WireStatus::kBad;
    }
    const char* const body = at;
    at += size;
    if (field.text && field.op <= Op::kText) {  // the most frequent fields
      if (!IsAscii(body, size) && !IsUtf8({body, size})) [[unlikely]]
        return WireStatus::kBad;
      if (field.op == Op::kText) new (static_cast<char*>(out) + field.offset) Body(body, size);
      continue;
    }
    if (field.sub != nullptr && !field.repeated) {
      if ((seen >> slot & 1) != 0) return WireStatus::kMerged;
      seen |= uint64_t{1} << slot;
    }
    const WireStatus status =
        TakeBytes(field, {start, tag >> 3, end, {body, size}, depth}, static_cast<char*>(out));
    if (status != WireStatus::kOk) return status;
  }
  return WireStatus::kOk;
}

}  // namespace databuild
