// ApiClient against the real API server: what the informers, effects and the election rely on.
#include <filesystem>
#include <fstream>
#include <set>

#include "controller/kube/frame_splitter.h"
#include "controller/kube/lease.h"
#include "controller/kube/review_client.h"
#include "tests/e2e/conformance/namespace_fixture.h"

namespace databuild::kube {
namespace {

using namespace std::chrono_literals;

class ApiConformance : public NamespaceFixture {
 protected:
  ObjectPath Maps(const std::string& name = "") { return {kConfigMaps, ns_, name, ""}; }
};

TEST_F(ApiConformance, AListComesInPagesThatJoinToTheWhole) {
  for (int i = 0; i < 7; ++i) CreateMap("m" + std::to_string(i), "v");
  ListOptions list;
  list.limit = 3;
  list.label_selector = "test";
  std::set<std::string> names;
  int pages = 0;
  do {
    ApiReply page = client_->List(Maps(), list, Soon());
    ASSERT_TRUE(page.ok()) << page.error().Describe();
    ++pages;
    JsonParser parser;
    auto parsed = parser.Parse(*page);
    ASSERT_TRUE(parsed.ok());
    (*parsed)["items"].ForEachItem(
        [&](const JsonView& item) { names.insert(item["metadata"]["name"].Str()); });
    list.continue_token = (*parsed)["metadata"]["continue"].Str();
  } while (!list.continue_token.empty());
  EXPECT_EQ(pages, 3);
  EXPECT_EQ(names.size(), 7u);
}

TEST_F(ApiConformance, AnUnknownContinueTokenIsRefused) {
  ListOptions list;
  list.limit = 1;
  list.continue_token = "bogus";
  ApiReply reply = client_->List(Maps(), list, Soon());
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().failure, ApiFailure::kInvalid) << reply.error().Describe();
}

TEST_F(ApiConformance, AWatchShowsWhatHappenedAfterTheVersion) {
  std::string first = CreateMap("first", "1");
  WatchOptions watch;
  watch.resource_version = Field(first, "metadata", "resourceVersion");
  watch.timeout_seconds = 2;
  auto stream = client_->Watch(Maps(), watch, Soon());
  ASSERT_TRUE(stream.ok()) << stream.error().Describe();
  CreateMap("second", "2");
  ASSERT_TRUE(client_->Delete(Maps("first"), {}, Soon()).ok());
  FrameSplitter splitter;
  std::vector<std::string> seen;
  for (bool end = false; !end;) {
    std::string bytes;
    auto error = (*stream)->Read(Soon(), bytes, end);
    ASSERT_FALSE(error.has_value()) << error->Describe();
    splitter.Append(bytes);
    for (auto frame = splitter.Next(); frame.ok() && frame->has_value(); frame = splitter.Next()) {
      JsonParser parser;
      auto event = parser.Parse(**frame);
      ASSERT_TRUE(event.ok());
      std::string type = (*event)["type"].Str();
      if (type != "BOOKMARK")
        seen.push_back(type + " " + (*event)["object"]["metadata"]["name"].Str());
    }
  }
  // kube-root-ca.crt is put into every new namespace and may come in between.
  std::erase_if(seen, [](const std::string& event) { return event.ends_with("kube-root-ca.crt"); });
  EXPECT_EQ(seen, (std::vector<std::string>{"ADDED second", "DELETED first"}));
}

TEST_F(ApiConformance, AWatchEndsWithItsDeadlineAndWithItsStopToken) {
  auto stream = client_->Watch(Maps(), {}, Soon());
  ASSERT_TRUE(stream.ok());
  std::string bytes;
  bool end = false;
  std::stop_source stop;
  std::jthread stopper([&] {
    std::this_thread::sleep_for(100ms);
    stop.request_stop();
  });
  std::optional<ApiError> error;
  while (!error && !end)
    error = (*stream)->Read(CallOptions::Within(10s, stop.get_token()), bytes, end);
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->failure, ApiFailure::kStopped);
  error = (*stream)->Read(CallOptions::Within(50ms), bytes, end);
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->failure, ApiFailure::kTimeout);
}

TEST_F(ApiConformance, TooOldAVersionIsGone) {
  WatchOptions watch;
  watch.resource_version = "1";
  auto stream = client_->Watch({kWants, ns_, "", ""}, watch, Soon());
  ApiFailure failure = ApiFailure::kServer;
  if (!stream.ok()) {
    failure = stream.error().failure;
  } else {
    std::string bytes;
    bool end = false;
    while (!end && bytes.find('\n') == std::string::npos)
      ASSERT_FALSE((*stream)->Read(Soon(), bytes, end).has_value());
    JsonParser parser;
    auto event = parser.Parse(bytes);
    ASSERT_TRUE(event.ok()) << bytes;
    EXPECT_EQ((*event)["type"].Text(), "ERROR");
    failure = ErrorFromStatusJson((*event)["object"].Json()).failure;
  }
  EXPECT_EQ(failure, ApiFailure::kGone);
}

