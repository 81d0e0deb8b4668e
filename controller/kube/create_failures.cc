#include "controller/kube/create_failures.h"

#include <condition_variable>
#include <mutex>

#include "bel/base/log.h"

namespace databuild::kube {

CreateFailureReader::CreateFailureReader(ApiClient& client, ClusterView& view, const Clock& clock,
                                         CreateFailureOptions options)
    : client_(client), view_(view), clock_(clock), options_(options) {}

CreateFailureReader::~CreateFailureReader() { Stop(); }

void CreateFailureReader::Start() {
  thread_ = std::jthread([this](std::stop_token stop) { Run(stop); });
}

void CreateFailureReader::Stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void CreateFailureReader::Run(std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  while (!stop.stop_requested()) {
    for (const std::string& graph : view_.GraphsWithPodlessJobs(clock_.Now() - options_.patience))
      Read(graph, stop);
    std::unique_lock lock(mutex);
    never.wait_for(lock, stop, options_.interval, [] { return false; });
  }
}

void CreateFailureReader::Read(const std::string& graph, std::stop_token stop) {
  ListOptions list;
  list.field_selector = "reason=FailedCreate,involvedObject.kind=Job";
  list.limit = 500;  // one page: what is cut off is asked for again in the next round
  ApiReply reply = client_.List({kEvents, graph, "", ""}, list,
                                CallOptions::Within(options_.call_timeout, stop));
  if (!reply.ok()) {
    if (!reply.failed_with(ApiFailure::kStopped))
      LogWarn("cannot tell why Jobs have no pods", {{"error", reply.error().Describe()}});
    return;
  }
  JsonParser parser;
  auto parsed = parser.Parse(*reply);
  if (!parsed.ok()) return;
  (*parsed)["items"].ForEachItem(
      [&](const JsonView& event) { view_.NoteCreateFailure(graph, event); });
}

}  // namespace databuild::kube
