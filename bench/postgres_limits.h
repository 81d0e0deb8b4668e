// What Postgres itself can do with the rows of a log, without our code: COPY in and out. The limits
// that appends, imports and reads are measured against.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <utility>

#include "bel/base/result.h"
#include "bel/storage.h"

struct pg_conn;

namespace databuild {

// Ends the benchmark, which means nothing any more.
inline void Require(bool good, const std::string& what) {
  if (good) return;
  std::fprintf(stderr, "bench: %s\n", what.c_str());
  std::exit(2);
}

template <typename T>
T Take(Result<T> result, const char* what) {
  Require(result.ok(), std::string(what) + (result.ok() ? "" : ": " + result.error().message));
  return std::move(result.value());
}

// Size of the large logs: BENCH_EVENTS of the environment, else a million.
inline int64_t EventsWanted() {
  const char* value = std::getenv("BENCH_EVENTS");
  return value == nullptr ? 1'000'000 : std::atoll(value);
}

// Brings a new server to the state of one that has run for a while: half a gigabyte of WAL files
// lie ready. A new server makes and flushes each as it is reached, which hits whoever writes next.
void Settle(const std::string& uri);

// One COPY BINARY stream with the events as rows of bel_events.
std::string CopyRows(std::span<const StoredEvent> events);

// A table like bel_events, keys and all, that COPY BINARY fills.
class CopyIn {
 public:
  explicit CopyIn(const std::string& uri);
  ~CopyIn();
  CopyIn(const CopyIn&) = delete;
  CopyIn& operator=(const CopyIn&) = delete;

  // One transaction.
  void Send(const std::string& rows);
  void Empty();

 private:
  pg_conn* connection_;
};

// Reads the events of all graphs up to `idx` by COPY OUT BINARY and drops them; bytes received.
int64_t CopyOut(const std::string& uri, int64_t idx);

}  // namespace databuild
