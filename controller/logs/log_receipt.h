// What a run's receipt says about its log. The planner reads the rest of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace databuild {

struct LogReceipt {
  int64_t last_sequence = 0;
  std::string crc32c;  // hex, of all lines with their newlines; empty: not told
  std::string sha256;  // wrapper/digest.h; empty: not told
  uint64_t dropped_lines = 0;
};

// Nothing if the text is no receipt, or one that does not count: its exitStatus must be the
// container's exit code, which user code cannot choose. Job output is untrusted: bounded, never
// throws.
std::optional<LogReceipt> ParseLogReceipt(const std::string& text,
                                          std::optional<int32_t> exit_code);

}  // namespace databuild
