// Partition globs: `*` matches any characters but '/', `**` any characters, `?` one character but
// '/'.
//
// One matcher for event filters and taints. Matches in time linear in the text for globs up to 63
// characters, whatever the wildcards. Immutable; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bel/base/result.h"

namespace databuild {

inline constexpr size_t kMaxGlobLength = 1'024;

class Glob {
 public:
  // kInvalidArgument names the glob: empty, too long, "***", or with bytes no ref can have.
  static Result<Glob> Compile(std::string_view glob);

  bool Matches(std::string_view text) const;

  // What every match begins with: a bytewise range of refs to look at.
  const std::string& literal_prefix() const { return prefix_; }
  const std::string& text() const { return text_; }

 private:
  using Words = std::vector<uint64_t>;  // a set of positions in the glob, one bit each
  Glob() = default;
  void AddStep(char c, bool single);
  void AddStar(bool crosses_slash);
  void FollowStars(Words& states) const;

  std::string text_;
  std::string prefix_;
  size_t steps_ = 0;                // positions before the final one
  std::array<Words, 256> advance_;  // by byte: positions that consume it and move on
  Words star_, double_star_;        // positions that consume and stay
};

}  // namespace databuild
