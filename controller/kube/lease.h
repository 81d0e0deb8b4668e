// Leader election by a coordination.k8s.io Lease.
//
// Only the local, monotonic time at which a change of the record was seen counts; times written by
// others are never compared with our clock. A lease gives no fencing: the log's epoch does. Runs on
// its own thread and needs an ApiClient of its own, so that nothing else can hold renewals up.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <random>
#include <string>
#include <thread>

#include "bel/base/clock.h"
#include "controller/kube/api_client.h"

namespace databuild::kube {

struct LeaseOptions {
  std::string ns;
  std::string name = "databuild";
  // The pod's name: a StatefulSet's pod that comes back takes its lease again at once.
  std::string identity;
  std::chrono::milliseconds duration{15'000};
  std::chrono::milliseconds renew_deadline{10'000};
  std::chrono::milliseconds retry_period{2'000};
};

class LeaseElector {
 public:
  struct Callbacks {
    // Once, on the elector's thread.
    std::function<void()> acquired;
    // At most once, on the elector's thread: the lease could not be renewed or was taken. The
    // process must end; there is no way back to being a standby.
    std::function<void(const std::string& why)> lost;
  };

  // `duration` > `renew_deadline` > 1.2 x `retry_period`, else CHECK.
  LeaseElector(ApiClient& client, const Clock& clock, LeaseOptions options, Callbacks callbacks);
  ~LeaseElector();
  LeaseElector(const LeaseElector&) = delete;
  LeaseElector& operator=(const LeaseElector&) = delete;

  void Start();
  // Ends the election; gives the lease back if it is held. Call after everything that writes has
  // ended.
  void Stop();

  // Held and renewed within `duration`.
  bool Leading() const;
  // Held and renewed within `renew_deadline`: what is sent now arrives before anybody else may
  // lead, if it takes less than the rest of `duration`.
  bool MayWrite() const;
  // Held, but not renewed for longer than `duration`: liveness should fail.
  bool Wedged() const;
  std::string holder() const;  // last seen, empty if nobody
  std::string last_error() const;

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Record {
    std::string holder;
    std::string acquire_time;
    std::string version;  // resourceVersion
    int64_t duration_seconds = 0;
    int64_t transitions = 0;
  };

  void Run(std::stop_token stop);
  bool Acquire(std::stop_token stop);
  void Renew(std::stop_token stop);
  bool TryOnce(Time deadline, std::stop_token stop);
  bool TryCreate(const CallOptions& call);
  bool TryUpdate(const Record& before, const CallOptions& call);
  bool Observe(const std::string& body);
  void Fail(const ApiError& error);
  void Wait(std::chrono::milliseconds time, std::stop_token stop);
  void Release();
  std::string Body(const Record& record, std::chrono::milliseconds duration) const;
  ObjectPath Path(bool collection) const;

  ApiClient& client_;
  const Clock& clock_;
  const LeaseOptions options_;
  const Callbacks callbacks_;
  std::mt19937_64 random_;

  mutable std::mutex mutex_;  // guards what follows
  Record seen_;
  Time seen_at_{};     // when seen_ last changed
  Time renewed_at_{};  // start of the last request that succeeded
  bool held_ = false;
  std::string last_error_;
  std::jthread thread_;
};

}  // namespace databuild::kube
