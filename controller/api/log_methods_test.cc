#include "controller/api/log_methods.h"

#include <gtest/gtest.h>

#include "bel/event_log.h"
#include "bel/event_log_testing.h"
#include "bel/memory_storage.h"
#include "bel/query_testing.h"
#include "controller/api/graph_source.h"
#include "controller/api/log_source.h"

namespace databuild {
namespace {

// A log of `lines` lines, of which the first `arrived` are there.
class CountedLog final : public LogSource {
 public:
  Result<LogPage> ReadLog(const LogPageRequest& request) override {
    asked = request;
    LogPage page;
    page.next = request.after;
    const auto limit = static_cast<int64_t>(request.limit);
    while (page.next < arrived && page.next - request.after < limit)
      page.response.add_entries()->set_sequence_number(static_cast<uint64_t>(++page.next));
    page.response.set_has_more(page.next < arrived);
    page.finished = page.next == lines;
    page.response.set_logs_complete(page.finished);
    return page;
  }
  int64_t lines = 30;
  int64_t arrived = 30;
  LogPageRequest asked;
};

class OneGraph final : public GraphSource {
 public:
  OneGraph() {
    world.Schedule("run-1", "//a", {"a/1"});
    LogOptions options;
    options.storage = &storage;
    options.graph = "sales";
    options.holder = "pod-1";
    options.cluster_uid = "cluster-1";
    options.clock = &clock;
    log = OpenLog(options);
  }
  std::vector<std::string> Graphs() const override { return {"sales"}; }
  std::shared_ptr<const EventLog> Log(const std::string&) const override { return log; }
  bool Read(const std::string&, bool,
            const std::function<void(const QueryView&)>& read) const override {
    read(world.View());
    return true;
  }
  LogSource* logs() const override { return lines; }

  mutable QueryWorld world;
  MemoryStorage storage;
  TickingClock clock;
  std::shared_ptr<EventLog> log;
  LogSource* lines = nullptr;
};

class JobLogsTest : public testing::Test {
 protected:
  void SetUp() override {
    graph_.lines = &lines_;
    request_.set_job_run_id("run-1");
  }
  Call NewCall() {
    Call call;
    call.request = std::make_shared<v1::JobLogsRequest>(request_);
    call.source = &graph_;
    call.graph = "sales";
    call.log = graph_.log;
    return call;
  }
  Result<Outcome> Ask(bool last_try = false) {
    Call call = NewCall();
    call.last_try = last_try;
    return HandleJobLogs(call);
  }
  v1::JobLogsResponse Page() {
    const Result<Outcome> outcome = Ask(true);
    EXPECT_TRUE(outcome.ok()) << outcome.error().message;
    return static_cast<const v1::JobLogsResponse&>(*std::get<Answer>(*outcome).message);
  }

