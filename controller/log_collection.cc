#include "controller/log_collection.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <thread>

#include "bel/base/log.h"
#include "controller/kube/pod_logs.h"
#include "controller/logs/stored_tail.h"
#include "controller/metrics/job_metrics.h"
#include "controller/metrics/metrics.h"
#include "controller/reconciler/graph_workers.h"

namespace databuild {
namespace {

constexpr std::chrono::hours kRetentionRound{1};

class WholeLogCollection final : public LogCollection {
 public:
  WholeLogCollection(const LogCollectionSetup& setup, std::unique_ptr<LogChunks> chunks)
      : config_(setup.config),
        clock_(setup.clock),
        metrics_(setup.metrics),
        chunks_(std::move(chunks)),
        pods_(setup.client, std::chrono::milliseconds(config_.kube_request_timeout / kMillisecond)),
        job_metrics_(setup.metrics, config_.logs_metrics,
                     static_cast<size_t>(config_.logs_metric_series)),
        collector_(Options()),
        cluster_(setup.cluster, collector_),
        reader_(*chunks_, collector_, clock_, config_.logs_deadline) {}
  ~WholeLogCollection() override { Stop(); }

  Cluster& cluster() override { return cluster_; }
  LogSource& source() override { return reader_; }
  std::optional<std::string> StoredTail(const RunKey& run) override {
    Result<std::optional<std::string>> tail =
        databuild::StoredTail(*chunks_, run, kRunLogTailLines);
    if (tail.ok()) return std::move(*tail);
    LogDebug("the end of a log not read from what is stored; reading the pod's",
             {{"graph", run.graph}, {"job_run_id", run.run_id}, {"error", tail.error().message}});
    return std::nullopt;
  }

  void Start(const GraphWorkers& workers) override {
    workers_ = &workers;
    collector_.Start();
    retention_ = std::jthread([this](std::stop_token stop) { KeepRetention(stop); });
  }

  void Stop() override {
    collector_.Stop();
    retention_.request_stop();
    if (retention_.joinable()) retention_.join();
  }

 private:
  LogCollectorOptions Options() {
    LogCollectorOptions options;
    options.chunks = chunks_.get();
    options.pods = &pods_;
    options.clock = &clock_;
    options.streams = static_cast<int>(config_.logs_streams);
    options.deadline = config_.logs_deadline;
    options.known = [this](const RunKey& run, std::string* label) { return Known(run, label); };
    options.on_done = [this](const RunKey& run) { cluster_.NoteStored(run); };
    options.on_line = [this](const RunKey& run, const std::string& job, const LogLine& line) {
      metrics_.Add(Metric::kLogLines, {run.graph});
      if (line.metric)
        job_metrics_.Observe({run.graph, job, line.metric->name, line.metric->value});
    };
    options.on_mark = [this](const RunKey& run, const v1::RunLogMark& mark) { Count(run, mark); };
    return options;
  }

  void Count(const RunKey& run, const v1::RunLogMark& mark) {
    metrics_.Add(Metric::kLogGaps, {run.graph}, mark.gaps_size());
    metrics_.Add(Metric::kLogLinesDropped, {run.graph}, static_cast<double>(mark.dropped_lines()));
    metrics_.Add(Metric::kLogUnframed, {run.graph}, static_cast<double>(mark.unframed_lines()));
  }

  RunKnown Known(const RunKey& run, std::string* job_label) const {
    const std::shared_ptr<const GraphHandle> handle = workers_->Find(run.graph);
    if (!handle) return RunKnown::kNotYet;
    return handle->log->WithState([&](const BuildState& state) {
      const Index index = state.FindRun(run.run_id);
      if (index == kNone) return RunKnown::kForeign;
      const Index job = state.run(index).job;
      if (job != kNone) *job_label = state.job(job).label;
      return RunKnown::kOurs;
    });
  }

  void KeepRetention(std::stop_token stop) {
    std::mutex mutex;
    std::condition_variable_any never;
    while (!stop.stop_requested()) {
      for (const std::string& graph : workers_->Graphs()) RemoveOld(graph, stop);
      std::unique_lock lock(mutex);
      never.wait_for(lock, stop, kRetentionRound, [] { return false; });
    }
  }

  void RemoveOld(const std::string& graph, std::stop_token stop) {
    const TimeNs before = clock_.Now() - config_.logs_retention;
    while (!stop.stop_requested()) {
      const Result<int64_t> removed = chunks_->RemoveOlder(graph, before);
      if (!removed.ok()) {
        LogWarn("old job logs not removed; trying again in an hour",
                {{"graph", graph}, {"error", removed.error().message}});
        return;
      }
      if (*removed == 0) return;
      LogInfo("old job logs removed", {{"graph", graph}, {"rows", *removed}});
    }
  }

  const Config& config_;
  const Clock& clock_;
  Metrics& metrics_;
  const std::unique_ptr<LogChunks> chunks_;
  kube::KubePodLogs pods_;
  JobMetrics job_metrics_;
  LogCollector collector_;
  CollectingCluster cluster_;
  LogReader reader_;
  const GraphWorkers* workers_ = nullptr;  // set before any thread is started
  std::jthread retention_;
};

}  // namespace

Result<std::unique_ptr<LogCollection>> LogCollection::Open(const LogCollectionSetup& setup) {
  ASSIGN_OR_RETURN(std::unique_ptr<LogChunks> chunks, OpenLogChunks(setup.bel_uri));
  RETURN_IF_ERROR(chunks->Initialize());
  return std::unique_ptr<LogCollection>(
      std::make_unique<WholeLogCollection>(setup, std::move(chunks)));
}

}  // namespace databuild
