// What callers and pollers of a log saw, and the checker that holds it against the log itself.
//
// A history is a list of lines, written by writer processes on their standard output; a process
// killed in the middle of a line loses that line only. Times are of the monotonic clock, which all
// processes share.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bel/base/clock.h"

namespace databuild::torture {

// Which events a poller wants; the checker matches them in its own, naive way.
struct Filter {
  enum class Kind { kAll, kBatch, kRef, kGroup };
  Kind kind = Kind::kAll;
  std::string value;  // a batch's tag, a ref, or the part of a ref before the last '/'

  bool Matches(std::string_view tag, std::string_view ref) const;
  std::string Text() const;
  static std::optional<Filter> Parse(const std::string& text);
};

// One event of the log, as the checker needs it.
struct LoggedEvent {
  int64_t idx = 0;
  TimeNs ts = 0;
  int64_t epoch = 0;
  std::string event_id;
  std::string tag;  // of the batch it came in
  int part = 0;     // its place in the batch, from 0
  std::string ref;
};

// One batch a caller appended, from the first try to the answer.
struct AppendSeen {
  std::string tag;
  int events = 0;
  TimeNs invoked = 0;
  TimeNs acknowledged = 0;   // 0: no answer was seen
  std::vector<int64_t> idx;  // of the answer
};

struct PollSeen {
  std::string reader;
  Filter filter;
  int64_t since = 0, next = 0, head = 0, epoch = 0;
  bool has_more = false;
  std::string log_id;
  int64_t count = 0;
  uint64_t hash = 0;  // of (idx, event_id) of every event, in order
};

uint64_t HashEvent(uint64_t hash, int64_t idx, std::string_view event_id);

std::string AppendLine(const AppendSeen& seen);
std::string PollLine(const PollSeen& seen);

class History {
 public:
  // False: not a whole line.
  bool Add(const std::string& line);
  void Add(const AppendSeen& seen);
  void Add(PollSeen seen) { polls_.push_back(std::move(seen)); }

  const std::map<std::string, AppendSeen>& appends() const { return appends_; }
  const std::vector<PollSeen>& polls() const { return polls_; }
  // Batches without an answer so far.
  std::vector<AppendSeen> Unresolved() const;
  // An answer that came twice and differently, and such.
  const std::vector<std::string>& contradictions() const { return contradictions_; }

 private:
  std::map<std::string, AppendSeen> appends_;
  std::vector<PollSeen> polls_;
  std::vector<std::string> contradictions_;
};

// Every promise that is broken, one line each (at most 20 of a kind); empty: all hold.
//
// Acknowledged = present exactly once at that idx. Dense. Batches whole or not at all. Real-time
// order: acknowledged before another was begun = smaller idx. Every poller saw exactly its filter's
// projection, in order. Epochs and timestamps never go back.
std::vector<std::string> Check(const History& history, const std::vector<LoggedEvent>& log);

}  // namespace databuild::torture
