// Reads protobuf's wire format by table into plain structs, without allocating.
//
// A table lists the fields of one message: which are taken, to which offset of a struct, and how
// the others are to be checked. It is built from the message's descriptor, so that every byte that
// libprotobuf checks is checked here too: wire types, lengths, nesting (100 levels), UTF-8 of every
// text, groups. Immutable once built; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <string_view>
#include <vector>

namespace google::protobuf {
class Descriptor;
}

namespace databuild {

inline constexpr int kWireDepth = 100;  // levels of messages and groups below the outermost

enum class WireStatus {
  kOk,
  kBad,     // libprotobuf refuses it too
  kMerged,  // a single message stands in several pieces: read it with libprotobuf
};

// The elements of a repeated text or message field, in the message's own bytes, which were checked.
class WireList {
 public:
  class Iterator {
   public:
    using value_type = std::string_view;
    using difference_type = std::ptrdiff_t;
    using iterator_category = std::input_iterator_tag;
    Iterator() = default;
    explicit Iterator(const WireList& list)
        : at_(list.first_), end_(list.end_), left_(list.count_), number_(list.number_) {
      if (left_ > 0) Read();
    }
    std::string_view operator*() const { return body_; }
    Iterator& operator++() {
      if (--left_ > 0) Read();
      return *this;
    }
    friend bool operator==(const Iterator& a, const Iterator& b) { return a.left_ == b.left_; }

   private:
    void Read();
    const char* at_ = nullptr;
    const char* end_ = nullptr;
    uint32_t left_ = 0;
    uint32_t number_ = 0;
    std::string_view body_;
  };

  // Bodies of the elements: the texts themselves, or encoded messages.
  Iterator begin() const { return Iterator(*this); }
  Iterator end() const { return {}; }
  uint32_t size() const { return count_; }
  bool empty() const { return count_ == 0; }

 private:
  friend class WireTable;
  const char* first_ = nullptr;  // tag of the first element
  const char* end_ = nullptr;    // of the message
  uint32_t count_ = 0;
  uint32_t number_ = 0;
};

// An optional number.
struct WireOptional {
  int64_t value = 0;
  bool present = false;
};

class WireTable {
 public:
  enum class Op : uint8_t {
    kSkip,      // checked, not taken
    kNumber,    // int64_t
    kNumber32,  // int32_t or uint32_t, also enums
    kFlag,      // bool
    kOptional,  // WireOptional
    kText,      // std::string_view
    kSub,       // a single message into the struct at the offset
    kPresent,   // a single message: only whether it is there, bool
    kList,      // WireList
    kKind,      // one of a oneof of messages: its number and unchecked body, WireKind
  };

  // What of a field is taken.
  struct Taken {
    uint32_t number = 0;
    Op op = Op::kSkip;
    size_t offset = 0;
    const WireTable* sub = nullptr;  // of kSub: how it is read
    size_t present = 0;              // of kSub: offset of a bool that says whether it is there
  };

  WireTable(const google::protobuf::Descriptor& message, std::initializer_list<Taken> taken);

  // Fills the struct at `out`, which has the types the table says and is in its initial state.
  WireStatus Read(std::string_view bytes, void* out, int depth = kWireDepth) const;

 private:
  struct Field {
    uint8_t wire_type = 0xff;  // matches no tag
    Op op = Op::kSkip;
    bool text = false;      // UTF-8
    bool repeated = false;  // else a second message is a merge
    uint16_t offset = 0;
    uint16_t present = 0;            // 0: not asked for
    const WireTable* sub = nullptr;  // of messages
  };
  struct Input;

  WireTable() = default;
  // The table that takes nothing.
  static const WireTable* Checked(const google::protobuf::Descriptor& message);
  void Check(const google::protobuf::Descriptor& message);
  static uint32_t SlotOf(uint32_t number) {
    return number < 32 ? number : number - 100 < 32 ? number - 68 : 0;
  }
  static void TakeNumber(const Field& field, uint64_t value, char* out);
  WireStatus TakeBytes(const Field& field, const Input& input, char* out) const;

  // True: the body was one short text of ASCII as field 1 and nothing else, and has been taken. By
  // far the most frequent message.
  bool TakeOneText(std::string_view body, void* out) const;

  std::array<Field, 64> fields_{};  // by slot; 0: unknown to the table
};

struct WireKind {
  uint32_t number = 0;  // 0: none
  std::string_view body;
};

// As libprotobuf sees it: no surrogates, no overlong forms, nothing beyond U+10FFFF.
bool IsUtf8(std::string_view text);

}  // namespace databuild
