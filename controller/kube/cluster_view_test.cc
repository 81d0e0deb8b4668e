#include "controller/kube/cluster_view.h"

#include <gtest/gtest.h>

namespace databuild::kube {
namespace {

class FixedClock final : public Clock {
 public:
  TimeNs Now() const override { return now; }
  TimeNs now = 5'000 * kSecond;
};

class ClusterViewTest : public ::testing::Test {
 protected:
  ClusterViewTest() : view_({"databuild"}, clock_) {
    view_.OnChange([this](const std::string& graph) { notified_.push_back(graph); });
    for (const ResourceType& type : {kWants, kTaints, kDataJobs, kJobs, kPods})
      sinks_[std::string(type.kind)] = view_.NewSink(type, "", true);
    sinks_[std::string(kNodes.kind)] = view_.NewSink(kNodes, "", false);
  }

  void Put(const std::string& kind, const std::string& json) {
    JsonParser parser;
    auto parsed = parser.Parse(json);
    ASSERT_TRUE(parsed.ok()) << json;
    sinks_[kind]->Upsert(RefOf(*parsed), *parsed);
  }
  void Gone(const std::string& kind, const std::string& json) {
    JsonParser parser;
    auto parsed = parser.Parse(json);
    ASSERT_TRUE(parsed.ok());
    sinks_[kind]->Remove(RefOf(*parsed));
  }
  static ObjectRef RefOf(const JsonView& object) {
    JsonView meta = object["metadata"];
    return {meta["namespace"].Str(), meta["name"].Str(), meta["uid"].Str()};
  }
  void ListAll() {
    for (auto& [kind, sink] : sinks_) sink->Listed();
  }
  template <typename T>
  std::vector<T> Take(const std::string& graph = "sales") {
    std::vector<T> found;
    for (Delta& delta : view_.TakeDeltas(graph)) {
      if (std::holds_alternative<T>(delta)) found.push_back(std::get<T>(delta));
    }
    return found;
  }

  static std::string Want(const std::string& uid, const std::string& version,
                          const std::string& ns = "sales") {
    return R"({"metadata":{"namespace":")" + ns + R"(","name":"w","uid":")" + uid +
           R"(","resourceVersion":")" + version +
           R"("},"spec":{"partitions":["a"]},"status":{"progress":")" + version + R"("}})";
  }
  static std::string Job(const std::string& uid = "ju") {
    return R"({"metadata":{"namespace":"sales","name":"j","uid":")" + uid +
           R"(","creationTimestamp":"1970-01-01T00:00:10Z","labels":{"databuild.dev/run":"r"},)"
           R"("annotations":{"databuild.dev/job-run-id":"r","databuild.dev/log-id":"l"}},"status":{}})";
  }
  static std::string Pod(const std::string& uid, int second, const std::string& node = "") {
    return R"({"metadata":{"namespace":"sales","name":"p","uid":")" + uid +
           R"(","creationTimestamp":"1970-01-01T00:00:)" + std::to_string(second) +
           R"(Z","labels":{"databuild.dev/run":"r","batch.kubernetes.io/job-name":"j",)"
           R"("batch.kubernetes.io/controller-uid":"ju"},"annotations":{"databuild.dev/log-id":"l"}},)"
           R"("spec":{"nodeName":")" +
           node + R"("},"status":{"phase":"Running"}})";
  }
  static std::string Node(const std::string& ready) {
    return R"({"metadata":{"name":"n1","uid":"nu"},"status":{"conditions":[)"
           R"({"type":"Ready","status":")" +
           ready + R"(","lastTransitionTime":"1970-01-01T00:01:00Z"}]}})";
  }

  FixedClock clock_;
  ClusterView view_;
  std::map<std::string, std::unique_ptr<ObjectSink>> sinks_;
  std::vector<std::string> notified_;
};

