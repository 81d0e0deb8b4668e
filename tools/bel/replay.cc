#include "tools/bel/replay.h"

#include <algorithm>

#include "bel/event_codec.h"
#include "bel/state_digest.h"
#include "bel/transition.h"

namespace databuild {
void Replay::Breach(int64_t idx, const std::string& what) {
  ++breaches_;
  on_breach_("idx " + std::to_string(idx) + ": " + what);
}

void Replay::CheckOrder(const StoredEvent& event) {
  if (last_idx_ >= 0 && event.idx != last_idx_ + 1) {
    Breach(event.idx, "does not follow idx " + std::to_string(last_idx_));
  }
  if (event.ts <= last_ts_) Breach(event.idx, "its timestamp is not after the one before");
  if (event.epoch < last_epoch_) {
    Breach(event.idx, "its epoch " + std::to_string(event.epoch) + " comes after epoch " +
                          std::to_string(last_epoch_) + ": a fenced writer wrote it");
  }
  last_idx_ = event.idx;
  last_ts_ = event.ts;
  last_epoch_ = event.epoch;
}

void Replay::CheckColumns(const StoredEvent& event, const v1::BuildEvent& decoded) {
  if (decoded.timestamp() != event.ts) Breach(event.idx, "the payload has another timestamp");
  if (decoded.event_id() != event.event_id) Breach(event.idx, "the payload has another event_id");
  if (decoded.event_type_case() != event.type) Breach(event.idx, "the payload is of another kind");
}

Status Replay::Add(const StoredEvent& event) {
  CheckOrder(event);
  ASSIGN_OR_RETURN(const v1::BuildEvent decoded, DecodeEvent(event));
  CheckColumns(event, decoded);
  if (event.idx > base_.state->idx()) {
    if (const Status legal = CheckTransition(*base_.state, decoded); !legal.ok()) {
      Breach(event.idx, legal.error().message);
    }
    base_.state->Apply(decoded);
  }
  if (const auto id = ParseUuid(event.event_id)) ids_.push_back(*id);
  ++events_;
  payload_bytes_ += static_cast<int64_t>(event.payload.size());
  return {};
}

void Replay::Finish() {
  std::sort(ids_.begin(), ids_.end());
  for (auto at = ids_.begin(); (at = std::adjacent_find(at, ids_.end())) != ids_.end(); ++at) {
    ++breaches_;
    on_breach_("event_id " + FormatUuid(*at) + " stands twice in the log");
  }
}

std::string Replay::Digest() const { return FormatDigest(StateDigest(*base_.state)); }

}  // namespace databuild