TEST_F(ApiConformance, AVersionFromTheFutureIsTooLarge) {
  ListOptions list;
  list.resource_version = "999999999999";
  list.resource_version_match = "NotOlderThan";
  ApiReply reply = client_->List(Maps(), list, CallOptions::Within(10s));
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().failure, ApiFailure::kVersionTooLarge) << reply.error().Describe();
}

TEST_F(ApiConformance, ASecondCreateAlreadyExistsAndAStaleReplaceConflicts) {
  std::string first = CreateMap("a", "1");
  ApiReply again = client_->Create(
      Maps(), R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}})", Soon());
  EXPECT_TRUE(again.failed_with(ApiFailure::kAlreadyExists));
  std::string body =
      R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","resourceVersion":")" +
      Field(first, "metadata", "resourceVersion") + R"("},"data":{"value":"2"}})";
  ASSERT_TRUE(client_->Replace(Maps("a"), body, Soon()).ok());
  ApiReply stale = client_->Replace(Maps("a"), body, Soon());
  ASSERT_FALSE(stale.ok());
  EXPECT_EQ(stale.error().failure, ApiFailure::kConflict);
  EXPECT_EQ(stale.error().http_status, 409);
  EXPECT_EQ(stale.error().ToError().code, Errc::kConflict);
}

TEST_F(ApiConformance, DeleteNeedsTheRightUid) {
  CreateMap("a", "1");
  DeleteOptions wrong;
  wrong.uid = "00000000-0000-0000-0000-000000000000";
  EXPECT_TRUE(client_->Delete(Maps("a"), wrong, Soon()).failed_with(ApiFailure::kConflict));
  EXPECT_TRUE(client_->Get(Maps("a"), Soon()).ok());
  DeleteOptions right;
  right.uid = Field(*client_->Get(Maps("a"), Soon()), "metadata", "uid");
  EXPECT_TRUE(client_->Delete(Maps("a"), right, Soon()).ok());
  EXPECT_TRUE(client_->Get(Maps("a"), Soon()).failed_with(ApiFailure::kNotFound));
}

TEST_F(ApiConformance, ADryRunChecksButStoresNothing) {
  std::string good = R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"dry"}})";
  EXPECT_TRUE(client_->DryRunCreate(Maps(), good, Soon()).ok());
  EXPECT_TRUE(client_->Get(Maps("dry"), Soon()).failed_with(ApiFailure::kNotFound));
  std::string bad = R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"Not A Name"}})";
  ApiReply refused = client_->DryRunCreate(Maps(), bad, Soon());
  ASSERT_TRUE(refused.failed_with(ApiFailure::kInvalid));
  ASSERT_FALSE(refused.error().causes.empty());
  EXPECT_EQ(refused.error().causes[0].field, "metadata.name");
}

TEST_F(ApiConformance, AJsonPatchThatTestsAnotherUidChangesNothing) {
  CreateMap("a", "1");
  ApiReply reply = client_->Patch(
      Maps("a"), PatchType::kJson,
      R"([{"op":"test","path":"/metadata/uid","value":"00000000-0000-0000-0000-000000000000"},)"
      R"({"op":"add","path":"/data/value","value":"2"}])",
      Soon());
  ASSERT_TRUE(reply.failed_with(ApiFailure::kInvalid));
  EXPECT_TRUE(reply.error().causes.empty());
  EXPECT_EQ(Field(*client_->Get(Maps("a"), Soon()), "data", "value"), "1");
}

TEST_F(ApiConformance, ServerSideApplyCreatesAndChanges) {
  std::string body =
      R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"ssa"},"data":{"k":"1"}})";
  ASSERT_TRUE(client_->Patch(Maps("ssa"), PatchType::kApply, body, Soon()).ok());
  body.replace(body.find("\"1\""), 3, "\"2\"");
  ApiReply reply = client_->Patch(Maps("ssa"), PatchType::kApply, body, Soon());
  ASSERT_TRUE(reply.ok()) << reply.error().Describe();
  EXPECT_EQ(Field(*reply, "data", "k"), "2");
}