TEST_F(ClusterViewTest, OnlyTheNewestVersionOfAnObjectIsHandedOutOnce) {
  Put("Want", Want("u1", "5"));
  Put("Want", Want("u1", "6"));
  auto deltas = Take<WantChanged>();
  ASSERT_EQ(deltas.size(), 1u);
  EXPECT_EQ(deltas[0].want->meta.resource_version, "6");
  EXPECT_TRUE(Take<WantChanged>().empty());
  Gone("Want", Want("u1", "7"));
  deltas = Take<WantChanged>();
  ASSERT_EQ(deltas.size(), 1u);
  EXPECT_EQ(deltas[0].want, nullptr);
}

TEST_F(ClusterViewTest, SyncedOnlyAfterTheFirstListsWereTaken) {
  Put("Want", Want("u1", "5"));
  (void)Take<WantChanged>();
  EXPECT_FALSE(view_.Synced("sales"));
  Put("Want", Want("u2", "6"));
  notified_.clear();
  ListAll();
  EXPECT_EQ(notified_.back(), "sales");
  EXPECT_FALSE(view_.Synced("sales"));  // u2 was not taken yet
  EXPECT_EQ(Take<WantChanged>().size(), 1u);
  EXPECT_TRUE(view_.Synced("sales"));
}

TEST_F(ClusterViewTest, AGraphKnownFromTheLogAloneHearsWhenItIsSynced) {
  EXPECT_TRUE(view_.TakeDeltas("old").empty());
  EXPECT_FALSE(view_.Synced("old"));
  ListAll();
  ASSERT_FALSE(notified_.empty());
  EXPECT_EQ(notified_.back(), "old");
  EXPECT_TRUE(view_.TakeDeltas("old").empty());
  EXPECT_TRUE(view_.Synced("old"));
}

TEST_F(ClusterViewTest, TheOwnNamespaceIsNeverAGraph) {
  Put("Want", Want("u1", "5", "databuild"));
  EXPECT_TRUE(notified_.empty());
  EXPECT_TRUE(Take<WantChanged>("databuild").empty());
}

TEST_F(ClusterViewTest, AJobAndItsNewestPodAreOneRun) {
  Put("Job", Job());
  Put("Pod", Pod("p1", 11));
  Put("Pod", Pod("p2", 12));
  auto runs = Take<JobChanged>();
  ASSERT_EQ(runs.size(), 1u);
  EXPECT_EQ(runs[0].run_id, "r");
  EXPECT_EQ(runs[0].job->uid, "ju");
  EXPECT_EQ(runs[0].job->pod->uid, "p2");
  Gone("Job", Job());
  runs = Take<JobChanged>();
  ASSERT_EQ(runs.size(), 1u);
  EXPECT_TRUE(runs[0].job->job_gone);
  EXPECT_EQ(runs[0].job->name, "j");
  EXPECT_EQ(runs[0].job->uid, "ju");
  EXPECT_EQ(runs[0].job->log_id, "l");
  Gone("Pod", Pod("p1", 11));
  Gone("Pod", Pod("p2", 12));
  runs = Take<JobChanged>();
  ASSERT_EQ(runs.size(), 1u);
  EXPECT_EQ(runs[0].job, nullptr);
}

TEST_F(ClusterViewTest, ANodeThatIsNotReadyShowsOnItsRunsAndSoDoesItsReturn) {
  ListAll();
  Put("Node", Node("True"));
  Put("Pod", Pod("p1", 11, "n1"));
  EXPECT_TRUE(Take<JobChanged>()[0].job->pod->node_ready);
  Put("Node", Node("True"));
  EXPECT_TRUE(Take<JobChanged>().empty());
  Put("Node", Node("Unknown"));
  auto runs = Take<JobChanged>();
  ASSERT_EQ(runs.size(), 1u);
  EXPECT_FALSE(runs[0].job->pod->node_ready);
  EXPECT_EQ(runs[0].job->pod->node_lost_since, 60 * kSecond);
  Put("Node", Node("True"));
  runs = Take<JobChanged>();
  ASSERT_EQ(runs.size(), 1u);
  EXPECT_EQ(runs[0].job->pod->node_lost_since, 0);
}

