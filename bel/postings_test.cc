#include "bel/postings.h"

#include <algorithm>
#include <map>
#include <random>

#include "bel/build_state.h"
#include "gtest/gtest.h"

namespace databuild {
namespace {

using Key = std::pair<Term, std::string>;

// Writes events and keeps beside them what each term is named by.
class PostingWorld {
 public:
  v1::BuildEvent& Next(const std::string& build) {
    event_ = v1::BuildEvent();
    event_.set_idx(++idx_);
    event_.set_build_request_id(build);
    return event_;
  }
  void Apply() {
    const std::string bytes = event_.SerializeAsString();
    EventDecoder decoder;
    EventView view;
    ASSERT_TRUE(decoder.Decode(bytes, view));
    state_.Apply(view);
    postings_.Add(view, state_);
  }
  void Skip(int64_t events) { idx_ += events; }

  std::vector<uint32_t> Read(Term term, const std::string& text, int64_t since = 0) const {
    std::vector<uint32_t> found;
    postings_.Collect(term, text, since, found);
    std::sort(found.begin(), found.end());
    return found;
  }

  BuildState state_;
  Postings postings_;
  v1::BuildEvent event_;
  int64_t idx_ = 0;
};

TEST(Postings, EveryTermOfAnEventLeadsToIt) {
  PostingWorld world;
  v1::JobEvent& run = *world.Next("b").mutable_job_event();
  run.set_job_run_id("r");
  run.mutable_job_label()->set_label("//a");
  run.set_status_code(v1::JOB_SCHEDULED);
  for (const char* ref : {"x", "y", "x"}) run.add_target_partitions()->set_str(ref);
  world.Apply();
  v1::WantEvent& want = *world.Next("").mutable_want_event();
  want.set_want_id("w");
  want.set_lifecycle(v1::WANT_CREATED);
  v1::PartitionRange& range = *want.add_requested_ranges();
  range.set_ref("d={d}");
  (*range.mutable_captures())["d"].add_values("1");
  (*range.mutable_captures())["d"].add_values("2");
  world.Apply();
  v1::TaintEvent& taint = *world.Next("").mutable_taint_event();
  taint.set_taint_id("t");
  taint.add_refs()->set_str("x");
  taint.add_tainted_instances()->set_ref("never heard of");
  world.Apply();
  v1::AdoptionEvent& adoption = *world.Next("").mutable_adoption_event();
  adoption.set_from_build_request_id("b");
  adoption.set_to_build_request_id("c");
  world.Apply();
  using List = std::vector<uint32_t>;
  EXPECT_EQ(world.Read(Term::kRef, "x"), (List{1, 3}));  // once per event
  EXPECT_EQ(world.Read(Term::kRef, "y"), (List{1}));
  EXPECT_EQ(world.Read(Term::kRef, "d=2"), (List{2}));
  EXPECT_EQ(world.Read(Term::kRef, "d=3"), (List{}));
  EXPECT_EQ(world.Read(Term::kRun, "r"), (List{1}));
  EXPECT_EQ(world.Read(Term::kLabel, "//a"), (List{1}));
  EXPECT_EQ(world.Read(Term::kBuild, "b"), (List{1, 4}));
  EXPECT_EQ(world.Read(Term::kBuild, "c"), (List{4}));
  EXPECT_EQ(world.Read(Term::kWant, "w"), (List{2}));
  EXPECT_EQ(world.Read(Term::kTaint, "t"), (List{3}));
  EXPECT_EQ(world.Read(Term::kRef, "r"), (List{}));  // kinds of terms are apart
  EXPECT_EQ(world.postings_.strays().size(), 1u);
  EXPECT_EQ(world.postings_.idx(), 4);
}

TEST(Postings, ListsOfAnyLengthComeBackFromAnyPosition) {
  std::mt19937_64 random(7);
  PostingWorld world;
  std::map<std::string, std::vector<uint32_t>> model;
  for (int i = 0; i < 60'000; ++i) {
    // Some builds are named all the time, most hardly ever; some gaps need long deltas.
    const std::string build =
        "b" + std::to_string(random() % 10 == 0 ? random() % 20'000 : random() % 5);
    if (random() % 1'000 == 0) world.Skip(static_cast<int64_t>(random() % 3'000'000));
    world.Next(build).mutable_build_cancel_event();
    world.Apply();
    model[build].push_back(static_cast<uint32_t>(world.idx_));
  }
  for (const auto& [build, idx] : model) {
    for (const int64_t since :
         {int64_t{0}, static_cast<int64_t>(random() % world.idx_), world.idx_ - 10, world.idx_}) {
      std::vector<uint32_t> expected = idx;
      std::erase_if(expected, [&](uint32_t at) { return at <= since; });
      ASSERT_EQ(world.Read(Term::kBuild, build, since), expected) << build << " " << since;
      ASSERT_GE(world.postings_.Estimate(Term::kBuild, build, since), expected.size());
    }
  }
}

// 100,000 partitions made as in a real graph: wanted, planned, built by runs over four each.
TEST(Postings, OneTakesAtMostEightBytes) {
  PostingWorld world;
  const auto partition = [&](int i, v1::PartitionStatus status) {
    v1::PartitionEvent& event =
        *world.Next("build-" + std::to_string(i / 400)).mutable_partition_event();
    event.mutable_partition_ref()->set_str("sales/rollup/date=" + std::to_string(i));
    event.set_instance_id("i" + std::to_string(i));
    event.set_status_code(status);
    if (status >= v1::PARTITION_BUILDING) event.set_job_run_id("run-" + std::to_string(i / 4));
    world.Apply();
  };
  const auto run = [&](int first, v1::JobStatus status) {
    v1::JobEvent& event = *world.Next("build-" + std::to_string(first / 400)).mutable_job_event();
    event.set_job_run_id("run-" + std::to_string(first / 4));
    event.mutable_job_label()->set_label("//sales:rollup");
    event.set_status_code(status);
    for (int i = first; i < first + 4; ++i) {
      event.add_target_partitions()->set_str("sales/rollup/date=" + std::to_string(i));
    }
    world.Apply();
  };
  for (int first = 0; first < 100'000; first += 400) {
    for (int i = first; i < first + 400; ++i) partition(i, v1::PARTITION_REQUESTED);
    for (int i = first; i < first + 400; ++i) partition(i, v1::PARTITION_ANALYZED);
    for (int i = first; i < first + 400; i += 4) run(i, v1::JOB_SCHEDULED);
    for (int i = first; i < first + 400; ++i) partition(i, v1::PARTITION_BUILDING);
    for (int i = first; i < first + 400; i += 4) run(i, v1::JOB_RUNNING);
    for (int i = first; i < first + 400; i += 4) run(i, v1::JOB_COMPLETED);
    for (int i = first; i < first + 400; ++i) partition(i, v1::PARTITION_AVAILABLE);
  }
  const double each =
      static_cast<double>(world.postings_.bytes()) / static_cast<double>(world.postings_.count());
  RecordProperty("bytes_each", std::to_string(each));
  EXPECT_LE(each, 8.0) << world.postings_.count() << " postings";
}

}  // namespace
}  // namespace databuild
