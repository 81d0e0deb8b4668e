// What the contract suite needs of a backend. storage_contract_test.cc holds the suite; one file
// per test binary says which backends it runs against.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bel/base/crc32c.h"
#include "bel/base/uuid.h"
#include "bel/log_chunks.h"
#include "bel/storage.h"

namespace databuild {

// A place for one log; fresh for every test.
class StorageSite {
 public:
  virtual ~StorageSite() = default;
  // The storage, initialized. A durable site gives the same log when the storage before it is gone.
  virtual std::unique_ptr<Storage> Open() = 0;
  // The same log for reading only, or nullptr if nobody else can see it.
  virtual std::unique_ptr<Storage> OpenReadOnly() { return nullptr; }
  // The lines of runs beside that log, initialized; the storage has been opened before.
  virtual std::unique_ptr<LogChunks> OpenLogChunks() = 0;
  virtual bool durable() const = 0;
};

struct BackendUnderTest {
  std::string name;
  std::function<std::unique_ptr<StorageSite>()> new_site;
};

std::vector<BackendUnderTest> BackendsUnderTest();

// The event a test appends at `idx`: content, id and time derived from `tag`.
inline StoredEvent TestEvent(int64_t idx, const std::string& tag, size_t payload_bytes = 24) {
  StoredEvent event;
  event.idx = idx;
  event.ts = idx * 1'000;
  event.type = 11;
  UuidBytes id{};
  const uint32_t hash = Crc32c(tag);
  for (size_t i = 0; i < id.size(); ++i) {
    id[i] = static_cast<uint8_t>((i < 4 ? hash : static_cast<uint64_t>(idx)) >> (i % 8 * 8));
  }
  event.event_id = FormatUuid(id);
  event.payload = tag;
  event.payload.push_back('\0');  // bytes, not text
  while (event.payload.size() < payload_bytes)
    event.payload += static_cast<char>(idx + static_cast<int64_t>(event.payload.size()));
  event.crc32c = Crc32c(event.payload);
  return event;
}

inline std::vector<StoredEvent> TestEvents(int64_t first, int64_t count, const std::string& tag) {
  std::vector<StoredEvent> events;
  for (int64_t i = 0; i < count; ++i) {
    events.push_back(TestEvent(first + i, tag + std::to_string(first + i)));
  }
  return events;
}

}  // namespace databuild
