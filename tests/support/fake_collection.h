// One collection of ConfigMap-like objects served with the API server's list and watch protocol:
// pages, continue tokens, resourceVersions, bookmarks, 410 after a compaction. Thread-safe.
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "tests/support/loopback_server.h"

namespace databuild::testing {

class FakeCollection {
 public:
  explicit FakeCollection(std::string kind) : kind_(std::move(kind)) {}

  // Creates or changes; a new object gets a new UID.
  void Put(const std::string& ns, const std::string& name, const std::string& value);
  void Delete(const std::string& ns, const std::string& name);
  // Raises the version without a change of ours, as other resources do.
  void Tick();
  // Sends a bookmark to every watch.
  void Bookmark();
  // Forgets history and continue tokens: older versions are answered 410.
  void Compact();
  // Puts raw bytes into every open watch.
  void Inject(const std::string& frame);
  // Ends every open watch in good order.
  void EndWatches();

  bool Handle(const LoopbackRequest& request, LoopbackConnection& connection);
  LoopbackHandler handler() {
    return [this](const LoopbackRequest& request, LoopbackConnection& connection) {
      return Handle(request, connection);
    };
  }

  // name -> value of every object, as "ns/name".
  std::map<std::string, std::string> Truth() const;
  int lists() const;
  int watches() const;
  int open_watches() const;
  std::vector<std::string> list_versions() const;   // resourceVersion of each first page asked for
  std::vector<std::string> watch_versions() const;  // of each watch asked for

  // Answer an expired watch with an ERROR event instead of HTTP 410.
  void set_gone_in_stream(bool on);

 private:
  struct Object {
    std::string ns, name, uid, value;
    uint64_t version = 0;
  };
  struct Event {
    uint64_t version = 0;
    std::string frame;
  };

  bool List(const LoopbackRequest& request, LoopbackConnection& connection);
  bool Watch(const LoopbackRequest& request, LoopbackConnection& connection);
  std::string Render(const Object& object) const;
  void Record(const std::string& type, const Object& object);

  const std::string kind_;
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::map<std::pair<std::string, std::string>, Object> objects_;
  std::vector<Event> history_;
  uint64_t version_ = 100;
  uint64_t floor_ = 100;  // oldest version that can be watched from
  uint64_t next_uid_ = 1;
  uint64_t generation_ = 0;                                // of open watches: raised to end them
  std::map<std::string, std::vector<std::string>> pages_;  // continue token -> what is left
  std::map<std::string, uint64_t> page_versions_;
  int lists_ = 0;
  int watches_ = 0;
  int open_watches_ = 0;
  bool gone_in_stream_ = false;
  std::vector<std::string> list_versions_, watch_versions_;
};

}  // namespace databuild::testing
