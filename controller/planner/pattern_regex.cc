#include "controller/planner/pattern_regex.h"

#include <re2/re2.h>

#include <optional>
#include <string>
#include <utility>

#include "bel/base/check.h"

namespace databuild {
namespace {

constexpr int kMaxRepeat = 1'000;  // RE2's own limit
constexpr int kMaxNesting = 100;

ByteSet AllRefBytes() {
  ByteSet set;
  for (int byte = kFirstRefByte; byte <= kLastRefByte; ++byte) set.set(static_cast<size_t>(byte));
  return set;
}

ByteSet BytesBetween(unsigned char low, unsigned char high) {
  ByteSet set;
  for (int byte = low; byte <= high; ++byte) set.set(static_cast<size_t>(byte));
  return set;
}

ByteSet Digits() { return BytesBetween('0', '9'); }
ByteSet Words() {
  return Digits() | BytesBetween('a', 'z') | BytesBetween('A', 'Z') | BytesBetween('_', '_');
}
ByteSet Spaces() {
  return BytesBetween('\t', '\n') | BytesBetween('\f', '\r') | BytesBetween(' ', ' ');
}

// Recursive descent over the subset. RE2 has accepted the text before, so that what is met here is
// either in the subset or refused by name.
class RegexParser {
 public:
  explicit RegexParser(std::string_view text) : text_(text) {}

  Result<RegexNode> Parse() {
    ASSIGN_OR_RETURN(RegexNode node, Alternation());
    if (at_ != text_.size()) return Unsupported("an unmatched )");
    return node;
  }

 private:
  Error Unsupported(const std::string& what) const {
    return {Errc::kInvalidArgument, "regular expression \"" + std::string(text_) + "\", offset " +
                                        std::to_string(at_) + ": " + what +
                                        " cannot be used in a capture; use literals, classes, "
                                        "groups, |, *, +, ? and {n,m}"};
  }
  bool More() const { return at_ < text_.size(); }
  char Peek() const { return text_[at_]; }
  bool Take(std::string_view token) {
    if (text_.substr(at_, token.size()) != token) return false;
    at_ += token.size();
    return true;
  }

  Result<RegexNode> Alternation() {
    if (++nesting_ > kMaxNesting) return Unsupported("nesting this deep");
    RegexNode alternatives{.kind = RegexNode::Kind::kAlternate};
    do {
      ASSIGN_OR_RETURN(RegexNode branch, Sequence());
      alternatives.children.push_back(std::move(branch));
    } while (Take("|"));
    --nesting_;
    return alternatives.children.size() == 1 ? std::move(alternatives.children[0]) : alternatives;
  }

  Result<RegexNode> Sequence() {
    RegexNode sequence{.kind = RegexNode::Kind::kConcat};
    while (More() && Peek() != '|' && Peek() != ')') {
      ASSIGN_OR_RETURN(RegexNode atom, Atom());
      ASSIGN_OR_RETURN(RegexNode repeated, Repetition(std::move(atom)));
      sequence.children.push_back(std::move(repeated));
    }
    return sequence;
  }

  Result<RegexNode> Repetition(RegexNode atom) {
    while (More()) {
      int least = 0;
      int most = -1;
      if (Take("*")) {
      } else if (Take("+")) {
        least = 1;
      } else if (Take("?")) {
        most = 1;
      } else if (!TakeCounts(&least, &most)) {
        break;
      }
      Take("?");  // laziness changes which text a capture takes, not which texts exist
      if (least > kMaxRepeat || most > kMaxRepeat) return Unsupported("a repetition over 1000");
      RegexNode repeat{.kind = RegexNode::Kind::kRepeat, .least = least, .most = most};
      repeat.children.push_back(std::move(atom));
      atom = std::move(repeat);
    }
    return atom;
  }

  // {n}, {n,} or {n,m}; anything else in braces is literal text, as in RE2.
  bool TakeCounts(int* least, int* most) {
    size_t start = at_;
    std::optional<int> low = Take("{") ? Number() : std::nullopt;
    if (low && Take("}")) {
      *least = *most = *low;
      return true;
    }
    if (low && Take(",")) {
      std::optional<int> high = Number();
      if (Take("}")) {
        *least = *low;
        *most = high.value_or(-1);
        return true;
      }
    }
    at_ = start;
    return false;
  }

  std::optional<int> Number() {
    size_t start = at_;
    int value = 0;
    while (More() && Peek() >= '0' && Peek() <= '9' && at_ - start < 6) {
      value = value * 10 + (text_[at_++] - '0');
    }
    return at_ == start ? std::nullopt : std::optional<int>(value);
  }

