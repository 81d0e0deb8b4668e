// Every method with every field set to good, empty, bad and huge values, by each of its doors. All
// of it is derived from the method table and the descriptors: what is added there is tried here.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/util/json_util.h>

#include <set>

#include "controller/api/api_service_testing.h"
#include "controller/api/message_codec.h"
#include "controller/api/method_table.h"
#include "controller/api/request_cases_testing.h"
#include "controller/api/story_testing.h"

namespace databuild {
namespace {

namespace pb = google::protobuf;

constexpr size_t kHugeText = 1024 * 1024;
constexpr size_t kHugeInside = 16 * 1024;  // of fields inside messages
constexpr int kStories = 3;

enum class Way { kJson, kBinary, kRest };

// The same graphs, with lines for every run.
class WithLines final : public GraphSource {
 public:
  explicit WithLines(const LogGraphs& graphs) : graphs_(graphs) {}
  std::vector<std::string> Graphs() const override { return graphs_.Graphs(); }
  std::shared_ptr<const EventLog> Log(const std::string& graph) const override {
    return graphs_.Log(graph);
  }
  bool Read(const std::string& graph, bool reasons,
            const std::function<void(const QueryView&)>& read) const override {
    return graphs_.Read(graph, reasons, read);
  }
  LogSource* logs() const override { return &lines_; }
  const PlanSource* plans() const override { return &plans_; }

