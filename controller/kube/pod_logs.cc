#include "controller/kube/pod_logs.h"

#include <utility>

namespace databuild::kube {
namespace {

constexpr char kJobContainer[] = "job";

class KubeLogStream final : public PodLogStream {
 public:
  explicit KubeLogStream(std::unique_ptr<ByteStream> stream) : stream_(std::move(stream)) {}

  Status Read(DurationNs wait, std::stop_token stop, std::string& out, bool& end) override {
    const CallOptions call{std::chrono::steady_clock::now() + std::chrono::nanoseconds(wait), stop};
    const auto failed = stream_->Read(call, out, end);
    if (!failed) return {};
    // Nothing came within `wait`: the stream goes on. One that comes earlier is the connection's.
    const bool over = std::chrono::steady_clock::now() >= call.deadline;
    if (failed->failure == ApiFailure::kTimeout && over) return {};
    return failed->ToError();
  }

 private:
  std::unique_ptr<ByteStream> stream_;
};

}  // namespace

Result<std::unique_ptr<PodLogStream>> KubePodLogs::Open(const PodLogRequest& request,
                                                        std::stop_token stop) {
  LogOptions options;
  options.container = kJobContainer;
  options.follow = request.follow;
  if (request.since > 0) options.since_time = FormatRfc3339(request.since / kSecond * kSecond);
  auto opened = client_.PodLog(ObjectPath{kPods, request.graph, request.pod, ""}, options,
                               CallOptions::Within(open_timeout_, stop));
  if (!opened.ok()) return opened.error().ToError();
  return std::unique_ptr<PodLogStream>(std::make_unique<KubeLogStream>(std::move(*opened)));
}

}  // namespace databuild::kube
