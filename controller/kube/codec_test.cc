#include "controller/kube/codec.h"

#include <gtest/gtest.h>

namespace databuild::kube {
namespace {

template <typename T>
T Decode(T (*decode)(const JsonView&), const std::string& json) {
  JsonParser parser;
  auto parsed = parser.Parse(json);
  EXPECT_TRUE(parsed.ok()) << json;
  return decode(parsed.ok() ? *parsed : JsonView());
}

constexpr TimeNs kJanuary5 = 1736035200LL * kSecond;

TEST(JsonView, AnswersForWhatIsNotThere) {
  JsonParser parser;
  auto parsed = parser.Parse(R"({"a":{"b":5,"n":null,"t":"x","l":[1,"2"]}})");
  ASSERT_TRUE(parsed.ok());
  JsonView a = (*parsed)["a"];
  EXPECT_EQ(a["b"].Int(), 5);
  EXPECT_FALSE(a["b"].is_string());
  EXPECT_EQ(a["b"].Str(), "");
  EXPECT_FALSE(a["n"].exists());
  EXPECT_FALSE((*parsed)["x"]["y"]["z"].exists());
  EXPECT_EQ((*parsed)["x"].Text("fallback"), "fallback");
  int items = 0;
  a["l"].ForEachItem([&](const JsonView&) { ++items; });
  a["t"].ForEachItem([&](const JsonView&) { ++items; });
  EXPECT_EQ(items, 2);
  EXPECT_EQ(a["l"].Json(), R"([1,"2"])");
}

TEST(JsonView, BadTextIsAnErrorAndDeepTextDoesNotCrash) {
  JsonParser parser;
  for (const std::string& text : {std::string(), std::string("{"), std::string("{\"a\":}"),
                                  std::string(100'000, '['), std::string("\"\xff\"")}) {
    EXPECT_FALSE(parser.Parse(text).ok());
  }
  EXPECT_TRUE(parser.Parse("{}").ok());
}

TEST(Codec, AWantIsReadWithEveryField) {
  ObservedWant want = Decode(DecodeWant, R"({"metadata":{"name":"w","uid":"u","resourceVersion":"7",
    "generation":2,"creationTimestamp":"2025-01-05T00:00:00Z","annotations":{"databuild.dev/retry":"3"}},
    "spec":{"partitions":["a","b"],"ranges":[{"ref":"x/{d}","captures":{"d":{"from":"1","to":"3","step":"1"}}},
    {"ref":"y/{e}","captures":{"e":{"values":["p","q"]}}}],
    "dataTimestamp":"2025-01-05T00:00:00Z","ttl":"72h","sla":"6h","deleteAfter":"1h30m","priority":-5,
    "suspend":true,"source":{"type":"CliManual","name":"alice"},"comment":"c","correlationId":"i"}})");
  EXPECT_EQ(want.error, "");
  EXPECT_EQ(want.meta.name, "w");
  EXPECT_EQ(want.meta.generation, 2);
  EXPECT_EQ(want.meta.created_at, kJanuary5);
  EXPECT_EQ(want.meta.retry_token, "3");
  EXPECT_FALSE(want.meta.deleting);
  EXPECT_EQ(want.partitions, (std::vector<std::string>{"a", "b"}));
  ASSERT_EQ(want.ranges.size(), 2u);
  EXPECT_EQ(want.ranges[0].captures[0].name, "d");
  EXPECT_EQ(want.ranges[0].captures[0].to, "3");
  EXPECT_EQ(want.ranges[1].captures[0].values, (std::vector<std::string>{"p", "q"}));
  EXPECT_EQ(want.data_timestamp, kJanuary5);
  EXPECT_EQ(want.ttl, 72 * kHour);
  EXPECT_EQ(want.sla, 6 * kHour);
  EXPECT_EQ(want.delete_after, 90 * kMinute);
  EXPECT_EQ(want.priority, -5);
  EXPECT_TRUE(want.suspend);
  EXPECT_EQ(want.source.name, "alice");
}

TEST(Codec, TheCallersMarkStandsBesideTheClaim) {
  const std::string object = R"({"metadata":{"annotations":{"databuild.dev/caller":"bob"}},
    "spec":{"source":{"type":"ApiRequest","name":"alice"},"partitions":["a"]}})";
  for (const SourceClaim& source :
       {Decode(DecodeWant, object).source, Decode(DecodeTaint, object).source}) {
    EXPECT_EQ(source.type, "ApiRequest");
    EXPECT_EQ(source.name, "alice");
    EXPECT_EQ(source.caller, "bob");
  }
  EXPECT_EQ(Decode(DecodeWant, R"({"spec":{"source":{"name":"alice"}}})").source.caller, "");
}

TEST(Codec, AnUnusableWantCarriesTheReason) {
  const struct {
    const char* spec;
    const char* says;
  } cases[] = {
      {R"("spec":{"ttl":"soon"})", "spec.ttl"},
      {R"("spec":{"sla":5})", "spec.sla"},
      {R"("spec":{"dataTimestamp":"yesterday"})", "spec.dataTimestamp"},
      {R"("spec":{"priority":99999999999})", "spec.priority"},
      {R"("spec":{"partitions":"a"})", "spec.partitions"},
      {R"("spec":{"partitions":[1]})", "spec.partitions"},
      {R"("spec":{"ranges":[{}]})", "spec.ranges"},
      {R"("x":1)", "spec is missing"},
  };
  for (const auto& bad : cases) {
    ObservedWant want =
        Decode(DecodeWant, std::string(R"({"metadata":{"name":"w","uid":"u"},)") + bad.spec + "}");
    EXPECT_EQ(want.meta.uid, "u");
    EXPECT_NE(want.error.find(bad.says), std::string::npos) << bad.spec << ": " << want.error;
  }
}

TEST(Codec, ATaintIsRead) {
  ObservedTaint taint = Decode(DecodeTaint, R"({"metadata":{"name":"t","uid":"u",
    "deletionTimestamp":"2025-01-05T00:00:00Z"},"spec":{"globs":["a-*"],"cascade":"Downstream"}})");
  EXPECT_EQ(taint.error, "");
  EXPECT_TRUE(taint.meta.deleting);
  EXPECT_EQ(taint.globs, std::vector<std::string>{"a-*"});
  EXPECT_TRUE(taint.cascade_downstream);
  EXPECT_NE(Decode(DecodeTaint, R"({"spec":{"cascade":"Up"}})").error, "");
}

