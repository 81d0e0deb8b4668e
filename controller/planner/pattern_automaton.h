// Capture languages as automata: a regular expression becomes a small complete DFA over printable
// ASCII, so that matching is a table walk and overlap of patterns is decidable.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "bel/base/result.h"

namespace databuild {

inline constexpr size_t kMaxDfaStates = 500;

// Deterministic automaton. State 0 is dead (no way to accept from it), state 1 is the start.
// Immutable after construction.
class Dfa {
 public:
  using State = uint16_t;
  static constexpr State kDead = 0;
  static constexpr State kStart = 1;

  State Next(State state, unsigned char byte) const {
    return next_[state * size_t{class_count_} + class_of_[byte]];
  }
  bool Accepts(State state) const { return accepts_[state] != 0; }
  bool Matches(std::string_view text) const;
  bool IsEmpty() const;  // no text is accepted

  // Bytes of one class are never told apart; class 0 holds the bytes no ref may have.
  uint8_t ClassOf(unsigned char byte) const { return class_of_[byte]; }
  size_t states() const { return accepts_.size(); }

 private:
  friend class DfaBuilder;
  std::array<uint8_t, 256> class_of_{};
  uint16_t class_count_ = 1;
  std::vector<State> next_;  // state x class
  std::vector<uint8_t> accepts_;
};

// kInvalidArgument: see ParseRegex, or nothing matches; kTooLarge: more than kMaxDfaStates states.
Result<Dfa> CompileRegex(std::string_view regex);

}  // namespace databuild
