// Filters answered from postings: which events of a range may match.
#include <algorithm>
#include <string>

#include "bel/event_log.h"
#include "bel/postings.h"

namespace databuild {
namespace {

constexpr int64_t kShortRange = 256;       // looked through one by one
constexpr size_t kMaxCandidates = 8'192;   // of one page
constexpr int64_t kRefsPerLock = 10'000;   // refs tried under one hold of the readers' lock
constexpr uint64_t kPostingsPerEvent = 4;  // read in the time that a scan looks at one event

}  // namespace

struct EventLog::CandidateSearch {
  const EventMatcher& matcher;
  int64_t since = 0;
  int64_t head = 0;
  int64_t limit = 0;
  uint64_t refs_tried = 0;
  uint64_t postings = 0;  // upper bound of those that would have to be read
  std::vector<uint32_t> found;

  // Whether reading them is cheaper than a scan, which ends when its page is full.
  bool Worthwhile() const {
    const auto range = static_cast<uint64_t>(head - since);
    const auto page = static_cast<uint64_t>(limit);
    const uint64_t scan = postings <= page ? range : range * page / postings;
    return refs_tried + postings / kPostingsPerEvent <= scan;
  }
};

std::optional<EventLog::Candidates> EventLog::FindCandidates(const EventMatcher& matcher,
                                                             const IdxRange& range,
                                                             int64_t limit) const {
  if (range.head - range.since <= kShortRange) return std::nullopt;
  CandidateSearch search{matcher, range.since, range.head, limit, 0, 0, {}};
  if (!SearchExact(search) && !SearchGlobs(search)) return std::nullopt;
  Candidates candidates{std::move(search.found), range.head};
  std::vector<uint32_t>& idx = candidates.idx;
  std::erase_if(idx, [&](uint32_t at) { return at > range.head; });
  if (idx.size() > kMaxCandidates) {
    std::nth_element(idx.begin(), idx.begin() + kMaxCandidates, idx.end());
    // Of those that are left out none is older than the newest of the others.
    idx.resize(kMaxCandidates);
    candidates.complete_to = *std::max_element(idx.begin(), idx.end());
  }
  std::sort(idx.begin(), idx.end());
  idx.erase(std::unique(idx.begin(), idx.end()), idx.end());
  return candidates;
}

// By the list of exact names with the fewest postings. False: there is none that is worthwhile.
bool EventLog::SearchExact(CandidateSearch& search) const {
  std::shared_lock lock(state_mutex_);
  if (postings_->idx() < search.head) return false;
  std::optional<EventMatcher::Names> best;
  for (const EventMatcher::Names& names : search.matcher.names()) {
    uint64_t postings = 0;
    for (const std::string& name : *names.texts) {
      postings += postings_->Estimate(names.term, name, search.since);
    }
    if (best && postings >= search.postings) continue;
    best = names;
    search.postings = postings;
  }
  if (!best || !search.Worthwhile()) return false;
  for (const std::string& name : *best->texts) {
    postings_->Collect(best->term, name, search.since, search.found);
  }
  return true;
}

// By the refs that a glob matches: those with its literal prefix are tried, in pieces, so that the
// fold never waits long. Refs that appear meanwhile are named by events beyond the head only.
bool EventLog::SearchGlobs(CandidateSearch& search) const {
  if (search.matcher.globs().empty()) return false;
  search.postings = 0;
  std::shared_lock lock(state_mutex_);
  if (postings_->idx() < search.head) return false;
  const auto take = [&](std::string_view ref) {
    search.postings += postings_->Estimate(Term::kRef, ref, search.since);
    postings_->Collect(Term::kRef, ref, search.since, search.found);
  };
  for (const std::string& ref : search.matcher.refs()) take(ref);
  for (const std::string& ref : postings_->strays()) take(ref);
  for (const Glob& glob : search.matcher.globs()) {
    const std::string_view prefix = glob.literal_prefix();
    const RefOrder& refs = state_->by_ref();
    for (auto at = refs.lower_bound(prefix); at != refs.end();) {
      const std::string_view ref = state_->partition(*at).ref;
      if (!ref.starts_with(prefix)) break;
      if (glob.Matches(ref)) take(ref);
      ++at;
      if (++search.refs_tried % kRefsPerLock != 0) continue;
      if (!search.Worthwhile()) return false;
      lock.unlock();  // refs stay where they are, their order may grow
      lock.lock();
      at = refs.upper_bound(ref);
    }
  }
  return search.Worthwhile();
}

}  // namespace databuild