TEST(Codec, ADataJobIsReadWithDefaults) {
  ObservedDataJob job =
      Decode(DecodeDataJob, R"({"metadata":{"name":"j"},"spec":{"outputs":["x/{d}"],
    "inputs":[{"partition":"a","type":"Query"},{"partition":"b"}],"args":["{d}"],"env":{"A":"1"},
    "batching":{"maxPartitions":5,"by":["d"]},"retry":{"limit":1,"backoff":"500ms"},"timeout":"2h",
    "maxConcurrentRuns":4,"onNodeLost":"Retry","configure":"Container","template":{"spec":{"b":1,"a":2}}}})");
  EXPECT_EQ(job.error, "");
  EXPECT_EQ(job.label, "j");
  EXPECT_FALSE(job.inputs[0].materialize);
  EXPECT_TRUE(job.inputs[1].materialize);
  EXPECT_EQ(job.env.at("A"), "1");
  EXPECT_EQ(job.batch_max, 5u);
  EXPECT_EQ(job.retry.limit, 1u);
  EXPECT_EQ(job.retry.backoff, 500 * kMillisecond);
  EXPECT_EQ(job.retry.max_backoff, 10 * kMinute);
  EXPECT_EQ(job.retry.infrastructure_limit, 10u);
  EXPECT_EQ(job.timeout, 2 * kHour);
  EXPECT_TRUE(job.on_node_lost_retry);
  EXPECT_TRUE(job.configure_container);
  EXPECT_EQ(job.template_json, R"({"spec":{"b":1,"a":2}})");
}

TEST(Codec, TheDigestOfASpecDependsOnItsMeaningOnly) {
  auto digest = [](const char* json) { return Decode(DecodeDataJob, json).spec_digest; };
  std::string first = digest(R"({"spec":{"outputs":["x"],"template":{"a":1,"b":2}}})");
  EXPECT_EQ(first.size(), 64u);
  EXPECT_EQ(first,
            digest(R"({ "spec": {"template":{"b":2, "a":1}, "outputs":["x"]}, "status":{} })"));
  EXPECT_NE(first, digest(R"({"spec":{"outputs":["y"],"template":{"a":1,"b":2}}})"));
}

