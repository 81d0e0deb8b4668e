#include "tests/support/fake_collection.h"

#include "tests/support/fault_proxy.h"

namespace databuild::testing {

namespace {

constexpr auto kLook =
    std::chrono::milliseconds(10);  // how soon a watch notices that its client left

uint64_t Number(const LoopbackRequest& request, const std::string& key) {
  auto found = request.query.find(key);
  return found == request.query.end() || found->second.empty() ? 0 : std::stoull(found->second);
}

std::string Value(const LoopbackRequest& request, const std::string& key) {
  auto found = request.query.find(key);
  return found == request.query.end() ? "" : found->second;
}

}  // namespace

std::string FakeCollection::Render(const Object& object) const {
  return R"({"kind":")" + kind_ + R"(","apiVersion":"v1","metadata":{"name":")" + object.name +
         R"(","namespace":")" + object.ns + R"(","uid":")" + object.uid +
         R"(","resourceVersion":")" + std::to_string(object.version) + R"("},"data":{"value":")" +
         object.value + R"("}})";
}

void FakeCollection::Record(const std::string& type, const Object& object) {
  history_.push_back(
      {object.version, R"({"type":")" + type + R"(","object":)" + Render(object) + "}\n"});
  changed_.notify_all();
}

void FakeCollection::Put(const std::string& ns, const std::string& name, const std::string& value) {
  std::lock_guard lock(mutex_);
  auto [it, added] = objects_.try_emplace({ns, name});
  Object& object = it->second;
  if (added) object = {ns, name, "uid-" + std::to_string(next_uid_++), "", 0};
  object.value = value;
  object.version = ++version_;
  Record(added ? "ADDED" : "MODIFIED", object);
}

void FakeCollection::Delete(const std::string& ns, const std::string& name) {
  std::lock_guard lock(mutex_);
  auto found = objects_.extract({ns, name});
  if (!found) return;
  found.mapped().version = ++version_;
  Record("DELETED", found.mapped());
}

void FakeCollection::Tick() {
  std::lock_guard lock(mutex_);
  ++version_;
}

void FakeCollection::Bookmark() {
  std::lock_guard lock(mutex_);
  history_.push_back({version_, R"({"type":"BOOKMARK","object":{"kind":")" + kind_ +
                                    R"(","apiVersion":"v1","metadata":{"resourceVersion":")" +
                                    std::to_string(version_) + R"("}}})" + "\n"});
  changed_.notify_all();
}

void FakeCollection::Compact() {
  std::lock_guard lock(mutex_);
  floor_ = ++version_;
  history_.clear();
  pages_.clear();
  ++generation_;
  changed_.notify_all();
}

void FakeCollection::Inject(const std::string& frame) {
  std::lock_guard lock(mutex_);
  history_.push_back({version_, frame});
  changed_.notify_all();
}

void FakeCollection::EndWatches() {
  std::lock_guard lock(mutex_);
  ++generation_;
  changed_.notify_all();
}

std::map<std::string, std::string> FakeCollection::Truth() const {
  std::lock_guard lock(mutex_);
  std::map<std::string, std::string> truth;
  for (const auto& [key, object] : objects_) truth[object.ns + "/" + object.name] = object.value;
  return truth;
}

int FakeCollection::lists() const {
  std::lock_guard lock(mutex_);
  return lists_;
}
int FakeCollection::watches() const {
  std::lock_guard lock(mutex_);
  return watches_;
}
int FakeCollection::open_watches() const {
  std::lock_guard lock(mutex_);
  return open_watches_;
}
std::vector<std::string> FakeCollection::list_versions() const {
  std::lock_guard lock(mutex_);
  return list_versions_;
}
std::vector<std::string> FakeCollection::watch_versions() const {
  std::lock_guard lock(mutex_);
  return watch_versions_;
}
void FakeCollection::set_gone_in_stream(bool on) {
  std::lock_guard lock(mutex_);
  gone_in_stream_ = on;
}

bool FakeCollection::Handle(const LoopbackRequest& request, LoopbackConnection& connection) {
  return request.query.contains("watch") ? Watch(request, connection) : List(request, connection);
}

bool FakeCollection::List(const LoopbackRequest& request, LoopbackConnection& connection) {
  std::string body;
  {
    std::lock_guard lock(mutex_);
    std::vector<std::string> items;
    uint64_t version = version_;
    if (std::string token = Value(request, "continue"); !token.empty()) {
      auto rest = pages_.find(token);
      if (rest == pages_.end())
        return SendAnswer(connection, 410, StatusJson(410, "Expired", "continue token is too old"));
      items = rest->second;
      version = page_versions_[token];
    } else {
      ++lists_;
      list_versions_.push_back(Value(request, "resourceVersion"));
      // Not older than asked for is always true of the newest state; a future version is not there
      // yet.
      if (Number(request, "resourceVersion") > version_)
        return SendAnswer(connection, 410, StatusJson(410, "Expired", "unknown resourceVersion"));
      for (const auto& [key, object] : objects_) items.push_back(Render(object));
    }
    size_t limit = Number(request, "limit");
    size_t count = limit == 0 ? items.size() : std::min<size_t>(limit, items.size());
    std::string token;
    if (count < items.size()) {
      token = "token-" + std::to_string(pages_.size()) + "-" + std::to_string(version_) + "-" +
              std::to_string(items.size());
      pages_[token] = {items.begin() + static_cast<ptrdiff_t>(count), items.end()};
      page_versions_[token] = version;
    }
    body = R"({"kind":")" + kind_ + R"(List","apiVersion":"v1","metadata":{"resourceVersion":")" +
           std::to_string(version) + R"(","continue":")" + token + R"("},"items":[)";
    for (size_t i = 0; i < count; ++i) body += (i == 0 ? "" : ",") + items[i];
    body += "]}";
  }
  return SendAnswer(connection, 200, body);
}

bool FakeCollection::Watch(const LoopbackRequest& request, LoopbackConnection& connection) {
  std::unique_lock lock(mutex_);
  ++watches_;
  watch_versions_.push_back(Value(request, "resourceVersion"));
  uint64_t from = Number(request, "resourceVersion");
  if (from < floor_) {
    bool in_stream = gone_in_stream_;
    lock.unlock();
    std::string status = StatusJson(410, "Expired", "too old resource version");
    if (!in_stream) return SendAnswer(connection, 410, status);
    return SendChunkedHead(connection) &&
           SendChunk(connection, R"({"type":"ERROR","object":)" + status + "}\n") &&
           SendLastChunk(connection);
  }
  ++open_watches_;
  uint64_t generation = generation_;
  size_t next = 0;
  while (next < history_.size() && history_[next].version <= from) ++next;
  lock.unlock();
  bool alive = SendChunkedHead(connection);
  lock.lock();
  while (alive && generation == generation_) {
    if (next >= history_.size()) {
      changed_.wait_for(lock, kLook);
      lock.unlock();
      alive = connection.Sleep(std::chrono::milliseconds(0));
      lock.lock();
      continue;
    }
    std::string frame = history_[next++].frame;
    lock.unlock();
    alive = SendChunk(connection, frame);
    lock.lock();
  }
  --open_watches_;
  lock.unlock();
  return alive && SendLastChunk(connection);
}

}  // namespace databuild::testing
