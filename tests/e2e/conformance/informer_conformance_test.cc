// Informer against the real API server, straight and through a proxy that cuts, delays and refuses.
#include <atomic>
#include <map>
#include <mutex>
#include <random>

#include "controller/kube/informer.h"
#include "tests/e2e/conformance/namespace_fixture.h"
#include "tests/support/fault_proxy.h"

namespace databuild::kube {
namespace {

using namespace std::chrono_literals;

class Values final : public ObjectSink {
 public:
  void Upsert(const ObjectRef& ref, const JsonView& object) override {
    std::lock_guard lock(mutex_);
    values_[ref.name] = object["data"]["value"].Str();
  }
  void Remove(const ObjectRef& ref) override {
    std::lock_guard lock(mutex_);
    values_.erase(ref.name);
  }
  void Listed() override { ++listed_; }
  std::map<std::string, std::string> get() {
    std::lock_guard lock(mutex_);
    return values_;
  }
  int listed() const { return listed_; }

 private:
  std::mutex mutex_;
  std::map<std::string, std::string> values_;
  std::atomic<int> listed_{0};
};

class InformerConformance : public NamespaceFixture {
 protected:
  InformerOptions Options() {
    InformerOptions options;
    options.type = kConfigMaps;
    options.ns = ns_;
    options.label_selector = "test";
    options.page_size = 3;
    options.backoff = {10ms, 200ms, 120s};
    return options;
  }
  std::map<std::string, std::string> Truth() {
    ListOptions list;
    list.label_selector = "test";
    ApiReply reply = client_->List({kConfigMaps, ns_, "", ""}, list, Soon());
    EXPECT_TRUE(reply.ok());
    JsonParser parser;
    auto parsed = parser.Parse(*reply);
    std::map<std::string, std::string> truth;
    (*parsed)["items"].ForEachItem([&](const JsonView& item) {
      truth[item["metadata"]["name"].Str()] = item["data"]["value"].Str();
    });
    return truth;
  }
  void Change(int count, uint64_t seed) {
    std::mt19937_64 random(seed);
    for (int i = 0; i < count; ++i) {
      std::string name = "m" + std::to_string(random() % 12);
      ObjectPath path{kConfigMaps, ns_, name, ""};
      if (random() % 5 == 0) {
        (void)client_->Delete(path, {}, Soon()).ok();
      } else {
        std::string body = R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":")" + name +
                           R"(","labels":{"test":"x"}},"data":{"value":")" + std::to_string(i) +
                           "\"}}";
        ASSERT_TRUE(client_->Patch(path, PatchType::kApply, body, Soon()).ok());
      }
    }
  }
};

TEST_F(InformerConformance, ListsInPagesAndFollows) {
  Change(20, 1);
  Values values;
  Informer informer(*client_, values, Options());
  informer.Start();
  EXPECT_TRUE(Eventually([&] { return values.listed() == 1; }));
  EXPECT_EQ(values.get(), Truth());
  Change(40, 2);
  EXPECT_TRUE(Eventually([&] { return values.get() == Truth(); }));
  EXPECT_EQ(informer.health().lists, 1u);
  EXPECT_EQ(informer.health().skipped_frames, 0u);
}

TEST_F(InformerConformance, AWatchThatTheServerEndsIsReopenedWithoutAList) {
  Change(5, 1);
  Values values;
  InformerOptions options = Options();
  options.watch_seconds_min = options.watch_seconds_max = 1;
  Informer informer(*client_, values, options);
  informer.Start();
  ASSERT_TRUE(Eventually([&] { return informer.health().watches >= 3; }));
  Change(20, 3);
  EXPECT_TRUE(Eventually([&] { return values.get() == Truth(); }));
  EXPECT_EQ(informer.health().lists, 1u);
}

TEST_F(InformerConformance, BookmarksArriveAndCountAsContact) {
  int changes = 0;
  Values values;
  InformerOptions options = Options();
  // A bookmark is sent shortly before the server ends a watch.
  options.watch_seconds_min = options.watch_seconds_max = 3;
  Informer informer(*client_, values, options);
  informer.Start();
  ASSERT_TRUE(Eventually([&] { return values.listed() == 1; }));
  // Others change: no event for us, but a newer version that the bookmark brings.
  EXPECT_TRUE(Eventually([&] {
    (void)client_
        ->Patch(
            {kConfigMaps, ns_, "other", ""}, PatchType::kApply,
            R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"other"},"data":{"n":")" +
                std::to_string(++changes) + "\"}}",
            Soon())
        .ok();
    return informer.health().events > 0;
  }));
  EXPECT_TRUE(values.get().empty());
}

TEST_F(InformerConformance, ConvergesThroughAProxyThatCutsDelaysAndRefuses) {
  std::atomic<bool> calm{false};
  for (uint64_t seed : {1, 2, 3}) {
    calm = false;
    auto faults = testing::RandomFaults(seed, 0.5);
    testing::LoopbackServer proxy(testing::WithFaults(
        testing::ForwardTo(access_), [&calm, faults](const testing::LoopbackRequest& request) {
          return calm ? testing::Fault{} : faults(request);
        }));
    ClusterAccess through;
    through.server = proxy.url();
    through.origin = "fault proxy";
    auto client = ApiClient::Create(through, {});
    ASSERT_TRUE(client.ok());
    Values values;
    InformerOptions options = Options();
    options.watch_seconds_min = options.watch_seconds_max = 1;
    Informer informer(**client, values, options);
    informer.Start();
    Change(60, seed);
    calm = true;
    EXPECT_TRUE(Eventually([&] { return values.get() == Truth(); })) << "seed " << seed;
    informer.Stop();
  }
}

}  // namespace
}  // namespace databuild::kube