TEST_F(ApiConformance, EveryRequestIsObserved) {
  std::mutex mutex;
  std::vector<std::string> seen;
  ApiClientOptions options;
  options.observe = [&](const RequestObservation& request) {
    std::lock_guard lock(mutex);
    seen.push_back(request.method + " " + request.code);
  };
  auto client = NewClient(options);
  (void)client->Get(Maps("none"), Soon()).ok();
  (void)client->List(Maps(), {}, Soon()).ok();
  EXPECT_EQ(seen, (std::vector<std::string>{"GET 404", "GET 200"}));
}

TEST_F(ApiConformance, AServerOfAnotherCaIsNotTrusted) {
  ClusterAccess other = access_;
  // A certificate that is no authority for the server: our own client certificate.
  other.ca = access_.client_certificate;
  auto client = ApiClient::Create(other, {});
  ASSERT_TRUE(client.ok());
  ApiReply reply = (*client)->Get(Maps("a"), Soon());
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().http_status, 0);
  EXPECT_NE(reply.error().message.find("SSL"), std::string::npos) << reply.error().message;
}

TEST_F(ApiConformance, TheServersNameIsChecked) {
  ClusterAccess other = access_;
  other.tls_server_name = "somebody.else";
  auto client = ApiClient::Create(other, {});
  ASSERT_TRUE(client.ok());
  EXPECT_FALSE((*client)->Get(Maps("a"), Soon()).ok());
  other.tls_server_name = "kubernetes.default.svc";
  client = ApiClient::Create(other, {});
  ASSERT_TRUE(client.ok());
  EXPECT_TRUE((*client)->Get(Maps("none"), Soon()).failed_with(ApiFailure::kNotFound));
}

TEST_F(ApiConformance, AWrongTokenIsUnauthenticated) {
  ClusterAccess other = access_;
  other.client_certificate = {};
  other.client_key = {};
  other.token = "not-a-token";
  auto client = ApiClient::Create(other, {});
  ASSERT_TRUE(client.ok());
  EXPECT_TRUE((*client)->Get(Maps("a"), Soon()).failed_with(ApiFailure::kUnauthenticated));
}

TEST_F(ApiConformance, AServiceAccountsTokenIsReviewedForItsAudience) {
  const ResourceType accounts{"", "v1", "serviceaccounts", "ServiceAccount"};
  Create(accounts, ns_,
         R"({"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"reader"}})");
  ApiReply token = client_->Create(
      {accounts, ns_, "reader", "token"},
      R"({"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{"audiences":["databuild"]}})",
      Soon());
  ASSERT_TRUE(token.ok()) << token.error().Describe();
  KubeReviewClient reviews(*client_);
  auto good = reviews.ReviewToken(Field(*token, "status", "token"), {"databuild"});
  ASSERT_TRUE(good.ok()) << good.error().message;
  EXPECT_TRUE(good->authenticated);
  EXPECT_EQ(good->user, "system:serviceaccount:" + ns_ + ":reader");
  EXPECT_EQ(good->audiences, std::vector<std::string>{"databuild"});
  auto elsewhere = reviews.ReviewToken(Field(*token, "status", "token"), {"other"});
  ASSERT_TRUE(elsewhere.ok());
  EXPECT_FALSE(elsewhere->authenticated);
  auto bogus = reviews.ReviewToken("bogus", {"databuild"});
  ASSERT_TRUE(bogus.ok());
  EXPECT_FALSE(bogus->authenticated);

  Caller caller;
  caller.name = good->user;
  caller.groups = good->groups;
  AccessQuestion question;
  question.verb = "list";
  question.resource = "wants";
  question.graph = ns_;
  auto no = reviews.ReviewAccess(caller, question);
  ASSERT_TRUE(no.ok()) << no.error().message;
  EXPECT_FALSE(*no);
  const ResourceType bindings{"rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding"};
  Create({"rbac.authorization.k8s.io", "v1", "roles", "Role"}, ns_,
         R"({"apiVersion":"rbac.authorization.k8s.io/v1","kind":"Role","metadata":{"name":"r"},)"
         R"("rules":[{"apiGroups":["databuild.dev"],"resources":["wants"],"verbs":["list"]}]})");
  Create(
      bindings, ns_,
      R"({"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding","metadata":{"name":"r"},)"
      R"("roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"r"},)"
      R"("subjects":[{"kind":"ServiceAccount","name":"reader","namespace":")" +
          ns_ + R"("}]})");
  EXPECT_TRUE(Eventually([&] {
    auto yes = reviews.ReviewAccess(caller, question);
    return yes.ok() && *yes;
  }));
}

