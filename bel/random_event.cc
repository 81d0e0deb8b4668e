#include "bel/random_event.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/message.h>

#include <memory>
#include <string>

#include "bel/base/check.h"

namespace databuild {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr int kMaxDepth = 6;

std::string RandomText(std::mt19937_64& random) {
  static const char* const kPieces[] = {
      "sales/", "date=2025-01-05", "/", "", "ä", "€", "𝄞", "r", "0123456789abcdef0123456789abcdef"};
  std::string text;
  for (uint64_t i = random() % 4; i > 0; --i) text += kPieces[random() % std::size(kPieces)];
  return text;
}

// Small, large and negative ones.
int64_t RandomNumber(std::mt19937_64& random) {
  const auto number = static_cast<int64_t>(random()) >> random() % 64;
  return random() % 4 == 0 ? -number : number;
}

void Fill(Message& message, std::mt19937_64& random, int depth);

// By its wire form: reflection's list view of a map has another layout in code that is compiled for
// ThreadSanitizer than in the library.
void AddMapEntry(Message& message, const FieldDescriptor& field, std::mt19937_64& random,
                 int depth) {
  static google::protobuf::DynamicMessageFactory dynamic;
  const std::unique_ptr<Message> entry(dynamic.GetPrototype(field.message_type())->New());
  Fill(*entry, random, depth);
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream out(&stream);
    out.WriteTag(static_cast<uint32_t>(field.number()) << 3 | 2);
    out.WriteVarint32(static_cast<uint32_t>(entry->ByteSizeLong()));
    out.WriteString(entry->SerializePartialAsString());
  }
  CHECK(message.ParsePartialFromString(message.SerializePartialAsString() + bytes));
}

void FillOnce(Message& message, const FieldDescriptor& field, std::mt19937_64& random, int depth) {
  const auto& of = *message.GetReflection();
  const bool more = field.is_repeated();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE:
      if (depth < kMaxDepth && field.is_map()) {
        AddMapEntry(message, field, random, depth + 1);
      } else if (depth < kMaxDepth) {
        Fill(more ? *of.AddMessage(&message, &field) : *of.MutableMessage(&message, &field), random,
             depth + 1);
      }
      return;
    case FieldDescriptor::CPPTYPE_STRING:
      return more ? of.AddString(&message, &field, RandomText(random))
                  : of.SetString(&message, &field, RandomText(random));
    case FieldDescriptor::CPPTYPE_ENUM:
      return of.SetEnumValue(&message, &field, static_cast<int>(RandomNumber(random)) % 128);
    case FieldDescriptor::CPPTYPE_BOOL:
      return of.SetBool(&message, &field, random() % 2 == 0);
    case FieldDescriptor::CPPTYPE_INT32:
      return of.SetInt32(&message, &field, static_cast<int32_t>(RandomNumber(random)));
    case FieldDescriptor::CPPTYPE_UINT32:
      return of.SetUInt32(&message, &field, static_cast<uint32_t>(RandomNumber(random)));
    case FieldDescriptor::CPPTYPE_INT64:
      return of.SetInt64(&message, &field, RandomNumber(random));
    case FieldDescriptor::CPPTYPE_UINT64:
      return of.SetUInt64(&message, &field, static_cast<uint64_t>(RandomNumber(random)));
    default:
      return;
  }
}

void Fill(Message& message, std::mt19937_64& random, int depth) {
  const auto& descriptor = *message.GetDescriptor();
  for (int i = 0; i < descriptor.field_count(); ++i) {
    const FieldDescriptor& field = *descriptor.field(i);
    if (field.real_containing_oneof() != nullptr) continue;  // its member is the caller's choice
    const uint64_t times = field.is_repeated() ? random() % 4 : random() % 4 != 0;
    for (uint64_t n = 0; n < times; ++n) FillOnce(message, field, random, depth);
  }
}

}  // namespace

int EventKinds() { return v1::BuildEvent::descriptor()->oneof_decl(0)->field_count(); }

v1::BuildEvent RandomEvent(std::mt19937_64& random, int kind) {
  v1::BuildEvent event;
  Fill(event, random, 0);
  const auto& oneof = *v1::BuildEvent::descriptor()->oneof_decl(0);
  Message& payload =
      *event.GetReflection()->MutableMessage(&event, oneof.field(kind % oneof.field_count()));
  Fill(payload, random, 1);
  return event;
}

}  // namespace databuild
