// The service API as the operator starts it, over one log in memory, for the abuse suite and the
// Connect walk: a process of its own whose memory can be looked at from outside. The time limits
// alone are shorter.
//
// Prints "port N" and serves until its input ends.
#include <cstdio>
#include <string>

#include "bel/memory_storage.h"
#include "bel/ranges/partition_ref.h"
#include "controller/api/api_server.h"
#include "controller/api/graph_source.h"
#include "controller/api/kept_objects_testing.h"
#include "controller/api/story_testing.h"
#include "controller/metrics/metrics.h"

namespace databuild {
namespace {

constexpr int kStories = 300;
constexpr std::chrono::milliseconds kShort{1'500};

class OneGraph final : public GraphSource {
 public:
  explicit OneGraph(std::shared_ptr<EventLog> log) : log_(std::move(log)) {}
  std::vector<std::string> Graphs() const override { return {"sales"}; }
  std::shared_ptr<const EventLog> Log(const std::string& graph) const override {
    return graph == "sales" ? log_ : nullptr;
  }
  bool Read(const std::string& graph, bool,
            const std::function<void(const QueryView&)>& read) const override {
    if (graph != "sales") return false;
    log_->WithState([&](const BuildState& state) { read({state, graph, nullptr}); });
    return true;
  }

  LogSource* logs() const override { return &lines_; }

 private:
  const std::shared_ptr<EventLog> log_;
  mutable TwoLines lines_;
};

// A partition for every byte that a ref may hold.
void WantEveryByte(EventLog& log) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string ref = std::string("byte/x") + static_cast<char>(byte) + "y";
    if (!IsPartitionRef(ref)) continue;
    CHECK(log.Append({WantCreated("byte-" + std::to_string(byte), ref)}).ok());
  }
}

int Serve() {
  MemoryStorage storage;
  TickingClock clock;
  LogOptions log_options;
  log_options.storage = &storage;
  log_options.graph = "sales";
  log_options.holder = "abused";
  log_options.cluster_uid = "cluster-1";
  log_options.clock = &clock;
  const std::shared_ptr<EventLog> log = OpenLog(std::move(log_options));
  for (int i = 0; i < kStories; ++i) CHECK(log->Append(Story("s" + std::to_string(i)).Tell()).ok());
  WantEveryByte(*log);
  const OneGraph graphs(log);
  Metrics metrics;
  AuthOptions auth_options;
  auth_options.mode = AuthMode::kOff;
  auth_options.listen_address = "127.0.0.1";
  const auto auth = MakeAuthenticator(auth_options);
  CHECK(auth.ok());
  KeptObjects objects;
  objects.on_create = [log](const NewObject& object, const std::string& uid) {
    return RecordCreated(*log, object, uid);
  };
  ApiServerOptions options;
  options.http.first_byte_timeout = options.http.header_timeout = kShort;
  options.http.body_timeout = options.http.write_timeout = kShort;
  options.service.graphs = &graphs;
  options.service.auth = auth->get();
  options.service.objects = &objects;
  options.service.metrics = &metrics;
  options.service.max_requests_per_caller = 0;  // without authentication all are one caller
  const auto server = ApiServer::Start(options);
  CHECK(server.ok());
  std::printf("port %u\n", static_cast<unsigned>((*server)->port()));
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  (*server)->Stop(std::chrono::milliseconds(1'000));
  return 0;
}

}  // namespace
}  // namespace databuild

int main() { return databuild::Serve(); }
