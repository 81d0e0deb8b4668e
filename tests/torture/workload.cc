#include "tests/torture/workload.h"

#include "bel/base/crc32c.h"
#include "bel/event_codec.h"
#include "bel/ids.h"

namespace databuild::torture {

std::string RefOf(const std::string& tag) {
  const uint32_t hash = Crc32c(tag);
  return "torture/" + std::to_string(hash % 5) + "/" + std::to_string(hash / 5 % 40);
}

std::vector<v1::BuildEvent> BatchOf(const std::string& tag) {
  constexpr v1::WantLifecycle kSteps[] = {v1::WANT_CREATED, v1::WANT_SATISFIED,
                                          v1::WANT_UNSATISFIED};
  std::vector<v1::BuildEvent> events;
  const uint32_t count = 1 + Crc32c(tag + "/size") % 3;
  for (uint32_t part = 0; part < count; ++part) {
    v1::BuildEvent& event = events.emplace_back();
    event.set_event_id(UuidV5("6ba7b810-9dad-11d1-80b4-00c04fd430c8", {tag, std::to_string(part)}));
    v1::WantEvent& want = *event.mutable_want_event();
    want.set_want_id(tag);
    want.set_lifecycle(kSteps[part]);
    want.add_requested_partitions()->set_str(RefOf(tag));
  }
  return events;
}

Result<std::vector<LoggedEvent>> ReadLog(Storage& storage) {
  std::vector<LoggedEvent> log;
  while (true) {
    ASSIGN_OR_RETURN(const StoredPage page,
                     storage.List(kGraph, {static_cast<int64_t>(log.size()), 8'192, 16 << 20}));
    for (const StoredEvent& stored : page.events) {
      ASSIGN_OR_RETURN(const v1::BuildEvent event, DecodeEvent(stored));
      const v1::WantEvent& want = event.want_event();
      if (want.requested_partitions_size() != 1) {
        return Error{Errc::kCorrupt, "idx " + std::to_string(stored.idx) + " is no workload"};
      }
      const int part = want.lifecycle() == v1::WANT_CREATED     ? 0
                       : want.lifecycle() == v1::WANT_SATISFIED ? 1
                                                                : 2;
      log.push_back({stored.idx, stored.ts, stored.epoch, stored.event_id, want.want_id(), part,
                     want.requested_partitions(0).str()});
    }
    if (static_cast<int64_t>(log.size()) >= page.at.head) return log;
  }
}

}  // namespace databuild::torture
