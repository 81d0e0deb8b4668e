// Informer: keeps a sink up to date with one collection of objects by list and watch.
//
// The sink sees, per object, a subsequence of its true states: states may be skipped, order between
// objects is not defined, and what a list no longer shows is removed by absence. The version it
// works from never goes back: a relist asks for at least the last version seen, and reads from the
// quorum when the server says that version is gone.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <thread>

#include "controller/kube/api_client.h"
#include "controller/kube/backoff.h"
#include "controller/kube/json_view.h"

namespace databuild::kube {

struct ObjectRef {
  std::string ns;
  std::string name;
  std::string uid;
};

// Called on the informer's thread only, one call at a time. `object` is valid during the call.
class ObjectSink {
 public:
  virtual ~ObjectSink() = default;
  virtual void Upsert(const ObjectRef& ref, const JsonView& object) = 0;
  virtual void Remove(const ObjectRef& ref) = 0;
  // After each complete list; the first one makes the sink synced.
  virtual void Listed() = 0;
};

struct InformerOptions {
  ResourceType type;
  std::string ns;  // empty: all namespaces
  std::string label_selector;
  std::string field_selector;
  int page_size = 500;
  int watch_seconds_min = 300;  // the server ends each watch after a time drawn from this range
  int watch_seconds_max = 600;
  std::chrono::milliseconds call_timeout{60'000};  // a list page, opening a watch
  std::chrono::milliseconds stream_timeout{
      185'000};  // a watch without a byte (bookmarks come each minute)
  BackoffSettings backoff;
  uint64_t seed = 0;  // 0: from the system's random source
};

struct InformerHealth {
  bool synced = false;
  uint64_t lists = 0;    // complete ones
  uint64_t watches = 0;  // opened
  uint64_t events = 0;
  uint64_t failures = 0;
  uint64_t skipped_frames = 0;  // well-formed, but not what the API promises
  std::chrono::steady_clock::time_point last_contact{};  // last answer or byte
  std::string last_error;
};

// Thread-safe. Start once; the destructor stops and joins.
class Informer {
 public:
  Informer(ApiClient& client, ObjectSink& sink, InformerOptions options);
  ~Informer();
  Informer(const Informer&) = delete;
  Informer& operator=(const Informer&) = delete;

  void Start();
  void Stop();
  InformerHealth health() const;

 private:
  // What to do next, and whether to wait before.
  enum class Next { kWatch, kWatchAfterBackoff, kRelist, kRelistAfterBackoff };
  struct Known {
    std::string uid;
    std::string version;
    uint64_t seen_in_list = 0;
  };

  void Run(std::stop_token stop);
  bool ListWithFallback(std::stop_token stop);
  std::optional<ApiError> ListAll(std::stop_token stop, const std::string& at_version);
  std::optional<ApiError> ListPages(std::stop_token stop, ListOptions& list);
  Next WatchOnce(std::stop_token stop);
  Next ReadFrames(std::stop_token stop, ByteStream& stream, uint64_t& events);
  std::optional<Next> HandleFrame(std::string_view frame, uint64_t& events);
  Next AfterOpenFailure(const ApiError& error);
  void Apply(const JsonView& object);
  void Forget(const JsonView& object);
  void RemoveUnlisted();
  void Pause(std::stop_token stop);
  void NoteFailure(const std::string& message);
  void NoteContact();

  ApiClient& client_;
  ObjectSink& sink_;
  const InformerOptions options_;
  const ObjectPath path_;

  // Only touched by the informer's thread.
  std::map<std::pair<std::string, std::string>, Known> known_;  // by namespace and name
  std::string version_;                                         // last seen resourceVersion
  uint64_t list_number_ = 0;  // marks what the list under way has shown
  int fruitless_watches_ = 0;
  std::chrono::steady_clock::time_point last_list_{};
  std::mt19937_64 random_;
  Backoff backoff_;
  JsonParser parser_;

  mutable std::mutex mutex_;  // guards health_
  InformerHealth health_;
  std::jthread thread_;
};

}  // namespace databuild::kube