  static RegexNode Bytes(const ByteSet& set) {
    return {.kind = RegexNode::Kind::kBytes, .bytes = set};
  }

  Result<RegexNode> Atom() {
    if (Peek() == '^' || Peek() == '$')
      return Unsupported("an anchor (the whole capture must match)");
    if (Take("(")) {
      if (Take("?") && !Take(":")) return Unsupported("a flag or a named group");
      ASSIGN_OR_RETURN(RegexNode group, Alternation());
      if (!Take(")")) return Unsupported("a group without )");
      return group;
    }
    if (Peek() == '[') {
      ASSIGN_OR_RETURN(ByteSet set, Class());
      return Bytes(set);
    }
    if (Take(".")) return Bytes(AllRefBytes());
    if (Peek() == '\\') {
      ASSIGN_OR_RETURN(ByteSet set, Escape());
      return Bytes(set & AllRefBytes());
    }
    unsigned char byte = static_cast<unsigned char>(text_[at_++]);
    return Bytes(BytesBetween(byte, byte));
  }

  // A backslash and what follows; the set may hold bytes outside the alphabet.
  Result<ByteSet> Escape() {
    size_t start = at_++;
    char letter = More() ? text_[at_++] : '\0';
    switch (letter) {
      case 'd':
        return Digits();
      case 'D':
        return ~Digits();
      case 'w':
        return Words();
      case 'W':
        return ~Words();
      case 's':
        return Spaces();
      case 'S':
        return ~Spaces();
      default:
        break;
    }
    unsigned char byte = static_cast<unsigned char>(letter);
    if (IsRefByte(byte) && !Words().test(byte)) return BytesBetween(byte, byte);
    at_ = start;
    return Unsupported(std::string("\\") + letter);
  }

  Result<ByteSet> Class() {
    ByteSet set;
    CHECK(Take("["));
    bool negated = Take("^");
    for (bool first = true; More() && (first || Peek() != ']'); first = false) {
      ASSIGN_OR_RETURN(ByteSet item, ClassItem());
      set |= item;
    }
    if (!Take("]")) return Unsupported("a class without ]");
    return (negated ? ~set : set) & AllRefBytes();
  }

  Result<ByteSet> ClassItem() {
    if (text_.substr(at_, 2) == "[:") return NamedClass();
    ASSIGN_OR_RETURN(ByteSet low, ClassByte());
    if (low.count() != 1) return low;
    bool is_range = text_.size() - at_ >= 2 && Peek() == '-' && text_[at_ + 1] != ']';
    if (!is_range) return low;
    ++at_;
    ASSIGN_OR_RETURN(ByteSet high, ClassByte());
    if (high.count() != 1) return Unsupported("a range that ends in a class");
    return BytesBetween(static_cast<unsigned char>(low._Find_first()),
                        static_cast<unsigned char>(high._Find_first()));
  }

  Result<ByteSet> ClassByte() {
    if (!More()) return Unsupported("a class without ]");
    if (Peek() == '\\') return Escape();
    unsigned char byte = static_cast<unsigned char>(text_[at_++]);
    return BytesBetween(byte, byte);
  }

  Result<ByteSet> NamedClass() {
    ByteSet lower = BytesBetween('a', 'z');
    ByteSet upper = BytesBetween('A', 'Z');
    ByteSet alnum = lower | upper | Digits();
    ByteSet hex = Digits() | BytesBetween('a', 'f') | BytesBetween('A', 'F');
    ByteSet graph = BytesBetween('!', '~');
    const std::pair<std::string_view, ByteSet> named[] = {
        {"[:lower:]", lower},         {"[:upper:]", upper},    {"[:alpha:]", lower | upper},
        {"[:alnum:]", alnum},         {"[:digit:]", Digits()}, {"[:xdigit:]", hex},
        {"[:word:]", Words()},        {"[:graph:]", graph},    {"[:print:]", AllRefBytes()},
        {"[:punct:]", graph & ~alnum}};
    for (const auto& [name, set] : named) {
      if (Take(name)) return set;
    }
    return Unsupported("this named class");
  }

  std::string_view text_;
  size_t at_ = 0;
  int nesting_ = 0;
};

}  // namespace

Result<RegexNode> ParseRegex(std::string_view regex) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_encoding(re2::RE2::Options::EncodingLatin1);
  re2::RE2 syntax(re2::StringPiece(regex.data(), regex.size()), options);
  if (!syntax.ok()) {
    return Error{Errc::kInvalidArgument, "\"" + std::string(regex) +
                                             "\" is not a regular expression: " + syntax.error() +
                                             "; see the RE2 syntax"};
  }
  return RegexParser(regex).Parse();
}

}  // namespace databuild
