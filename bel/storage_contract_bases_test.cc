// The contract of Storage, third part: bases, and floors that rest on them.
#include "bel/segment.h"
#include "bel/storage_contract.h"
#include "gtest/gtest.h"

namespace databuild {
namespace {

constexpr char kCluster[] = "cluster-1";
constexpr char kGraph[] = "a";

class BaseContract : public testing::TestWithParam<BackendUnderTest> {
 protected:
  void SetUp() override {
    site_ = GetParam().new_site();
    storage_ = site_->Open();
    log_ = storage_->Acquire({kGraph, "holder", kCluster}).value();
  }
  void Fill(int64_t count) {
    ASSERT_TRUE(storage_->Append(kGraph, log_.epoch, 0, TestEvents(1, count, "x")).ok());
  }
  // Sealed in pieces of ten.
  void FillAndSeal(int64_t count) {
    const auto events = TestEvents(1, count, "x");
    ASSERT_TRUE(storage_->Append(kGraph, log_.epoch, 0, events).ok());
    std::vector<StoredEvent> stored = events;
    for (StoredEvent& event : stored) event.epoch = log_.epoch;
    for (size_t at = 0; at < stored.size(); at += 10) {
      const Segment segment = EncodeSegment(std::span(stored).subspan(at, 10));
      ASSERT_TRUE(storage_->PutSegment(kGraph, log_.epoch, segment).ok());
    }
  }
  static std::string Bytes(int64_t idx, int32_t number) {
    std::string bytes = std::to_string(idx) + "/" + std::to_string(number);
    bytes.push_back('\0');  // bytes, not text
    return bytes + '\xff';
  }
  Status PutChunk(int64_t idx, int32_t number) {
    return storage_->PutBaseChunk(kGraph, log_.epoch, {idx, number, Bytes(idx, number)});
  }
  static BaseInfo Info(int64_t idx, int32_t chunks) {
    BaseInfo base{idx, 2, chunks, 0, 0xfedcba98};
    for (int32_t i = 0; i < chunks; ++i) base.bytes += static_cast<int64_t>(Bytes(idx, i).size());
    return base;
  }
  Status Put(int64_t idx, int32_t chunks = 2) {
    for (int32_t number = 0; number < chunks; ++number) {
      RETURN_IF_ERROR(PutChunk(idx, number));
    }
    return storage_->FinishBase(kGraph, log_.epoch, Info(idx, chunks));
  }

