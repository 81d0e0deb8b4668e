// EventFilter compiled: which events a reader wants. OR inside a list, AND between lists, an empty
// list asks for nothing. A ref is matched in partition, target, requested, delegated, adopted and
// tainted refs, listed or by range; never in inputs, configs, job graphs or manifests. Immutable;
// any thread.
#pragma once

#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "bel/base/result.h"
#include "bel/event_view.h"
#include "bel/glob.h"
#include "bel/postings.h"

namespace databuild::v1 {
class EventFilter;
}

namespace databuild {

inline constexpr int kMaxFilterEntries = 1'000;  // in all lists together
inline constexpr int kMaxFilterGlobs = 100;

class EventMatcher {
 public:
  struct TextHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  using TextSet = std::unordered_set<std::string, TextHash, std::equal_to<>>;

  // One list of the filter that holds exact names only.
  struct Names {
    Term term = Term::kRef;
    const TextSet* texts = nullptr;
  };

  // Matches everything.
  EventMatcher() = default;
  // kInvalidArgument names the field and the bad entry.
  static Result<EventMatcher> Compile(const v1::EventFilter& filter);

  bool matches_all() const {
    return !by_ref_ && !by_label_ && !by_run_ && !by_build_ && !by_want_ && !by_taint_;
  }
  bool Matches(const EventView& event) const;
  // The same for an event that is not encoded yet.
  bool Matches(const v1::BuildEvent& event) const;

  // Every list without globs that asks for something: an event that matches is named in each.
  std::vector<Names> names() const;
  // The list of refs: exact ones and globs.
  const TextSet& refs() const { return refs_; }
  const std::vector<Glob>& globs() const { return globs_; }

 private:
  bool MatchesRef(std::string_view ref) const;
  bool MatchesRange(const v1::PartitionRange& range) const;
  bool MatchesAnyRef(const EventView& event) const;
  bool MatchesLabel(const EventView& event) const;
  bool MatchesRun(const EventView& event) const;
  bool MatchesBuild(const EventView& event) const;
  bool MatchesWant(const EventView& event) const;
  bool MatchesTaint(const EventView& event) const;
  template <typename List>
  bool AnyRef(const List& refs) const;
  bool AnyRange(const Ranges& ranges) const;

  bool by_ref_ = false, by_label_ = false, by_run_ = false, by_build_ = false, by_want_ = false,
       by_taint_ = false;
  TextSet refs_, labels_, runs_, builds_, wants_, taints_;
  std::vector<Glob> globs_;
};

}  // namespace databuild
