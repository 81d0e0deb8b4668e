// A process that dies in the middle of the upkeep of a log: passes calls on until `left` of those
// that change old events or bases were made; the next is not carried out, or carried out without an
// answer, and from then on nothing is answered. Thread-safe.
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <vector>

#include "bel/storage.h"

namespace databuild {

class CrashingStorage final : public Storage {
 public:
  CrashingStorage(Storage* real, int left, bool carried_out)
      : real_(real), left_(left), carried_out_(carried_out) {}

  Status Initialize() override { return {}; }
  Result<Acquired> Acquire(const AcquireRequest& request) override {
    return real_->Acquire(request);
  }
  std::vector<Result<int64_t>> AppendAll(std::span<const AppendBatch> batches) override {
    return real_->AppendAll(batches);
  }
  Result<int64_t> Import(const AppendBatch& batch) override { return real_->Import(batch); }
  Result<StoredPage> List(const std::string& graph, const ListRange& range) override {
    if (crashed_) return Gone();
    return real_->List(graph, range);
  }
  Result<GraphHead> Head(const std::string& graph) override { return real_->Head(graph); }
  Result<std::vector<GraphHead>> Graphs() override { return real_->Graphs(); }
  Status PutSegment(const std::string& graph, int64_t epoch, const Segment& segment) override {
    return Guard([&] { return real_->PutSegment(graph, epoch, segment); });
  }
  Result<int64_t> DropSealedRows(const std::string& graph, int64_t epoch) override {
    return Guard([&] { return real_->DropSealedRows(graph, epoch); });
  }
  Status RaiseFloor(const std::string& graph, int64_t epoch, int64_t floor) override {
    return Guard([&] { return real_->RaiseFloor(graph, epoch, floor); });
  }
  Result<std::vector<SegmentInfo>> Segments(const std::string& graph) override {
    return real_->Segments(graph);
  }
  Status PutBaseChunk(const std::string& graph, int64_t epoch, const BaseChunk& chunk) override {
    return Guard([&] { return real_->PutBaseChunk(graph, epoch, chunk); });
  }
  Result<std::string> ReadBaseChunk(const std::string& graph, int64_t idx,
                                    int32_t number) override {
    if (crashed_) return Gone();
    return real_->ReadBaseChunk(graph, idx, number);
  }
  Status FinishBase(const std::string& graph, int64_t epoch, const BaseInfo& base) override {
    return Guard([&] { return real_->FinishBase(graph, epoch, base); });
  }
  Status DropBases(const std::string& graph, int64_t epoch, int64_t idx) override {
    return Guard([&] { return real_->DropBases(graph, epoch, idx); });
  }
  Result<std::vector<BaseInfo>> Bases(const std::string& graph) override {
    if (crashed_) return Gone();
    return real_->Bases(graph);
  }
  const char* name() const override { return "crashing"; }
  bool crashed() const { return crashed_; }

 private:
  static Error Gone() { return Error{Errc::kUnavailable, "the process is gone"}; }
  template <typename Step>
  auto Guard(Step step) -> decltype(step()) {
    const std::lock_guard lock(mutex_);
    if (crashed_) return Gone();
    if (left_-- > 0) return step();
    crashed_ = true;
    if (carried_out_) static_cast<void>(step());
    return Gone();
  }

  Storage* const real_;
  std::mutex mutex_;  // guards left_
  int left_;
  const bool carried_out_;
  std::atomic<bool> crashed_ = false;
};

}  // namespace databuild
