// Page tokens of every list: a text that was not made here is refused, and a token with any key in
// it, as if the key had been made by another version, leads to an answer or a refusal and never
// twice to the same place.
//
// The input's first byte chooses the method, the second whether the rest is a token or a key.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "bel/memory_storage.h"
#include "bel/query_page.h"
#include "controller/api/graph_source.h"
#include "controller/api/method_table.h"
#include "controller/api/story_testing.h"

namespace databuild {
namespace {

namespace pb = google::protobuf;
using Request = std::unique_ptr<pb::Message>;

void Stop(const std::string& what, const std::string& detail) {
  std::fprintf(stderr, "%s: %s\n", what.c_str(), detail.c_str());
  std::abort();
}

class World final : public GraphSource {
 public:
  World() {
    LogOptions options;
    options.storage = &storage_;
    options.graph = "sales";
    options.holder = "fuzz";
    options.cluster_uid = "cluster-1";
    options.clock = &clock_;
    log_ = OpenLog(std::move(options));
    for (const char* name : {"a", "b", "c"}) CHECK(log_->Append(Story(name).Tell()).ok());
    for (const Method& method : table_.methods()) {
      if (Field(*method.request, "page_token") != nullptr) lists_.push_back(&method);
    }
  }
  static const pb::FieldDescriptor* Field(const pb::Message& message, const char* name) {
    return message.GetDescriptor()->FindFieldByName(name);
  }
  std::vector<std::string> Graphs() const override { return {"sales"}; }
  std::shared_ptr<const EventLog> Log(const std::string&) const override { return log_; }
  bool Read(const std::string& graph, bool,
            const std::function<void(const QueryView&)>& read) const override {
    log_->WithState([&](const BuildState& state) { read({state, graph, nullptr}); });
    return true;
  }

  // A request for one row that names what must be named.
  static Request Base(const Method& method) {
    Request request(method.request->New());
    for (const auto& [name, value] : std::vector<std::pair<const char*, const char*>>{
             {"want_id", "a-want"}, {"build_id", "a-build"}, {"job_run_id", "a-run"}}) {
      const auto* field = Field(*request, name);
      if (field != nullptr) request->GetReflection()->SetString(request.get(), field, value);
    }
    const auto* size = Field(*request, "page_size");
    request->GetReflection()->SetUInt32(request.get(), size, 1);
    return request;
  }

  void Check(const Method& method, const std::string& token) const {
    const Request request = Base(method);
    request->GetReflection()->SetString(request.get(), Field(*request, "page_token"), token);
    Call call;
    const std::shared_ptr<pb::Message> own(request->New());
    own->CopyFrom(*request);
    call.request = own;
    call.source = this;
    call.graph = "sales";
    call.log = log_;
    call.last_try = true;
    const auto outcome = method.handler(call);
    if (!outcome.ok()) {
      const Errc code = outcome.error().code;
      if (code != Errc::kInvalidArgument && code != Errc::kUnsupported && code != Errc::kOutOfRange)
        Stop(method.name, outcome.error().message);
      return;
    }
    const pb::Message& answer = *std::get<Answer>(*outcome).message;
    if (Field(answer, "has_more") == nullptr) return;  // a chart has no pages
    const auto& get = *answer.GetReflection();
    const bool more = get.GetBool(answer, Field(answer, "has_more"));
    const std::string next = get.GetString(answer, Field(answer, "next_page_token"));
    if (more && (next == token || next.empty())) Stop(method.name + " does not move on", token);
  }

  const std::vector<const Method*>& lists() const { return lists_; }

 private:
  const MethodTable table_ = MakeMethodTable();
  std::vector<const Method*> lists_;
  MemoryStorage storage_;
  TickingClock clock_;
  std::shared_ptr<EventLog> log_;
};

void TryToken(const World& world, const Method& method, const std::string& token) {
  world.Check(method, token);
  const Request request = World::Base(method);
  request->GetReflection()->SetString(request.get(), World::Field(*request, "page_token"), token);
  const auto start = StartPage(*request, "scope");
  if (start.ok() && start->after && PageToken(*request, "scope", *start->after) != token)
    Stop("two texts for one token", token);
}

void TryKey(const World& world, const Method& method, const std::string& key) {
  const Request request = World::Base(method);
  // GetBuildEvents and JobLogs leave the page's size out of what a token is for, as all do.
  for (const std::string& scope :
       std::vector<std::string>{method.name + "/sales", "GetBuildEvents/backwards/sales"}) {
    const std::string token = PageToken(*request, scope, key);
    request->GetReflection()->SetString(request.get(), World::Field(*request, "page_token"), token);
    const auto start = StartPage(*request, scope, {50, 10'000});
    if (token.size() <= 4'096 && (!start.ok() || start->after != key))
      Stop("a key did not come back", key);
    world.Check(method, token);
  }
}

}  // namespace
}  // namespace databuild

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const databuild::World world;
  if (size < 2) return 0;
  const auto& lists = world.lists();
  const databuild::Method& method = *lists[data[0] % lists.size()];
  const std::string rest(reinterpret_cast<const char*>(data) + 2, size - 2);
  data[1] % 2 != 0 ? databuild::TryKey(world, method, rest)
                   : databuild::TryToken(world, method, rest);
  return 0;
}