TEST(Codec, AJobsPhaseComesFromItsFinalConditions) {
  auto job = [](const std::string& status) {
    return Decode(DecodeJob,
                  R"({"metadata":{"name":"j","annotations":{"databuild.dev/job-run-id":"r",
      "databuild.dev/log-id":"l"}},"status":)" +
                      status + "}");
  };
  EXPECT_EQ(job("{}").phase, JobPhase::kPending);
  EXPECT_EQ(job("{}").run_id, "r");
  EXPECT_EQ(job("{}").log_id, "l");
  EXPECT_EQ(job(R"({"active":1})").phase, JobPhase::kActive);
  EXPECT_EQ(job(R"({"active":1,"conditions":[{"type":"FailureTarget","status":"True"}]})").phase,
            JobPhase::kActive);
  EXPECT_EQ(job(R"({"conditions":[{"type":"Complete","status":"False"}]})").phase,
            JobPhase::kPending);
  EXPECT_EQ(job(R"({"conditions":[{"type":"Complete","status":"True"}]})").phase,
            JobPhase::kComplete);
  ObservedJob failed = job(R"({"conditions":[{"type":"Failed","status":"True",
    "reason":"DeadlineExceeded","message":"m","lastTransitionTime":"2025-01-05T00:00:00Z"}]})");
  EXPECT_EQ(failed.phase, JobPhase::kFailed);
  EXPECT_EQ(failed.failed_reason, "DeadlineExceeded");
  EXPECT_EQ(failed.finished_at, kJanuary5);
}

DecodedPod Pod(const std::string& status) {
  return Decode(DecodePod,
                R"({"metadata":{"name":"p","uid":"u","creationTimestamp":"2025-01-05T00:00:00Z",
    "labels":{"batch.kubernetes.io/job-name":"j","batch.kubernetes.io/controller-uid":"ju"},
    "annotations":{"databuild.dev/job-run-id":"r"}},"spec":{"nodeName":"n"},"status":)" +
                    status + "}");
}

TEST(Codec, APodsEndIsThatOfContainerJob) {
  DecodedPod pod = Pod(R"({"phase":"Failed","containerStatuses":[
    {"name":"proxy","state":{"terminated":{"exitCode":0,"reason":"Completed","message":"no"}}},
    {"name":"job","state":{"terminated":{"exitCode":137,"reason":"OOMKilled","message":"{}",
     "startedAt":"2025-01-05T00:00:01Z","finishedAt":"2025-01-05T00:00:02Z"}}}]})");
  EXPECT_EQ(pod.run_id, "r");
  EXPECT_EQ(pod.job_name, "j");
  EXPECT_EQ(pod.job_uid, "ju");
  EXPECT_EQ(pod.pod.phase, PodPhase::kFailed);
  EXPECT_EQ(pod.pod.exit_code, 137);
  EXPECT_EQ(pod.pod.terminated_reason, "OOMKilled");
  EXPECT_EQ(pod.pod.receipt, "{}");
  EXPECT_EQ(pod.pod.started_at, kJanuary5 + kSecond);
  EXPECT_EQ(pod.pod.finished_at, kJanuary5 + 2 * kSecond);
}

TEST(Codec, OnlyBadWaitsAreReported) {
  EXPECT_EQ(Pod(R"({"phase":"Pending","containerStatuses":[{"name":"job","state":{"waiting":
    {"reason":"PodInitializing"}}}]})")
                .pod.waiting_reason,
            "");
  DecodedPod pod = Pod(R"({"phase":"Pending","initContainerStatuses":[{"name":"databuild-install",
    "state":{"waiting":{"reason":"ImagePullBackOff","message":"no such image"}}}],
    "containerStatuses":[{"name":"job","state":{"waiting":{"reason":"PodInitializing"}}}]})");
  EXPECT_EQ(pod.pod.waiting_reason, "ImagePullBackOff");
  EXPECT_EQ(pod.pod.waiting_message, "no such image");
  EXPECT_EQ(pod.pod.waiting_since, kJanuary5);
}

TEST(Codec, DisruptionEvictionAndASilentNodeAreSeen) {
  DecodedPod evicted = Pod(R"({"phase":"Failed","reason":"Evicted","message":"disk",
    "conditions":[{"type":"DisruptionTarget","status":"True","reason":"TerminationByKubelet"}]})");
  EXPECT_EQ(evicted.pod.reason, "Evicted");
  EXPECT_EQ(evicted.pod.disruption_reason, "TerminationByKubelet");
  EXPECT_FALSE(evicted.ready_lost);
  DecodedPod silent =
      Pod(R"({"phase":"Running","conditions":[{"type":"ContainersReady","status":"True"},
    {"type":"Ready","status":"False","lastTransitionTime":"2025-01-05T00:00:00Z"}]})");
  EXPECT_TRUE(silent.ready_lost);
  EXPECT_EQ(silent.ready_lost_since, kJanuary5);
}

}  // namespace
}  // namespace databuild::kube
