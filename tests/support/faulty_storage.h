// One process's way to a storage that it shares with others: appends may be refused, or recorded
// and the reply lost, and the process may die right before or after one. Not thread-safe beyond
// what the shared storage is, but for `away` and `appends`.
#pragma once

#include <atomic>
#include <random>
#include <string>
#include <vector>

#include "bel/storage.h"

namespace databuild {

class FaultyStorage final : public Storage {
 public:
  // In percent of the appends.
  struct Faults {
    int refuse = 0;
    int lose_reply = 0;
    int crash = 0;  // half of them before the append, half after
    // Success is answered, nothing is recorded, and the process dies after its turn: what acting
    // before the append is durable amounts to. No storage may do this; for a mutant.
    int forget = 0;
    std::mt19937_64* random = nullptr;
  };

  explicit FaultyStorage(Storage& shared) : shared_(shared) {}

  Status Initialize() override { return shared_.Initialize(); }
  Result<Acquired> Acquire(const AcquireRequest& request) override {
    if (away || crashed_) return Lost();
    return shared_.Acquire(request);
  }
  std::vector<Result<int64_t>> AppendAll(std::span<const AppendBatch> batches) override {
    const int number = ++appends;
    if (away || crashed_ || Chance(faults.refuse)) return AllLost(batches);
    if (Chance(faults.forget)) {
      crashed_ = true;
      return Claimed(batches);
    }
    crashed_ = Chance(faults.crash);
    if (crashed_ && Chance(50)) return AllLost(batches);
    std::vector<Result<int64_t>> results = shared_.AppendAll(batches);
    if (crashed_ || number == lose_reply_of || Chance(faults.lose_reply)) return AllLost(batches);
    return results;
  }
  Result<StoredPage> List(const std::string& graph, const ListRange& range) override {
    return shared_.List(graph, range);
  }
  Result<GraphHead> Head(const std::string& graph) override { return shared_.Head(graph); }
  Result<std::vector<GraphHead>> Graphs() override { return shared_.Graphs(); }
  Result<int64_t> Import(const AppendBatch& batch) override { return shared_.Import(batch); }
  const char* name() const override { return "faulty"; }

  // The process has died: nothing reaches the storage any more.
  bool crashed() const { return crashed_; }

  Faults faults;
  std::atomic<bool> away = false;
  std::atomic<int> lose_reply_of = 0;  // the append with this number, from 1
  std::atomic<int> appends = 0;        // tried

 private:
  bool Chance(int percent) {
    return percent > 0 && (*faults.random)() % 100 < static_cast<uint64_t>(percent);
  }
  static Error Lost() { return {Errc::kUnavailable, "the storage is away"}; }
  static std::vector<Result<int64_t>> AllLost(std::span<const AppendBatch> batches) {
    return std::vector<Result<int64_t>>(batches.size(), Lost());
  }

  static std::vector<Result<int64_t>> Claimed(std::span<const AppendBatch> batches) {
    std::vector<Result<int64_t>> heads;
    for (const AppendBatch& batch : batches)
      heads.push_back(batch.expected_head + CountEvents(batch));
    return heads;
  }

  Storage& shared_;
  bool crashed_ = false;
};

}  // namespace databuild
