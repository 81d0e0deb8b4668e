// What events that are not folded yet make of their entities, laid over another StatusView. Two of
// them stack: the events of one batch over the batches in flight over the fold. Not thread-safe.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "bel/transition.h"

namespace databuild {

class StatusOverlay final : public StatusView {
 public:
  // `under` outlives the overlay.
  explicit StatusOverlay(const StatusView& under) : under_(under) {}
  StatusOverlay(const StatusOverlay&) = delete;  // lay one over the other by its base
  StatusOverlay& operator=(const StatusOverlay&) = delete;

  std::optional<int> StatusOf(EntityKind kind, std::string_view id) const override;
  bool HasMark(EntityKind kind, std::string_view id, std::string_view mark) const override;

  // What LegalTransition said of the event at idx, against this view.
  void Record(std::optional<Transition> step, int64_t idx);
  // Takes over everything `above` holds.
  void Absorb(StatusOverlay&& above);
  // Forgets what the fold knows as well: events up to `folded`.
  void Forget(int64_t folded);

 private:
  struct Change {
    std::optional<int> status;
    std::vector<std::string> marks;
    int64_t idx = 0;  // of the newest event
  };
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view id) const { return std::hash<std::string_view>()(id); }
  };
  using Changes = std::unordered_map<std::string, Change, Hash, std::equal_to<>>;

  const Change* Find(EntityKind kind, std::string_view id) const;
  Changes& Of(EntityKind kind) { return changes_[static_cast<size_t>(kind)]; }

  const StatusView& under_;
  std::array<Changes, kEntityKinds> changes_;
  int64_t newest_idx_ = 0;
};

}  // namespace databuild