TEST_F(ClusterViewTest, ANodeThatIsGoneIsLostSinceItWasMissed) {
  ListAll();
  Put("Node", Node("True"));
  Put("Pod", Pod("p1", 11, "n1"));
  (void)Take<JobChanged>();
  Gone("Node", Node("True"));
  auto runs = Take<JobChanged>();
  ASSERT_EQ(runs.size(), 1u);
  EXPECT_FALSE(runs[0].job->pod->node_ready);
  EXPECT_EQ(runs[0].job->pod->node_lost_since, clock_.now);
}

TEST_F(ClusterViewTest, WithoutAListOfNodesNoneIsTakenForLost) {
  Put("Pod", Pod("p1", 11, "n1"));
  EXPECT_TRUE(Take<JobChanged>()[0].job->pod->node_ready);
}

TEST_F(ClusterViewTest, AFailedCreateIsToldUntilThereIsAPod) {
  auto event = [](const std::string& message) {
    return R"({"metadata":{"namespace":"sales","name":"e1","uid":"eu"},"reason":"FailedCreate",)"
           R"("involvedObject":{"kind":"Job","name":"j","uid":"ju"},"firstTimestamp":"1970-01-01T00:00:20Z",)"
           R"("message":")" +
           message + "\"}";
  };
  auto note = [&](const std::string& message) {
    JsonParser parser;
    auto parsed = parser.Parse(event(message));
    ASSERT_TRUE(parsed.ok());
    view_.NoteCreateFailure("sales", *parsed);
  };
  note("of a Job that nobody knows");
  Put("Job", Job());
  EXPECT_EQ(Take<JobChanged>()[0].job->create_failure, "");
  EXPECT_TRUE(view_.GraphsWithPodlessJobs(9 * kSecond).empty());
  EXPECT_EQ(view_.GraphsWithPodlessJobs(10 * kSecond), std::vector<std::string>{"sales"});
  note("exceeded quota");
  auto runs = Take<JobChanged>();
  ASSERT_EQ(runs.size(), 1u);
  EXPECT_EQ(runs[0].job->create_failure, "exceeded quota");
  EXPECT_EQ(runs[0].job->create_failure_since, 20 * kSecond);
  note("exceeded quota");
  EXPECT_TRUE(Take<JobChanged>().empty());
  note("still exceeded");
  EXPECT_EQ(Take<JobChanged>()[0].job->create_failure, "still exceeded");
  Put("Pod", Pod("p1", 30));
  EXPECT_EQ(Take<JobChanged>()[0].job->create_failure, "");
  EXPECT_TRUE(view_.GraphsWithPodlessJobs(100 * kSecond).empty());
}

TEST_F(ClusterViewTest, AnOlderEventDoesNotUndoWhatWeWrote) {
  Put("Want", Want("u1", "5"));
  StatusShadow written;
  written.resource_version = "9";
  written.digest = 42;
  view_.SetShadow("sales", "u1", written);
  Put("Want", Want("u1", "7"));
  EXPECT_EQ(view_.Shadow("sales", "u1")->digest, 42u);
  Put("Want", Want("u1", "10"));
  EXPECT_NE(view_.Shadow("sales", "u1")->digest, 42u);
  Gone("Want", Want("u1", "11"));
  EXPECT_FALSE(view_.Shadow("sales", "u1").has_value());
}

TEST_F(ClusterViewTest, FactsAreHandedOutInOrderAndNotify) {
  Put("Want", Want("u1", "5"));
  notified_.clear();
  view_.AddFact("sales", JobCreated{"r1", 1});
  view_.AddFact("sales", JobCreated{"r2", 2});
  EXPECT_EQ(notified_, (std::vector<std::string>{"sales", "sales"}));
  auto facts = Take<JobCreated>();
  ASSERT_EQ(facts.size(), 2u);
  EXPECT_EQ(facts[0].run_id, "r1");
}

}  // namespace
}  // namespace databuild::kube
