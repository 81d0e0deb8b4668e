// A log folded again from its first event, or from the base that stands for what retention gave up,
// with every rule of the log checked on the way.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "bel/base/uuid.h"
#include "bel/build_state.h"
#include "bel/log_base.h"
#include "bel/storage.h"

namespace databuild {

class Replay {
 public:
  // `on_breach` hears of every event that breaks a rule: one line with idx and what is wrong.
  explicit Replay(std::function<void(const std::string&)> on_breach)
      : on_breach_(std::move(on_breach)) {}

  // Before the first event: the fold of the events up to the base's idx. Events up to there are
  // checked but not folded again.
  void BeginAt(Fold base) { base_ = std::move(base); }

  // Dense, times ascending, epochs not descending, columns as in the payload, a legal transition.
  // An error ends the replay: the bytes cannot be folded.
  Status Add(const StoredEvent& event);
  // After the last event: what only the whole log shows (an event_id that stands twice).
  void Finish();

  int64_t events() const { return events_; }
  int64_t breaches() const { return breaches_; }
  int64_t payload_bytes() const { return payload_bytes_; }
  const BuildState& state() const { return *base_.state; }

  // Hex. Logs with the same events have the same digest, whatever storage they are in.
  std::string Digest() const;

 private:
  void Breach(int64_t idx, const std::string& what);
  void CheckOrder(const StoredEvent& event);
  void CheckColumns(const StoredEvent& event, const v1::BuildEvent& decoded);

  std::function<void(const std::string&)> on_breach_;
  Fold base_;  // the events so far
  std::vector<UuidBytes> ids_;
  int64_t events_ = 0, breaches_ = 0, payload_bytes_ = 0;
  int64_t last_idx_ = -1;  // -1: nothing yet
  int64_t last_epoch_ = 0;
  TimeNs last_ts_ = 0;
};

}  // namespace databuild
