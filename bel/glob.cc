#include "bel/glob.h"

#include <algorithm>

namespace databuild {
namespace {

void Set(std::vector<uint64_t>& words, size_t bit) {
  if (words.size() <= bit / 64) words.resize(bit / 64 + 1);
  words[bit / 64] |= uint64_t{1} << (bit % 64);
}

bool IsRefByte(char c) { return c > ' ' && c < 0x7f; }

}  // namespace

void Glob::AddStep(char c, bool single) {
  if (!single) {
    Set(advance_[static_cast<unsigned char>(c)], steps_++);
    return;
  }
  for (int byte = 0; byte < 256; ++byte) {
    if (byte != '/') Set(advance_[byte], steps_);
  }
  ++steps_;
}

void Glob::AddStar(bool crosses_slash) {
  Set(star_, steps_);
  if (crosses_slash) Set(double_star_, steps_);
  ++steps_;
}

Result<Glob> Glob::Compile(std::string_view text) {
  const auto bad = [&](const std::string& why) {
    return Error{Errc::kInvalidArgument,
                 "partition glob \"" + std::string(text.substr(0, 200)) + "\": " + why};
  };
  if (text.empty()) return bad("is empty; ** matches every partition");
  if (text.size() > kMaxGlobLength) {
    return bad("has " + std::to_string(text.size()) + " characters, at most " +
               std::to_string(kMaxGlobLength) + " are allowed");
  }
  if (text.find("***") != std::string_view::npos) return bad("*** is neither * nor **");
  if (!std::all_of(text.begin(), text.end(), IsRefByte)) {
    return bad("holds a space, a control character or a byte that is not ASCII; no ref has one");
  }
  Glob glob;
  glob.text_ = text;
  glob.prefix_ = text.substr(0, text.find_first_of("*?"));
  for (size_t pos = 0; pos < text.size(); ++pos) {
    if (text[pos] != '*') {
      glob.AddStep(text[pos], text[pos] == '?');
      continue;
    }
    const bool doubled = pos + 1 < text.size() && text[pos + 1] == '*';
    if (doubled) ++pos;
    glob.AddStar(doubled);
  }
  const size_t words = glob.steps_ / 64 + 1;
  for (Words& set : glob.advance_) set.resize(words);
  glob.star_.resize(words);
  glob.double_star_.resize(words);
  return glob;
}

// A star may match nothing: the position after it is reached too. Two stars never stand side by
// side.
void Glob::FollowStars(Words& states) const {
  uint64_t carry = 0;
  for (size_t i = 0; i < states.size(); ++i) {
    const uint64_t on_star = states[i] & star_[i];
    states[i] |= on_star << 1 | carry;
    carry = on_star >> 63;
  }
}

bool Glob::Matches(std::string_view text) const {
  if (!text.starts_with(prefix_)) return false;
  Words states(steps_ / 64 + 1);
  states[0] = 1;
  FollowStars(states);
  for (const char c : text) {
    const Words& advance = advance_[static_cast<unsigned char>(c)];
    const Words& stay = c == '/' ? double_star_ : star_;
    uint64_t carry = 0, alive = 0;
    for (size_t i = 0; i < states.size(); ++i) {
      const uint64_t moved = states[i] & advance[i];
      states[i] = (states[i] & stay[i]) | moved << 1 | carry;
      carry = moved >> 63;
      alive |= states[i];
    }
    if (alive == 0) return false;
    FollowStars(states);
  }
  return (states[steps_ / 64] >> (steps_ % 64) & 1) != 0;
}

}  // namespace databuild
