// For tests: an ObjectCreator that keeps what it is given, and what a planner would record of it.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "bel/event_log.h"
#include "bel/event_log_testing.h"
#include "controller/api/object_creator.h"

namespace databuild {

// What the planner records of an object that was put.
inline Status RecordCreated(EventLog& log, const NewObject& object, const std::string& uid) {
  v1::BuildEvent event;
  event.set_event_id(EventId(uid + "/created"));
  if (object.kind == NewObject::Kind::kWant) {
    event.mutable_want_event()->set_want_id(uid);
    event.mutable_want_event()->set_lifecycle(v1::WANT_CREATED);
    for (const std::string& ref : object.partitions)
      event.mutable_want_event()->add_requested_partitions()->set_str(ref);
  } else {
    event.mutable_taint_event()->set_taint_id(uid);
    event.mutable_taint_event()->set_lifecycle(v1::TAINT_CREATED);
  }
  const auto appended = log.Append({std::move(event)});
  return appended.ok() ? Status() : Status(appended.error());
}

// Objects as an API server would hold them, by name; what happens then is the test's.
class KeptObjects final : public ObjectCreator {
 public:
  Result<std::string> Create(const NewObject& object,
                             std::chrono::steady_clock::time_point) override {
    std::function<Status(const NewObject&, const std::string&)> told;
    std::string uid;
    {
      std::lock_guard lock(mutex);
      const auto [kept, fresh] = objects.try_emplace(object.graph + "/" + object.name, object);
      if (!fresh && kept->second.request != object.request)
        return Error{Errc::kAlreadyExists, "idempotency_key: it was used for another request"};
      uid = "uid-" + object.name;
      if (fresh) told = on_create;
    }
    if (told == nullptr) return uid;
    const Status done = told(object, uid);
    if (done.ok()) return uid;
    std::lock_guard lock(mutex);
    objects.erase(object.graph + "/" + object.name);
    return done.error();
  }
  std::vector<NewObject> All() {
    std::lock_guard lock(mutex);
    std::vector<NewObject> all;
    for (const auto& [name, object] : objects) all.push_back(object);
    return all;
  }

  std::mutex mutex;
  std::map<std::string, NewObject> objects;
  std::function<Status(const NewObject&, const std::string& uid)> on_create;
};

}  // namespace databuild