  OneGraph graph_;
  CountedLog lines_;
  v1::JobLogsRequest request_;
};

TEST_F(JobLogsTest, TheTokenIsEmptyWhenTheLogIsFinished) {
  request_.set_limit(20);
  v1::JobLogsResponse page = Page();
  EXPECT_EQ(page.entries_size(), 20);
  EXPECT_TRUE(page.has_more());
  request_.set_page_token(page.next_page_token());
  page = Page();
  EXPECT_EQ(page.entries(0).sequence_number(), 21u);
  EXPECT_EQ(page.entries_size(), 10);
  EXPECT_EQ(page.next_page_token(), "");
  EXPECT_TRUE(page.logs_complete());
}

TEST_F(JobLogsTest, TheTokenIsUnchangedWhileTheRunIsStillRunning) {
  lines_.arrived = 10;
  const std::string token = Page().next_page_token();
  ASSERT_NE(token, "");
  request_.set_page_token(token);
  EXPECT_EQ(Page().next_page_token(), token);
  lines_.arrived = 11;
  EXPECT_NE(Page().next_page_token(), token);
}

TEST_F(JobLogsTest, FollowWaitsForNewLinesAndOnlyForThem) {
  lines_.arrived = 10;
  request_.set_follow(true);
  EXPECT_TRUE(std::holds_alternative<Answer>(*Ask()));
  request_.set_page_token(Page().next_page_token());
  EXPECT_TRUE(std::holds_alternative<Wait>(*Ask()));
  EXPECT_TRUE(std::holds_alternative<Answer>(*Ask(true)));
  lines_.arrived = 30;
  EXPECT_TRUE(std::holds_alternative<Answer>(*Ask()));
}

TEST_F(JobLogsTest, FiltersAndTheRunsStateAreHandedOn) {
  request_.set_since_timestamp(17);
  request_.set_min_level(2);
  Page();
  EXPECT_EQ(lines_.asked.since, 17);
  EXPECT_EQ(lines_.asked.min_level, 2);
  EXPECT_EQ(lines_.asked.limit, 1'000u);
  EXPECT_TRUE(lines_.asked.run_live);
  graph_.world.Finish("run-1", v1::JOB_COMPLETED, v1::JOB_OUTCOME_SUCCEEDED);
  Page();
  EXPECT_FALSE(lines_.asked.run_live);
  EXPECT_GT(lines_.asked.run_ended_at, 0);
}

TEST_F(JobLogsTest, WrongRequestsNameTheField) {
  const struct {
    const char* field;
    void (*spoil)(v1::JobLogsRequest&);
  } kCases[] = {
      {"job_run_id", [](v1::JobLogsRequest& r) { r.clear_job_run_id(); }},
      {"since_timestamp", [](v1::JobLogsRequest& r) { r.set_since_timestamp(-1); }},
      {"min_level", [](v1::JobLogsRequest& r) { r.set_min_level(4); }},
      {"limit", [](v1::JobLogsRequest& r) { r.set_limit(10'001); }},
      {"page_size", [](v1::JobLogsRequest& r) { r.set_page_size(10'001); }},
      {"page_size",
       [](v1::JobLogsRequest& r) {
         r.set_page_size(5);
         r.set_limit(5);
       }},
      {"page_token", [](v1::JobLogsRequest& r) { r.set_page_token("x"); }},
  };
  for (const auto& one : kCases) {
    const v1::JobLogsRequest good = request_;
    one.spoil(request_);
    const Result<Outcome> outcome = Ask();
    ASSERT_FALSE(outcome.ok()) << one.field;
    EXPECT_EQ(FieldOf(outcome.error()), one.field);
    request_ = good;
  }
  const std::string token = [&] {
    lines_.arrived = 10;
    return Page().next_page_token();
  }();
  request_.set_page_token(token);
  request_.set_min_level(1);
  EXPECT_EQ(FieldOf(Ask().error()), "page_token") << "of another filter";
}

TEST_F(JobLogsTest, TheFirstLinesAreShownInPassingAndReadOnFromThere) {
  lines_.lines = lines_.arrived = 250;
  const auto first = FirstLogLines(NewCall(), "run-1");
  ASSERT_TRUE(first.ok()) << first.error().message;
  EXPECT_EQ(first->entries_size(), static_cast<int>(kFirstLogLines));
  EXPECT_TRUE(first->has_more());
  for (const char* graph : {"", "sales"}) {
    request_.set_graph(graph);
    request_.set_page_token(first->next_page_token());
    EXPECT_EQ(Page().entries(0).sequence_number(), kFirstLogLines + 1)
        << "graph \"" << graph << '"';
  }
}

TEST_F(JobLogsTest, TheFirstLinesOfARunThatHasPrintedNothingAreNotWaitedFor) {
  lines_.arrived = 0;
  const auto first = FirstLogLines(NewCall(), "run-1");
  ASSERT_TRUE(first.ok()) << first.error().message;
  EXPECT_EQ(first->entries_size(), 0);
  EXPECT_NE(first->next_page_token(), "");
  EXPECT_EQ(FirstLogLines(NewCall(), "run-2").error().code, Errc::kNotFound);
  graph_.lines = nullptr;
  EXPECT_EQ(FirstLogLines(NewCall(), "run-1").error().code, Errc::kUnsupported);
}

TEST_F(JobLogsTest, WhatIsNotThereIsToldApart) {
  request_.set_job_run_id("run-2");
  EXPECT_EQ(Ask().error().code, Errc::kNotFound);
  request_.set_job_run_id("run-1");
  graph_.lines = nullptr;
  EXPECT_EQ(Ask().error().code, Errc::kUnsupported);
}

}  // namespace
}  // namespace databuild
