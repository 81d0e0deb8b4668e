// StatusWriter: brings status in the cluster to what was asked for last, with few writes.
//
// A change of a condition's type, status or reason (or of the generation) is written at once; what
// only counts waits until the object's last write is some seconds old. Nothing is written when
// nothing differs. A write that failed is tried again until it succeeds, something newer is asked
// for, or the object is gone: nobody else would notice.
#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "controller/kube/api_client.h"
#include "controller/kube/backoff.h"
#include "controller/kube/cluster_view.h"
#include "controller/kube/keyed_pool.h"

namespace databuild::kube {

struct StatusWriterOptions {
  std::chrono::milliseconds counter_interval{2'000};    // of one Want or Taint
  std::chrono::milliseconds data_job_interval{30'000};  // of one DataJob's status.runs
  double writes_per_second = 50;
  std::chrono::milliseconds call_timeout{30'000};
  BackoffSettings backoff{std::chrono::milliseconds(1'000), std::chrono::milliseconds(30'000),
                          std::chrono::milliseconds(120'000)};
};

// Thread-safe.
class StatusWriter {
 public:
  struct Around {
    ApiClient& client;
    ClusterView& view;
    KeyedPool& pool;  // carries the writes, keyed by the object
    const Clock& clock;
  };
  StatusWriter(Around around, StatusWriterOptions options);
  ~StatusWriter();

  void Put(const std::string& graph, const PatchStatus& wanted);
  void Stop();
  // Objects whose status still has to be written.
  size_t pending() const;

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Object {
    std::string graph;
    std::optional<PatchStatus> wanted;  // nothing: all is written
    Time due{};
    Time last_write{};
    bool writing = false;
    std::optional<Backoff> backoff;
  };

  void Run(std::stop_token stop);
  void Enqueue(const std::string& uid, Object& object, Time due);
  void Schedule(const std::string& uid, Object& object, Time now);
  bool Dispatch(const std::string& uid, Object& object);
  void Write(const std::string& uid, const std::string& graph, const PatchStatus& wanted,
             std::stop_token stop);

  const Around around_;
  const StatusWriterOptions options_;
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable_any changed_;
  std::map<std::string, Object> objects_;  // by uid
  std::set<std::pair<Time, std::string>>
      queue_;  // when to look at an object: to write it, or to forget it
  std::jthread thread_;
};

}  // namespace databuild::kube
