#include <algorithm>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "tests/torture/history.h"

namespace databuild::torture {
namespace {

constexpr int kShownOfAKind = 20;

class Checker {
 public:
  Checker(const History& history, const std::vector<LoggedEvent>& log)
      : history_(history), log_(log), found_(history.contradictions()) {}

  std::vector<std::string> Run() {
    CheckLog();
    CheckAppends();
    CheckRealTimeOrder();
    for (const PollSeen& poll : history_.polls()) CheckPoll(poll);
    CheckReaders();
    return found_;
  }

 private:
  void Breach(const std::string& kind, const std::string& what) {
    const int count = ++counts_[kind];
    if (count <= kShownOfAKind) found_.push_back(kind + ": " + what);
  }
  static std::string At(const LoggedEvent& event) { return "idx " + std::to_string(event.idx); }

  void CheckLog() {
    std::unordered_set<std::string_view> ids;
    for (size_t i = 0; i < log_.size(); ++i) {
      const LoggedEvent& event = log_[i];
      if (event.idx != static_cast<int64_t>(i) + 1) Breach("gap", At(event) + " is out of line");
      if (!ids.insert(event.event_id).second) {
        Breach("double", At(event) + ": its event_id stands in the log already");
      }
      if (i == 0) continue;
      if (event.ts <= log_[i - 1].ts) Breach("time", At(event) + " is not after the one before");
      if (event.epoch < log_[i - 1].epoch) Breach("epoch", At(event) + " is of an older epoch");
    }
  }

  void CheckAppends() {
    std::unordered_map<std::string_view, std::vector<const LoggedEvent*>> by_tag;
    for (const LoggedEvent& event : log_) by_tag[event.tag].push_back(&event);
    for (const auto& [tag, events] : by_tag) {
      if (!history_.appends().contains(std::string(tag))) {
        Breach("phantom", "batch " + std::string(tag) + " was never appended by anybody");
      }
    }
    for (const auto& [tag, seen] : history_.appends()) {
      const auto found = by_tag.find(tag);
      const auto& events = found == by_tag.end() ? none_ : found->second;
      if (seen.acknowledged == 0 && events.empty()) continue;
      if (seen.acknowledged != 0 && events.empty()) {
        Breach("lost", "batch " + tag + " was acknowledged and is not in the log");
        continue;
      }
      CheckBatch(seen, events);
    }
  }

  void CheckBatch(const AppendSeen& seen, const std::vector<const LoggedEvent*>& events) {
    if (static_cast<int>(events.size()) != seen.events) {
      Breach("torn", "batch " + seen.tag + " has " + std::to_string(events.size()) + " of " +
                         std::to_string(seen.events) + " events in the log");
      return;
    }
    for (size_t part = 0; part < events.size(); ++part) {
      if (events[part]->part != static_cast<int>(part) ||
          events[part]->idx != events[0]->idx + static_cast<int64_t>(part)) {
        Breach("torn", "batch " + seen.tag + " is not together and in order");
      }
      if (seen.acknowledged != 0 &&
          (part >= seen.idx.size() || seen.idx[part] != events[part]->idx)) {
        Breach("moved", "batch " + seen.tag + " was acknowledged at another idx than " +
                            std::to_string(events[part]->idx));
      }
    }
  }

  void CheckRealTimeOrder() {
    std::vector<const AppendSeen*> by_begin, by_end;
    for (const auto& [tag, seen] : history_.appends()) {
      if (seen.acknowledged == 0 || seen.idx.empty()) continue;
      by_begin.push_back(&seen);
      by_end.push_back(&seen);
    }
    std::sort(by_begin.begin(), by_begin.end(),
              [](const auto* a, const auto* b) { return a->invoked < b->invoked; });
    std::sort(by_end.begin(), by_end.end(),
              [](const auto* a, const auto* b) { return a->acknowledged < b->acknowledged; });
    size_t ended = 0;
    const AppendSeen* newest = nullptr;  // of those that had ended before
    for (const AppendSeen* begun : by_begin) {
      for (; ended < by_end.size() && by_end[ended]->acknowledged < begun->invoked; ++ended) {
        if (newest == nullptr || by_end[ended]->idx.back() > newest->idx.back()) {
          newest = by_end[ended];
        }
      }
      if (newest != nullptr && newest->idx.back() >= begun->idx.front()) {
        Breach("inversion", "batch " + begun->tag + " began after " + newest->tag +
                                " had ended and has a smaller idx");
      }
    }
  }

  void CheckPoll(const PollSeen& poll) {
    const std::string who = "reader " + poll.reader + " since " + std::to_string(poll.since);
    const auto size = static_cast<int64_t>(log_.size());
    if (poll.next > size || poll.next < std::min(poll.since, size) || poll.head > size) {
      Breach("poll", who + " was shown next " + std::to_string(poll.next) + ", head " +
                         std::to_string(poll.head) + ", the log ends at " + std::to_string(size));
      return;
    }
    if (poll.has_more != (poll.next < poll.head)) Breach("poll", who + ": has_more is wrong");
    int64_t count = 0;
    uint64_t hash = 0;
    for (int64_t idx = poll.since + 1; idx <= poll.next; ++idx) {
      const LoggedEvent& event = log_[static_cast<size_t>(idx - 1)];
      if (!poll.filter.Matches(event.tag, event.ref)) continue;
      ++count;
      hash = HashEvent(hash, event.idx, event.event_id);
    }
    if (count == poll.count && hash == poll.hash) return;
    Breach("poll", who + " to " + std::to_string(poll.next) + " with filter " + poll.filter.Text() +
                       " saw " + std::to_string(poll.count) + " events, the log has " +
                       std::to_string(count) + (count == poll.count ? " others" : ""));
  }

  // What one reader was told never goes back.
  void CheckReaders() {
    std::unordered_map<std::string, const PollSeen*> last;
    for (const PollSeen& poll : history_.polls()) {
      const PollSeen*& before = last[poll.reader];
      if (before != nullptr && (poll.head < before->head || poll.epoch < before->epoch ||
                                poll.log_id != before->log_id)) {
        Breach("reader", "reader " + poll.reader + " saw head, epoch or log id go back");
      }
      before = &poll;
    }
  }

  const History& history_;
  const std::vector<LoggedEvent>& log_;
  const std::vector<const LoggedEvent*> none_;
  std::map<std::string, int> counts_;
  std::vector<std::string> found_;
};

}  // namespace

std::vector<std::string> Check(const History& history, const std::vector<LoggedEvent>& log) {
  return Checker(history, log).Run();
}

}  // namespace databuild::torture
