// The syntax of capture languages: a subset of RE2's regular expressions over printable ASCII.
// In it: literals, `.`, classes, escapes, groups, alternation, * + ? {n,m}, also lazy (which
// changes nothing here). Not in it: anchors, flags, word boundaries, Unicode classes, back
// references.
#pragma once

#include <bitset>
#include <cstdint>
#include <string_view>
#include <vector>

#include "bel/base/result.h"
#include "bel/ranges/partition_ref.h"

namespace databuild {

using ByteSet = std::bitset<256>;

struct RegexNode {
  enum class Kind { kBytes, kConcat, kAlternate, kRepeat };
  Kind kind = Kind::kConcat;  // without children: the empty text
  ByteSet bytes;              // kBytes: one of these
  std::vector<RegexNode> children;
  int least = 0;  // kRepeat, of the one child
  int most = -1;  // -1: no bound
};

// kInvalidArgument: not RE2 syntax, or outside the subset, with the offset in `regex`.
Result<RegexNode> ParseRegex(std::string_view regex);

}  // namespace databuild
