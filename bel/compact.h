// Values that cost little while they are small or empty: a graph of a million partitions holds
// millions of them. Plain values: copied, moved and compared like the standard ones they stand for;
// as thread-safe as those.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "bel/base/check.h"

namespace databuild {

// A list of 4-byte values in 16 bytes; up to two of them without memory of its own. At most 2^32-1
// elements. Iterators end with the next change.
template <class T>
class SmallList {
  static_assert(sizeof(T) == 4 && std::is_trivially_copyable_v<T>);

 public:
  using value_type = T;
  using iterator = T*;
  using const_iterator = const T*;

  SmallList() = default;
  SmallList(std::initializer_list<T> values) { Assign({values.begin(), values.size()}); }
  explicit SmallList(std::span<const T> values) { Assign(values); }
  SmallList(const SmallList& other) { Assign(other); }
  SmallList(SmallList&& other) noexcept { Swap(other); }
  SmallList& operator=(const SmallList& other) {
    if (this != &other) Assign(other);
    return *this;
  }
  SmallList& operator=(SmallList&& other) noexcept {
    Swap(other);
    return *this;
  }
  ~SmallList() {
    if (OnHeap()) std::free(Heap());
  }

  T* begin() { return OnHeap() ? Heap() : inline_; }
  T* end() { return begin() + size_; }
  const T* begin() const { return OnHeap() ? Heap() : inline_; }
  const T* end() const { return begin() + size_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T& operator[](size_t i) { return begin()[i]; }
  const T& operator[](size_t i) const { return begin()[i]; }
  const T& front() const { return *begin(); }
  const T& back() const { return end()[-1]; }
  operator std::span<const T>() const { return {begin(), size_}; }  // NOLINT: as a vector does

  void reserve(size_t capacity) {
    if (capacity > capacity_) Move(capacity);
  }
  void push_back(T value) {
    if (size_ == capacity_) Move(size_ + size_ / 2 + 1);
    begin()[size_++] = value;
  }
  // New elements are those of T().
  void resize(size_t size) {
    reserve(size);
    for (size_t i = size_; i < size; ++i) begin()[i] = T();
    size_ = static_cast<uint32_t>(size);
  }
  void clear() { SmallList().Swap(*this); }
  // Gives memory back when nothing is left.
  void Truncate(T* end) {
    size_ = static_cast<uint32_t>(end - begin());
    if (size_ == 0) clear();
  }
  void Assign(std::span<const T> values) {
    clear();
    reserve(values.size());
    std::copy(values.begin(), values.end(), begin());
    size_ = static_cast<uint32_t>(values.size());
  }

  friend bool operator==(const SmallList& a, const SmallList& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  }
  friend void AddOnce(SmallList& list, T value) {
    if (std::find(list.begin(), list.end(), value) == list.end()) list.push_back(value);
  }
  friend void Erase(SmallList& list, T value) {
    list.Truncate(std::remove(list.begin(), list.end(), value));
  }
  template <class Predicate>
  friend void EraseIf(SmallList& list, Predicate&& predicate) {
    list.Truncate(std::remove_if(list.begin(), list.end(), predicate));
  }

 private:
  static constexpr uint32_t kInline = 2;

  bool OnHeap() const { return capacity_ > kInline; }
  T* Heap() const {
    T* heap = nullptr;
    std::memcpy(&heap, inline_, sizeof heap);
    return heap;
  }
  void Move(size_t capacity) {
    CHECK(capacity < UINT32_MAX);
    T* const heap = static_cast<T*>(std::malloc(capacity * sizeof(T)));
    CHECK(heap != nullptr);
    std::copy(begin(), end(), heap);
    if (OnHeap()) std::free(Heap());
    std::memcpy(static_cast<void*>(inline_), &heap, sizeof heap);
    capacity_ = static_cast<uint32_t>(capacity);
  }
  void Swap(SmallList& other) noexcept {
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
    std::swap(inline_, other.inline_);
  }

  uint32_t size_ = 0;
  uint32_t capacity_ = kInline;
  alignas(T*) T inline_[kInline] = {};  // or, beyond kInline, the pointer to the heap
};

// A text in 8 bytes and, unless it is empty, one block of memory of its own size.
class CompactText {
 public:
  CompactText() = default;
  CompactText(std::string_view text) { Set(text); }    // NOLINT: as std::string does
  CompactText(const std::string& text) { Set(text); }  // NOLINT
  CompactText(const char* text) { Set(text); }         // NOLINT
  CompactText(const CompactText& other) { Set(other.view()); }
  CompactText(CompactText&& other) noexcept = default;
  CompactText& operator=(const CompactText& other) {
    if (this != &other) Set(other.view());
    return *this;
  }
  CompactText& operator=(CompactText&& other) noexcept = default;
  template <class Text>
  requires std::is_convertible_v<const Text&, std::string_view> CompactText& operator=(
      const Text& text) {
    Set(text);
    return *this;
  }

  std::string_view view() const {
    if (block_ == nullptr) return {};
    uint32_t size = 0;
    std::memcpy(&size, block_.get(), sizeof size);
    return {block_.get() + sizeof size, size};
  }
  std::string str() const { return std::string(view()); }
  operator std::string_view() const { return view(); }  // NOLINT: as std::string does
  operator std::string() const { return str(); }        // NOLINT
  bool empty() const { return block_ == nullptr; }
  size_t size() const { return view().size(); }

  friend bool operator==(const CompactText& a, const CompactText& b) {
    return a.view() == b.view();
  }
  friend bool operator==(const CompactText& a, std::string_view b) { return a.view() == b; }
  friend bool operator==(const CompactText& a, const char* b) { return a.view() == b; }
  friend bool operator==(const CompactText& a, const std::string& b) { return a.view() == b; }
  friend std::string operator+(std::string a, const CompactText& b) { return a.append(b.view()); }
  friend std::string operator+(const CompactText& a, std::string_view b) {
    return a.str().append(b);
  }
  template <class Out>
  friend Out& operator<<(Out& out, const CompactText& text) {
    return out << text.view();
  }

 private:
  void Set(std::string_view text) {
    std::unique_ptr<char[]> block;
    if (!text.empty()) {
      const auto size = static_cast<uint32_t>(text.size());
      block = std::make_unique_for_overwrite<char[]>(sizeof size + size);
      std::memcpy(block.get(), &size, sizeof size);
      std::memcpy(block.get() + sizeof size, text.data(), size);
    }
    block_ = std::move(block);
  }

  std::unique_ptr<char[]> block_;  // size and characters; none: empty
};

// A T that is nearly always T(): 8 bytes until it is not.
template <class T>
class Rare {
 public:
  Rare() = default;
  Rare(const Rare& other) : value_(other.value_ ? std::make_unique<T>(*other.value_) : nullptr) {}
  Rare(Rare&&) noexcept = default;
  Rare& operator=(const Rare& other) {
    if (this != &other) value_ = other.value_ ? std::make_unique<T>(*other.value_) : nullptr;
    return *this;
  }
  Rare& operator=(Rare&&) noexcept = default;

  bool present() const { return value_ != nullptr; }
  const T& operator*() const {
    static const T kNothing;
    return value_ ? *value_ : kNothing;
  }
  const T* operator->() const { return &**this; }
  operator const T&() const { return **this; }  // NOLINT: read as what it stands for
  T& Edit() {
    if (!value_) value_ = std::make_unique<T>();
    return *value_;
  }
  void Clear() { value_.reset(); }

 private:
  std::unique_ptr<T> value_;
};

}  // namespace databuild
