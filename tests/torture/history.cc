#include "tests/torture/history.h"

#include <algorithm>
#include <sstream>

#include "bel/base/crc32c.h"

namespace databuild::torture {

bool Filter::Matches(std::string_view tag, std::string_view ref) const {
  switch (kind) {
    case Kind::kAll:
      return true;
    case Kind::kBatch:
      return tag == value;
    case Kind::kRef:
      return ref == value;
    case Kind::kGroup:
      return ref.size() > value.size() && ref.starts_with(value) && ref[value.size()] == '/' &&
             ref.find('/', value.size() + 1) == std::string_view::npos;
  }
  return false;
}

std::string Filter::Text() const {
  return std::string(1, "abrg"[static_cast<int>(kind)]) + ":" + value;
}

std::optional<Filter> Filter::Parse(const std::string& text) {
  const size_t kind = text.empty() ? std::string::npos : std::string("abrg").find(text[0]);
  if (kind == std::string::npos || text.size() < 2 || text[1] != ':') return std::nullopt;
  return Filter{static_cast<Kind>(kind), text.substr(2)};
}

uint64_t HashEvent(uint64_t hash, int64_t idx, std::string_view event_id) {
  uint64_t value = hash ^ static_cast<uint64_t>(idx) * 0x9e3779b97f4a7c15u;
  value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
  return value ^ value >> 27 ^ Crc32c(event_id);
}

// "A tag events invoked acknowledged idx... ." and
// "P reader filter since next head has_more epoch log_id count hash ."
std::string AppendLine(const AppendSeen& seen) {
  std::ostringstream line;
  line << "A " << seen.tag << ' ' << seen.events << ' ' << seen.invoked << ' ' << seen.acknowledged;
  for (const int64_t idx : seen.idx) line << ' ' << idx;
  line << " .\n";
  return line.str();
}

std::string PollLine(const PollSeen& seen) {
  std::ostringstream line;
  line << "P " << seen.reader << ' ' << seen.filter.Text() << ' ' << seen.since << ' ' << seen.next
       << ' ' << seen.head << ' ' << seen.has_more << ' ' << seen.epoch << ' ' << seen.log_id << ' '
       << seen.count << ' ' << seen.hash << " .\n";
  return line.str();
}

bool History::Add(const std::string& line) {
  if (!line.ends_with(" .")) return false;
  std::istringstream words(line.substr(0, line.size() - 1));
  std::string kind;
  words >> kind;
  if (kind == "A") {
    AppendSeen seen;
    words >> seen.tag >> seen.events >> seen.invoked >> seen.acknowledged;
    if (!words) return false;
    for (int64_t idx = 0; words >> idx;) seen.idx.push_back(idx);
    Add(seen);
    return true;
  }
  PollSeen seen;
  std::string filter;
  words >> seen.reader >> filter >> seen.since >> seen.next >> seen.head >> seen.has_more >>
      seen.epoch >> seen.log_id >> seen.count >> seen.hash;
  const auto parsed = Filter::Parse(filter);
  if (kind != "P" || !words || !parsed) return false;
  seen.filter = *parsed;
  Add(std::move(seen));
  return true;
}

void History::Add(const AppendSeen& seen) {
  const auto [known, added] = appends_.emplace(seen.tag, seen);
  if (added) return;
  AppendSeen& before = known->second;
  before.invoked = std::min(before.invoked, seen.invoked);
  if (seen.acknowledged == 0) return;
  if (before.acknowledged == 0) {
    before.acknowledged = seen.acknowledged;
    before.idx = seen.idx;
  } else if (before.idx != seen.idx) {
    contradictions_.push_back("batch " + seen.tag + " was acknowledged twice, at other idx");
  }
}

std::vector<AppendSeen> History::Unresolved() const {
  std::vector<AppendSeen> open;
  for (const auto& [tag, seen] : appends_) {
    if (seen.acknowledged == 0) open.push_back(seen);
  }
  return open;
}

}  // namespace databuild::torture
