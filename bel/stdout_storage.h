// A tee beside memory: every appended event is also one line of JSON on a stream, for pipes:
//
//   {"graph":"sales","idx":1,"epoch":1,"event":{"eventId":"…",…}}
//
// Flushed once per batch. Nothing survives the process; Initialize says so in the log.
#pragma once

#include <cstdio>
#include <mutex>

#include "bel/memory_storage.h"

namespace databuild {

class StdoutStorage final : public Storage {
 public:
  // `stream` must outlive the storage.
  explicit StdoutStorage(std::FILE* stream) : stream_(stream) {}

  Status Initialize() override;
  Result<Acquired> Acquire(const AcquireRequest& request) override {
    return memory_.Acquire(request);
  }
  // kUnavailable when the line could not be written: the reader of the pipe is gone.
  std::vector<Result<int64_t>> AppendAll(std::span<const AppendBatch> batches) override;
  Result<int64_t> Import(const AppendBatch& batch) override;
  Result<StoredPage> List(const std::string& graph, const ListRange& range) override {
    return memory_.List(graph, range);
  }
  Result<GraphHead> Head(const std::string& graph) override { return memory_.Head(graph); }
  Result<std::vector<GraphHead>> Graphs() override { return memory_.Graphs(); }
  const char* name() const override { return "stdout"; }

 private:
  Status WriteOut(const std::string& lines);

  MemoryStorage memory_;
  std::mutex stream_mutex_;  // lines of two batches never mix
  std::FILE* const stream_;
};

}  // namespace databuild