TEST_F(ApiConformance, ATokenFileIsReadAgainAfterA401) {
  const ResourceType accounts{"", "v1", "serviceaccounts", "ServiceAccount"};
  Create(accounts, ns_,
         R"({"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"reader"}})");
  ApiReply token = client_->Create(
      {accounts, ns_, "reader", "token"},
      R"({"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{}})", Soon());
  ASSERT_TRUE(token.ok()) << token.error().Describe();
  std::string file = std::filesystem::temp_directory_path() / ("databuild-token-" + RandomUuid());
  std::ofstream(file) << "expired";
  ClusterAccess other = access_;
  other.client_certificate = {};
  other.client_key = {};
  other.token_file = file;
  auto client = ApiClient::Create(other, {});
  ASSERT_TRUE(client.ok());
  EXPECT_TRUE((*client)->Get(Maps("a"), Soon()).failed_with(ApiFailure::kUnauthenticated));
  std::ofstream(file) << Field(*token, "status", "token");
  // Known, but without rights: the token was sent and taken.
  EXPECT_TRUE((*client)->Get(Maps("a"), Soon()).failed_with(ApiFailure::kForbidden));
  std::filesystem::remove(file);
}

TEST_F(ApiConformance, NobodyListensIsRefused) {
  ClusterAccess other = access_;
  other.server = "https://127.0.0.1:1";
  auto client = ApiClient::Create(other, {});
  ASSERT_TRUE(client.ok());
  ApiReply reply = (*client)->Get(Maps("a"), Soon());
  EXPECT_TRUE(reply.failed_with(ApiFailure::kRefused)) << reply.error().Describe();
}

TEST_F(ApiConformance, ALeaseChangesHandsOnlyAfterItRanOutOrWasReleased) {
  SystemClock clock;
  LeaseOptions options;
  options.ns = ns_;
  options.duration = 6s;
  options.renew_deadline = 4s;
  options.retry_period = 200ms;
  auto elector = [&](const std::string& identity, ApiClient& client, std::atomic<int>& acquired,
                     std::atomic<int>& lost) {
    LeaseOptions own = options;
    own.identity = identity;
    return std::make_unique<LeaseElector>(
        client, clock, own,
        LeaseElector::Callbacks{[&] { ++acquired; }, [&](const std::string&) { ++lost; }});
  };
  std::atomic<int> a_acquired{0}, a_lost{0}, b_acquired{0}, b_lost{0};
  auto a_client = NewClient(), b_client = NewClient();
  auto a = elector("a", *a_client, a_acquired, a_lost);
  a->Start();
  ASSERT_TRUE(Eventually([&] { return a_acquired == 1; }));
  auto b = elector("b", *b_client, b_acquired, b_lost);
  b->Start();
  ASSERT_TRUE(Eventually([&] { return b->holder() == "a"; }));
  // Renewed for longer than its duration, it does not change hands.
  auto until = std::chrono::steady_clock::now() + 7s;
  ASSERT_TRUE(Eventually([&] { return std::chrono::steady_clock::now() > until; }));
  EXPECT_EQ(b_acquired, 0);
  EXPECT_TRUE(a->Leading());
  a->Stop();  // releases
  auto released = std::chrono::steady_clock::now();
  ASSERT_TRUE(Eventually([&] { return b_acquired == 1; }));
  EXPECT_LT(std::chrono::steady_clock::now() - released, 5s);
  // Somebody takes it by force: the holder notices and gives up.
  ApiReply taken = client_->Patch({kLeases, ns_, options.name, ""}, PatchType::kMerge,
                                  R"({"spec":{"holderIdentity":"c"}})", Soon());
  ASSERT_TRUE(taken.ok());
  ASSERT_TRUE(Eventually([&] { return b_lost == 1; }));
  EXPECT_FALSE(b->Leading());
  EXPECT_EQ(a_lost, 0);
}

TEST_F(ApiConformance, AHolderThatComesBackUnderItsNameTakesItsLeaseAtOnce) {
  SystemClock clock;
  LeaseOptions options;
  options.ns = ns_;
  options.identity = "databuild-0";
  Create(kLeases, ns_,
         R"({"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"databuild"},)"
         R"("spec":{"holderIdentity":"databuild-0","leaseDurationSeconds":15,)"
         R"("renewTime":"2025-01-01T00:00:00.000000Z","leaseTransitions":3}})");
  std::atomic<int> acquired{0};
  LeaseElector elector(*client_, clock, options, {[&] { ++acquired; }, nullptr});
  elector.Start();
  EXPECT_TRUE(Eventually([&] { return acquired == 1; }, 3s));
}

}  // namespace
}  // namespace databuild::kube
