#include "bel/status_overlay.h"

#include <algorithm>
#include <utility>

namespace databuild {
namespace {

constexpr size_t kWorthASweep = 4'096;

}  // namespace

const StatusOverlay::Change* StatusOverlay::Find(EntityKind kind, std::string_view id) const {
  const Changes& changes = changes_[static_cast<size_t>(kind)];
  const auto change = changes.find(id);
  return change == changes.end() ? nullptr : &change->second;
}

std::optional<int> StatusOverlay::StatusOf(EntityKind kind, std::string_view id) const {
  const Change* change = Find(kind, id);
  if (change != nullptr && change->status) return change->status;
  return under_.StatusOf(kind, id);
}

bool StatusOverlay::HasMark(EntityKind kind, std::string_view id, std::string_view mark) const {
  const Change* change = Find(kind, id);
  if (change != nullptr && std::count(change->marks.begin(), change->marks.end(), mark) > 0) {
    return true;
  }
  return under_.HasMark(kind, id, mark);
}

void StatusOverlay::Record(std::optional<Transition> step, int64_t idx) {
  newest_idx_ = idx;
  if (!step) return;
  Change& change = Of(step->kind)[std::move(step->id)];
  change.idx = idx;
  if (step->mark.empty()) {
    change.status = step->to;
  } else {
    change.marks.push_back(std::move(step->mark));
  }
}

void StatusOverlay::Absorb(StatusOverlay&& above) {
  newest_idx_ = std::max(newest_idx_, above.newest_idx_);
  for (size_t kind = 0; kind < kEntityKinds; ++kind) {
    changes_[kind].merge(above.changes_[kind]);
    // What is left changes an entity once more.
    for (auto& [id, change] : above.changes_[kind]) {
      Change& mine = changes_[kind][id];
      if (change.status) mine.status = change.status;
      mine.marks.insert(mine.marks.end(), change.marks.begin(), change.marks.end());
      mine.idx = change.idx;
    }
  }
}

void StatusOverlay::Forget(int64_t folded) {
  for (Changes& changes : changes_) {
    if (newest_idx_ <= folded) {
      changes.clear();
    } else if (changes.size() >= kWorthASweep) {
      std::erase_if(changes, [&](const auto& entry) { return entry.second.idx <= folded; });
    }
  }
}

}  // namespace databuild