 private:
  const LogGraphs& graphs_;
  mutable TwoLines lines_;
  const EchoPlans plans_;
};

class GeneratedCalls : public ApiServiceTest {
 protected:
  GeneratedCalls() {
    options_.service.graphs = &with_lines_;
    options_.http.max_body_bytes = options_.http.max_header_bytes = 64 * 1024 * 1024;
  }
  void SetUp() override {
    ApiServiceTest::SetUp();
    for (int i = 1; i <= kStories; ++i)
      ASSERT_TRUE(log().Append(Story("s" + std::to_string(i)).Tell()).ok());
    silenced_ = pb::SetLogHandler(nullptr);  // libprotobuf's words about bad UTF-8
  }
  void TearDown() override {
    pb::SetLogHandler(silenced_);
    EXPECT_EQ(Rest("wants").status, 200) << "the process goes on serving";
    server_->Stop(std::chrono::milliseconds(1'000));
    server_.reset();
    EXPECT_EQ(metrics_.Value(Metric::kApiInFlight, {}), 0) << "no call is held on to";
    ApiServiceTest::TearDown();
  }

  // What must be named in any request of the method: an id, a ref.
  static std::unique_ptr<pb::Message> Base(const Method& method) {
    std::unique_ptr<pb::Message> base(method.request->New());
    const auto& reflection = *base->GetReflection();
    for (int i = 0; i < base->GetDescriptor()->field_count(); ++i) {
      const auto& field = *base->GetDescriptor()->field(i);
      static const std::set<std::string> kIds = {"want_id",          "taint_id",  "build_id",
                                                 "build_request_id", "job_label", "job_run_id"};
      if (kIds.contains(field.name())) {
        reflection.SetString(base.get(), &field, *KnownText(field.name()));
      } else if (field.message_type() == v1::PartitionRef::descriptor()) {
        auto* ref = field.is_repeated() ? reflection.AddMessage(base.get(), &field)
                                        : reflection.MutableMessage(base.get(), &field);
        static_cast<v1::PartitionRef*>(ref)->set_str(*KnownText("ref"));
      }
    }
    return base;
  }

  static Json JsonOf(const pb::Message& message) {
    std::string text;
    EXPECT_TRUE(pb::util::MessageToJsonString(message, &text).ok());
    return Json::parse(text);
  }

  TestResponse PostTo(const Method& method, const std::string& type, const std::string& body) {
    return Rpc(method.service.substr(std::string("databuild.v1.").size()) + "/" + method.name, body,
               "Content-Type: " + type + "\r\n");
  }

  // nullopt: the value cannot be said at this door.
  std::optional<TestResponse> Call(Way way, const Method& method, const FieldPath& path,
                                   const FieldValue& value) {
    const auto base = Base(method);
    if (path.size() == 1) base->GetReflection()->ClearField(base.get(), path[0]);
    const bool creates = method.access.verb == "create";
    if (way == Way::kJson || (way == Way::kRest && creates)) {
      if (!value.json || (way == Way::kRest && method.rest_path.empty())) return std::nullopt;
      Json request = JsonOf(*base);
      PutJson(path, *value.json, request);
      if (way == Way::kJson) return PostTo(method, "application/json", request.dump());
      const std::string body = request.dump();
      return client_->Ask("POST /api/v1/graphs/sales/" + method.rest_path +
                          " HTTP/1.1\r\nHost: h\r\nAuthorization: alice\r\nContent-Type: "
                          "application/json\r\nContent-Length: " +
                          std::to_string(body.size()) + "\r\n\r\n" + body);
    }
    if (way == Way::kBinary) {
      if (!value.wire) return std::nullopt;
      return PostTo(method, "application/proto",
                    base->SerializeAsString() + PutWire(path, *value.wire));
    }
    const bool direct = path.size() == 1 || (path.size() == 2 && path[0]->name() == method.inner);
    if (method.rest_path.empty() || !direct || !value.texts) return std::nullopt;
    NamedValues values;
    for (const std::string& text : *value.texts) values.emplace_back(path.back()->name(), text);
    return Rest(Target(method, std::move(values)));
  }

  // The method's path with its variables, and the rest as a query.
  static std::string Target(const Method& method, NamedValues values) {
    std::string target = method.rest_path;
    while (target.find('{') != std::string::npos) {
      const size_t begin = target.find('{'), end = target.find('}');
      std::string name = target.substr(begin + 1, end - begin - 1);
      if (name.ends_with('*')) name.pop_back();
      std::string text = KnownText(name).value_or("");
      for (auto it = values.begin(); it != values.end(); ++it) {
        if (it->first != name) continue;
        text = it->second;
        values.erase(it);
        break;
      }
      target.replace(begin, end - begin + 1, PercentEncode(text));
    }
    for (const auto& [name, text] : values) {
      target += target.find('?') == std::string::npos ? '?' : '&';
      target += PercentEncode(name) + "=" + PercentEncode(text);
    }
    return target;
  }

  static std::string FieldOf(const Json& error) {
    if (!error.contains("details")) return "";
    return error["details"][0]["debug"]["fieldViolations"][0]["field"];
  }

  // One is the other, or the beginning or the end of it.
  static bool Names(const std::string& named, const std::string& field) {
    const auto within = [](const std::string& part, const std::string& whole) {
      return part == whole || whole.starts_with(part + ".") || whole.ends_with("." + part);
    };
    return !named.empty() && (within(named, field) || within(field, named));
  }

  static void CheckAnswer(Way way, const Method& method, const TestResponse& response) {
    const auto* type = pb::DescriptorPool::generated_pool()
                           ->FindServiceByName(method.service)
                           ->FindMethodByName(method.name)
                           ->output_type();
    std::unique_ptr<pb::Message> answer(
        pb::MessageFactory::generated_factory()->GetPrototype(type)->New());
    if (way == Way::kBinary) {
      EXPECT_TRUE(answer->ParseFromString(response.body));
    } else {
      const auto parsed = pb::util::JsonStringToMessage(response.body, answer.get());
      EXPECT_TRUE(parsed.ok()) << parsed.message() << "\n" << response.body.substr(0, 500);
    }
    const auto* batch = dynamic_cast<const v1::BatchedResponse*>(answer.get());
    if (batch == nullptr) return;
    for (const auto& [key, error] : batch->errors())
      EXPECT_TRUE(error.code() != "internal" && error.code() != "data_loss") << error.DebugString();
  }

  static void CheckError(const TestResponse& response) {
    const Json error = Json::parse(response.body, nullptr, false);
    ASSERT_TRUE(error.is_object() && error.contains("code") && error["message"] != "")
        << response.body.substr(0, 500);
    const std::string code = error["code"];
    EXPECT_TRUE(response.status < 500 || code == "unavailable" || code == "unimplemented")
        << response.status << response.body.substr(0, 500);
    if (code == "invalid_argument") {
      EXPECT_NE(FieldOf(error), "") << response.body.substr(0, 500);
    }
    EXPECT_LT(response.body.size(), 64 * 1024) << "what was sent is quoted in part only";
  }

  void Check(Way way, const Method& method, const FieldPath& path, const FieldValue& value) {
    const std::string field = PlainName(path);
    SCOPED_TRACE(method.name + " " + field + ": " + value.kind);
    const auto response = Call(way, method, path, value);
    if (!response) return;
    ++calls_;
    if (response->status == 200) {
      EXPECT_NE(value.expect, Expect::kRefused) << response->body.substr(0, 500);
      return CheckAnswer(way, method, *response);
    }
    ASSERT_GE(response->status, 400);
    CheckError(*response);
    const bool changes_something = method.access.verb == "create";
    EXPECT_TRUE(value.expect != Expect::kAnswered || changes_something)
        << response->body.substr(0, 500);
    // In a path a text that cannot be read is a path that is not there.
    if (value.expect != Expect::kRefused || (way == Way::kRest && response->status == 404)) return;
    EXPECT_EQ(response->status, 400) << response->body.substr(0, 500);
    const std::string named = PlainName(FieldOf(Json::parse(response->body)));
    EXPECT_TRUE(Names(named, field) || (way == Way::kBinary && named == "body"))
        << named << " is not " << field << "\n"
        << response->body.substr(0, 500);
  }

  void TryAll(Way way) {
    const MethodTable table = MakeMethodTable();
    for (const Method& method : table.methods()) {
      const int before = calls_;
      for (const FieldPath& path : FieldPaths(*method.request->GetDescriptor(), 3)) {
        for (const FieldValue& value : ValuesOf(path, path.size() == 1 ? kHugeText : kHugeInside))
          Check(way, method, path, value);
      }
      EXPECT_TRUE(calls_ > before || (way == Way::kRest && method.rest_path.empty()))
          << method.name;
    }
    RecordProperty("calls", calls_);
  }

  WithLines with_lines_{graphs_};
  pb::LogHandler* silenced_ = nullptr;
  int calls_ = 0;
};

TEST_F(GeneratedCalls, ByConnectJson) { TryAll(Way::kJson); }
TEST_F(GeneratedCalls, ByConnectBinary) { TryAll(Way::kBinary); }
TEST_F(GeneratedCalls, ByRest) { TryAll(Way::kRest); }

// The rules of every list: whatever would widen an answer is refused with its name.
class GeneratedLists : public GeneratedCalls {
 protected:
  void ExpectRefused(const Method& method, const Json& request, const std::string& field) {
    const TestResponse response = PostTo(method, "application/json", request.dump());
    ASSERT_EQ(response.status, 400) << method.name << request << response.body;
    EXPECT_EQ(PlainName(FieldOf(Json::parse(response.body))), PlainName(field))
        << method.name << request << response.body;
  }

  static std::vector<Method> Lists() {
    std::vector<Method> lists;
    const MethodTable table = MakeMethodTable();
    for (const Method& method : table.methods()) {
      if (method.request->GetDescriptor()->FindFieldByName("page_token") != nullptr)
        lists.push_back(method);
    }
    return lists;
  }

  // The token after the first row; empty: the list has no second one.
  std::string TokenOf(const Method& method) {
    Json request = JsonOf(*Base(method));
    request["pageSize"] = 1;
    const TestResponse response = PostTo(method, "application/json", request.dump());
    EXPECT_EQ(response.status, 200) << method.name << response.body;
    return Json::parse(response.body).value("nextPageToken", "");
  }
};

TEST_F(GeneratedLists, RefuseMisspeltFiltersByName) {
  for (const Method& method : Lists()) {
    for (const FieldPath& path : FieldPaths(*method.request->GetDescriptor(), 1)) {
      const std::string wrong = path[0]->json_name() + "x";
      Json request = JsonOf(*Base(method));
      request[wrong] = "s1";
      ExpectRefused(method, request, wrong);
      if (method.rest_path.empty()) continue;
      const TestResponse rest = Rest(Target(method, {{wrong, "s1"}}));
      ASSERT_EQ(rest.status, 400) << method.name << wrong << rest.body;
      EXPECT_EQ(FieldOf(Json::parse(rest.body)), wrong);
    }
    // A filter of a later version: field 3,000, a text.
    const TestResponse later =
        PostTo(method, "application/proto",
               Base(method)->SerializeAsString() + std::string("\xc2\xbb\x01\x01x", 5));
    ASSERT_EQ(later.status, 400) << method.name;
    EXPECT_EQ(FieldOf(Json::parse(later.body)), "3000");
  }
}

TEST_F(GeneratedLists, RefuseOversizePages) {
  for (const Method& method : Lists()) {
    const bool lines = method.name == "GetBuildEvents" || method.name == "JobLogs";
    const uint32_t most = lines ? 10'000 : 500;
    Json request = JsonOf(*Base(method));
    for (const char* field : {"pageSize", "limit"}) {
      if (method.request->GetDescriptor()->FindFieldByCamelcaseName(field) == nullptr) continue;
      Json asked = request;
      asked[field] = most;
      EXPECT_EQ(PostTo(method, "application/json", asked.dump()).status, 200) << method.name;
      asked[field] = most + 1;
      ExpectRefused(method, asked, field);
    }
  }
}

TEST_F(GeneratedLists, RefuseForeignTokens) {
  int paged = 0;
  std::string other;  // of the list before
  for (const Method& method : Lists()) {
    Json request = JsonOf(*Base(method));
    if (!other.empty()) {
      request["pageToken"] = other;
      ExpectRefused(method, request, "page_token");
    }
    const std::string own = TokenOf(method);
    if (own.empty()) continue;
    ++paged;
    other = own;
    request["pageToken"] = own;
    EXPECT_EQ(PostTo(method, "application/json", request.dump()).status, 200) << method.name;
    for (size_t at = 0; at < own.size(); ++at) {
      request["pageToken"] = own;
      request["pageToken"].get_ref<std::string&>()[at] ^= 1;
      ExpectRefused(method, request, "page_token");
    }
    request["pageToken"] = own;
    for (const FieldPath& path : FieldPaths(*method.request->GetDescriptor(), 1)) {
      static const std::set<std::string> kNoFilter = {
          "graph", "page_size", "page_token", "limit", "offset", "wait_ms", "follow", "include"};
      if (kNoFilter.contains(path[0]->name()) || request.contains(path[0]->json_name())) continue;
      for (const FieldValue& value : ValuesOf(path, 10)) {
        if (value.expect != Expect::kAnswered || !value.json) continue;
        if (*value.json == false && !path[0]->has_presence()) continue;  // as if not given
        Json filtered = request;
        filtered[path[0]->json_name()] = *value.json;
        ExpectRefused(method, filtered, "page_token");
      }
    }
  }
  EXPECT_GE(paged, 8) << "the stories are too short for second pages";
}

}  // namespace
}  // namespace databuild
