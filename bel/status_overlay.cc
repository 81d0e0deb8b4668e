#include "bel/status_overlay.h"

#include <algorithm>

#include "databuild/v1/databuild.pb.h"

namespace databuild {
namespace {

constexpr size_t kWorthASweep = 4'096;

}  // namespace

std::optional<int> StatusOverlay::StatusOf(EntityKind kind, std::string_view id) const {
  const auto change = changes_.find({kind, std::string(id)});
  if (change != changes_.end() && change->second.status) return change->second.status;
  return under_.StatusOf(kind, id);
}

bool StatusOverlay::HasMark(EntityKind kind, std::string_view id, std::string_view mark) const {
  const auto change = changes_.find({kind, std::string(id)});
  if (change != changes_.end() && change->second.marks.contains(mark)) return true;
  return under_.HasMark(kind, id, mark);
}

void StatusOverlay::Record(const v1::BuildEvent& event, int64_t idx) {
  newest_idx_ = idx;
  const auto step = TransitionOf(event);
  if (!step.ok() || !*step) return;
  Change& change = changes_[{(*step)->kind, (*step)->id}];
  change.idx = idx;
  if ((*step)->mark.empty()) {
    change.status = (*step)->to;
  } else {
    change.marks.insert((*step)->mark);
  }
}

void StatusOverlay::Absorb(StatusOverlay&& above) {
  newest_idx_ = std::max(newest_idx_, above.newest_idx_);
  for (auto& [key, change] : above.changes_) {
    Change& mine = changes_[key];
    if (change.status) mine.status = change.status;
    mine.marks.merge(change.marks);
    mine.idx = change.idx;
  }
}

void StatusOverlay::Forget(int64_t folded) {
  if (newest_idx_ <= folded) {
    changes_.clear();
  } else if (changes_.size() >= kWorthASweep) {
    std::erase_if(changes_, [&](const auto& entry) { return entry.second.idx <= folded; });
  }
}

}  // namespace databuild
