// What is written down of who did what, and the ids of requests.
#include "controller/api/audit.h"

#include "bel/base/log.h"
#include "controller/api/api_service_testing.h"

namespace databuild {
namespace {

class AuditTest : public ApiServiceTest {
 protected:
  void SetUp() override {
    ApiServiceTest::SetUp();
    SetLogLevel(LogLevel::kDebug);
    SetLogSink([this](std::string_view line) {
      std::lock_guard lock(mutex_);
      lines_.push_back(Json::parse(line));
    });
  }
  void TearDown() override {
    server_.reset();
    SetLogSink(nullptr);
    SetLogLevel(LogLevel::kInfo);
  }
  // The lines with that message since the last time.
  std::vector<Json> Take(const std::string& message) {
    std::lock_guard lock(mutex_);
    std::vector<Json> taken;
    for (const Json& line : lines_) {
      if (line["msg"] == message) taken.push_back(line);
    }
    lines_.clear();
    return taken;
  }

  std::mutex mutex_;
  std::vector<Json> lines_;
};

constexpr char kJson[] = "Content-Type: application/json\r\n";

TEST_F(AuditTest, EveryObjectWrittenLeavesALine) {
  objects_.on_create = [this](const NewObject& object, const std::string& uid) -> Status {
    if (object.partitions[0] == "bad") return Error{Errc::kPermissionDenied, "exceeded quota"};
    return RecordCreated(log(), object, uid);
  };
  Post("wants", R"({"wants": [{"ref": {"str": "a"}}, {"ref": {"str": "bad"}, "priority": 1}]})",
       std::string("Authorization: alice\r\nX-Request-Id: r-1\r\n") + kJson);
  std::vector<Json> lines = Take("audit");
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0]["level"], "audit");
  EXPECT_EQ(lines[0]["caller"], "alice");
  EXPECT_EQ(lines[0]["verb"], "create");
  EXPECT_EQ(lines[0]["resource"], "wants");
  EXPECT_EQ(lines[0]["graph"], "sales");
  EXPECT_EQ(lines[0]["uid"], "uid-" + lines[0]["object"].get<std::string>());
  EXPECT_EQ(lines[0]["code"], "ok");
  EXPECT_EQ(lines[0]["request_id"], "r-1");
  EXPECT_EQ(lines[0]["peer"], "127.0.0.1");
  EXPECT_EQ(lines[1]["code"], "permission_denied");
  EXPECT_EQ(lines[1]["reason"], "exceeded quota");
  Rpc("DataBuildService/Batched", R"({"requests": {"t": {"putTaints": {"refs": [{"str": "a"}]}}}})",
      std::string("X-Request-Id: r-2\r\n") + kJson);
  lines = Take("audit");
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0]["resource"], "taints");
  EXPECT_EQ(lines[0]["request_id"], "r-2");
  Rest("wants");
  EXPECT_TRUE(Take("audit").empty()) << "reading is no deed";
}

TEST_F(AuditTest, EveryRefusalLeavesALine) {
  Get("/api/v1/graphs/sales/wants", "X-Request-Id: r-3\r\n");
  std::vector<Json> lines = Take("audit");
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0]["level"], "audit");
  EXPECT_EQ(lines[0]["code"], "unauthenticated");
  EXPECT_EQ(lines[0]["request_id"], "r-3");
  Post("wants", R"({"wants": [{"ref": {"str": "a"}}]})",
       std::string("Authorization: bob\r\n") + kJson);
  lines = Take("audit");
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0]["caller"], "bob");
  EXPECT_EQ(lines[0]["verb"], "create");
  EXPECT_EQ(lines[0]["resource"], "wants");
  EXPECT_EQ(lines[0]["graph"], "sales");
  EXPECT_EQ(lines[0]["code"], "permission_denied");
  EXPECT_EQ(lines[0]["reason"], "bob may not");
  const std::string batch = R"({"requests": {"a": {"listWants": {}}, "b": {"putTaints": {}}}})";
  client_->Ask(std::string("POST /databuild.v1.DataBuildService/Batched HTTP/1.1\r\nHost: h\r\n") +
               "Authorization: bob\r\n" + kJson +
               "Content-Length: " + std::to_string(batch.size()) + "\r\n\r\n" + batch);
  EXPECT_EQ(Take("audit").size(), 2u) << "one for each entry";
  Get("/api/v1/graphs/sales/events", "Authorization: bob\r\n");
  lines = Take("audit");
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0]["resource"], "datajobs/events");
}

TEST_F(AuditTest, EveryRequestHasAnIdAndALine) {
  const auto id_of = [](const TestResponse& response) {
    const std::string name = "X-Request-Id: ";
    const size_t at = response.head.find(name);
    if (at == std::string::npos) return std::string();
    return response.head.substr(at + name.size(),
                                response.head.find("\r\n", at) - at - name.size());
  };
  EXPECT_EQ(id_of(Get("/api/v1/graphs/sales/wants",
                      "Authorization: alice\r\nX-Request-Id: a.B/c-1=\r\n")),
            "a.B/c-1=");
  const std::vector<Json> lines = Take("request");
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0]["method"], "ListWants");
  EXPECT_EQ(lines[0]["path"], "/api/v1/graphs/sales/wants");
  EXPECT_EQ(lines[0]["caller"], "alice");
  EXPECT_EQ(lines[0]["code"], "ok");
  EXPECT_EQ(lines[0]["status"], 200);
  EXPECT_EQ(lines[0]["request_id"], "a.B/c-1=");
  EXPECT_EQ(id_of(Get("/nothing")).size(), 36u) << "also where nothing is";
  EXPECT_NE(id_of(Rest("wants")), id_of(Rest("wants")));
  for (const std::string& bad : {std::string("a b"), std::string("a\"b"), std::string(129, 'x'),
                                 std::string("\xC3\xBC"), std::string()}) {
    EXPECT_EQ(id_of(Get("/nothing", "X-Request-Id: " + bad + "\r\n")).size(), 36u) << bad;
  }
}

}  // namespace
}  // namespace databuild