  std::unique_ptr<StorageSite> site_;
  std::unique_ptr<Storage> storage_;
  Acquired log_;
};

TEST_P(BaseContract, ComesBackAsItWasPutNewestFirst) {
  Fill(30);
  EXPECT_TRUE(storage_->Bases(kGraph)->empty());
  ASSERT_TRUE(Put(10).ok());
  ASSERT_TRUE(Put(30, 3).ok());
  ASSERT_TRUE(Put(20, 1).ok());
  if (site_->durable()) {
    storage_.reset();
    storage_ = site_->Open();
  }
  const std::vector<BaseInfo> expected = {Info(30, 3), Info(20, 1), Info(10, 2)};
  EXPECT_EQ(storage_->Bases(kGraph).value(), expected);
  EXPECT_EQ(storage_->ReadBaseChunk(kGraph, 30, 2).value(), Bytes(30, 2));
  EXPECT_EQ(storage_->ReadBaseChunk(kGraph, 30, 3).error().code, Errc::kNotFound);
  EXPECT_EQ(storage_->ReadBaseChunk(kGraph, 29, 0).error().code, Errc::kNotFound);
  EXPECT_EQ(storage_->Bases("none").error().code, Errc::kNotFound);
}

TEST_P(BaseContract, AChunkHasUpToAMebibyteOfAnyBytes) {
  Fill(5);
  const std::string large(kBaseChunkBytes, '\0');
  ASSERT_TRUE(storage_->PutBaseChunk(kGraph, log_.epoch, {5, 0, large}).ok());
  EXPECT_EQ(storage_->ReadBaseChunk(kGraph, 5, 0).value(), large);
}

TEST_P(BaseContract, WhatIsNotWholeIsNoBase) {
  Fill(30);
  EXPECT_FALSE(storage_->FinishBase(kGraph, log_.epoch, Info(10, 2)).ok());
  ASSERT_TRUE(PutChunk(10, 0).ok());
  EXPECT_FALSE(storage_->FinishBase(kGraph, log_.epoch, Info(10, 2)).ok());
  EXPECT_FALSE(PutChunk(10, 0).ok());  // is there
  ASSERT_TRUE(PutChunk(10, 2).ok());   // leaves a hole
  EXPECT_FALSE(storage_->FinishBase(kGraph, log_.epoch, Info(10, 2)).ok());
  EXPECT_FALSE(Put(31).ok());  // beyond the head
  EXPECT_TRUE(storage_->Bases(kGraph)->empty());
  // Removed, so that another try begins with nothing.
  ASSERT_TRUE(storage_->DropBases(kGraph, log_.epoch, 0).ok());
  EXPECT_EQ(storage_->ReadBaseChunk(kGraph, 10, 0).error().code, Errc::kNotFound);
  EXPECT_TRUE(Put(10).ok());
}

TEST_P(BaseContract, NoFloorRisesWithoutABaseThatReachesIt) {
  FillAndSeal(30);
  EXPECT_EQ(storage_->RaiseFloor(kGraph, log_.epoch, 10).error().code, Errc::kInvalidArgument);
  ASSERT_TRUE(PutChunk(15, 0).ok());
  ASSERT_TRUE(PutChunk(15, 1).ok());
  EXPECT_FALSE(storage_->RaiseFloor(kGraph, log_.epoch, 10).ok());  // not finished
  ASSERT_TRUE(storage_->FinishBase(kGraph, log_.epoch, Info(15, 2)).ok());
  EXPECT_FALSE(storage_->RaiseFloor(kGraph, log_.epoch, 20).ok());
  EXPECT_EQ(storage_->Head(kGraph)->at.floor, 0);
  ASSERT_TRUE(storage_->RaiseFloor(kGraph, log_.epoch, 10).ok());
  EXPECT_EQ(storage_->Head(kGraph)->at.floor, 10);
}

TEST_P(BaseContract, TheBaseThatAFloorRestsOnStays) {
  FillAndSeal(30);
  ASSERT_TRUE(Put(15).ok());
  ASSERT_TRUE(storage_->RaiseFloor(kGraph, log_.epoch, 10).ok());
  EXPECT_EQ(storage_->DropBases(kGraph, log_.epoch, 16).error().code, Errc::kInvalidArgument);
  ASSERT_EQ(storage_->Bases(kGraph)->size(), 1u);
  EXPECT_EQ(storage_->ReadBaseChunk(kGraph, 15, 1).value(), Bytes(15, 1));
  ASSERT_TRUE(Put(25).ok());
  ASSERT_TRUE(storage_->DropBases(kGraph, log_.epoch, 25).ok());
  EXPECT_EQ(storage_->Bases(kGraph).value(), std::vector<BaseInfo>{Info(25, 2)});
  EXPECT_EQ(storage_->ReadBaseChunk(kGraph, 15, 1).error().code, Errc::kNotFound);
}

TEST_P(BaseContract, AFencedWriterChangesNothing) {
  FillAndSeal(30);
  ASSERT_TRUE(Put(10).ok());
  const int64_t old = log_.epoch;
  log_ = storage_->Acquire({kGraph, "another", kCluster}).value();
  const std::string bytes = Bytes(20, 0);
  EXPECT_EQ(storage_->PutBaseChunk(kGraph, old, {20, 0, bytes}).error().code, Errc::kFenced);
  EXPECT_EQ(storage_->FinishBase(kGraph, old, Info(20, 1)).error().code, Errc::kFenced);
  EXPECT_EQ(storage_->DropBases(kGraph, old, 11).error().code, Errc::kFenced);
  EXPECT_EQ(storage_->Bases(kGraph)->size(), 1u);
  EXPECT_EQ(storage_->ReadBaseChunk(kGraph, 20, 0).error().code, Errc::kNotFound);
}

TEST_P(BaseContract, ALogWithoutEventsMayBeginAfterItsBasesFloor) {
  EXPECT_EQ(storage_->BeginAt(kGraph, log_.epoch, 20).error().code, Errc::kInvalidArgument);
  ASSERT_TRUE(Put(25).ok());
  EXPECT_FALSE(storage_->BeginAt(kGraph, log_.epoch, 26).ok());
  ASSERT_TRUE(storage_->BeginAt(kGraph, log_.epoch, 20).ok());
  EXPECT_EQ(storage_->BeginAt(kGraph, log_.epoch, 20).error().code, Errc::kAlreadyExists);
  const Acquired at = storage_->Head(kGraph)->at;
  EXPECT_EQ(at.head, 20);
  EXPECT_EQ(at.floor, 20);
  EXPECT_EQ(at.sealed, 20);
  ASSERT_TRUE(storage_->Append(kGraph, log_.epoch, 20, TestEvents(21, 10, "y")).ok());
  EXPECT_EQ(storage_->List(kGraph, {19, 10, 1 << 20}).error().code, Errc::kOutOfRange);
  EXPECT_EQ(storage_->List(kGraph, {20, 100, 1 << 20})->events.size(), 10u);
  // And goes on like any other.
  std::vector<StoredEvent> events = storage_->List(kGraph, {20, 100, 1 << 20})->events;
  ASSERT_TRUE(
      storage_->PutSegment(kGraph, log_.epoch, EncodeSegment(std::span(events).first(5))).ok());
  EXPECT_EQ(storage_->DropSealedRows(kGraph, log_.epoch).value(), 5);
  ASSERT_TRUE(storage_->RaiseFloor(kGraph, log_.epoch, 25).ok());
  EXPECT_EQ(storage_->List(kGraph, {25, 100, 1 << 20})->events.size(), 5u);
}

TEST_P(BaseContract, ALogWithEventsBeginsWhereItBegan) {
  Fill(5);
  ASSERT_TRUE(Put(5).ok());
  EXPECT_EQ(storage_->BeginAt(kGraph, log_.epoch, 5).error().code, Errc::kAlreadyExists);
  EXPECT_EQ(storage_->Head(kGraph)->at.floor, 0);
}

INSTANTIATE_TEST_SUITE_P(Backends, BaseContract, testing::ValuesIn(BackendsUnderTest()),
                         [](const auto& backend) { return backend.param.name; });

}  // namespace
}  // namespace databuild
