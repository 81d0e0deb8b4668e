#include "tools/bel/replay.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>

#include "bel/base/crc32c.h"
#include "bel/event_codec.h"
#include "bel/transition.h"

namespace databuild {
namespace {

uint64_t Mix(uint64_t value) {  // the finalizer of SplitMix64
  value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
  value = (value ^ value >> 27) * 0x94d049bb133111ebu;
  return value ^ value >> 31;
}

}  // namespace

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
  if (const Status legal = CheckTransition(state_, decoded); !legal.ok()) {
    Breach(event.idx, legal.error().message);
  }
  if (const auto id = ParseUuid(event.event_id)) ids_.push_back(*id);
  state_.Apply(decoded);
  chain_ = Mix(chain_ + event.crc32c + (static_cast<uint64_t>(event.payload.size()) << 32));
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

std::string Replay::Digest() const {
  uint64_t facts = Mix(static_cast<uint64_t>(state_.idx()));
  for (const auto* counters :
       {&state_.partitions_by_status(), &state_.wants_by_status(), &state_.builds_by_status(),
        &state_.runs_by_status(), &state_.runs_by_outcome(), &state_.taints_by_status()}) {
    for (const auto& [status, count] : *counters) {
      if (count != 0) facts = Mix(facts + Mix(static_cast<uint64_t>(status)) + count);
    }
    facts = Mix(facts);
  }
  char text[33];
  std::snprintf(text, sizeof(text), "%016" PRIx64 "%016" PRIx64, facts, chain_);
  return text;
}

}  // namespace databuild
