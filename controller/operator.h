// Operator: the composition root. Everything the process is made of, started and stopped in order.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "bel/base/result.h"
#include "controller/config/config.h"

namespace databuild {

class EventLog;
struct GraphHead;

// Run blocks until RequestStop or until the process must end (lease lost, log fenced).
class Operator {
 public:
  explicit Operator(Config config);
  ~Operator();

  // Exit code of the process: 0 after RequestStop, 1 when it had to end. Errors before anything
  // ran: what could not be set up, and what to do.
  Result<int> Run();

  // Thread-safe. `why` goes to the log.
  void RequestStop(const std::string& why, int exit_code = 0);

 private:
  struct Parts;

  Status SetUp();
  Status OpenStorage();
  Status StartHealth();
  void StartFollowing();
  std::function<std::shared_ptr<EventLog>(const std::string&)> StopFollowing();
  bool AwaitLease();
  Status StartGraphs();
  void OpenCluster();
  Status OpenLogs();
  void StartKeeper();
  Status StartApi();
  void CollectMetrics();
  void CollectFollowed();
  bool Ours(const GraphHead& head) const;
  void ShutDown();
  bool Stopping() const;

  const Config config_;
  std::unique_ptr<Parts> parts_;
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  bool stop_ = false;
  int exit_code_ = 0;
  bool leading_ = false;
  bool serving_ = false;   // the API listens
  bool followed_ = false;  // logs are followed while it waits
};

}  // namespace databuild
