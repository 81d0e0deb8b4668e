// What events that are not folded yet make of their entities, laid over another StatusView. Two of
// them stack: the events of one batch over the batches in flight over the fold. Not thread-safe.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>

#include "bel/transition.h"

namespace databuild {

class StatusOverlay final : public StatusView {
 public:
  // `under` outlives the overlay.
  explicit StatusOverlay(const StatusView& under) : under_(under) {}

  std::optional<int> StatusOf(EntityKind kind, std::string_view id) const override;
  bool HasMark(EntityKind kind, std::string_view id, std::string_view mark) const override;

  // `event` passed CheckTransition against this view.
  void Record(const v1::BuildEvent& event, int64_t idx);
  // Takes over everything `above` holds.
  void Absorb(StatusOverlay&& above);
  // Forgets what the fold knows as well: events up to `folded`.
  void Forget(int64_t folded);

 private:
  struct Change {
    std::optional<int> status;
    std::set<std::string, std::less<>> marks;
    int64_t idx = 0;  // of the newest event
  };
  using Key = std::pair<EntityKind, std::string>;

  const StatusView& under_;
  std::map<Key, Change> changes_;
  int64_t newest_idx_ = 0;
};

}  // namespace databuild
