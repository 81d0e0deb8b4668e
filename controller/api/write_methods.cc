#include "controller/api/write_methods.h"

#include <algorithm>
#include <utility>

#include "bel/base/uuid.h"
#include "bel/event_log.h"
#include "bel/event_matcher.h"
#include "controller/api/audit.h"
#include "controller/api/object_creator.h"
#include "controller/api/put_request.h"
#include "databuild/v1/databuild.pb.h"

namespace databuild {
namespace {

using std::chrono::steady_clock;

constexpr auto kRecordTime = std::chrono::milliseconds(5'000);  // until the events are there

struct MadeObject {
  NewObject::Kind kind = NewObject::Kind::kWant;
  std::string name;
  std::string uid;  // empty: see error
  std::string error;
  int64_t event_idx = 0;  // of its CREATED event; 0: not there yet
};

// Objects on their way into the log, and how to answer for them.
struct Made {
  std::vector<MadeObject> objects;
  std::function<std::shared_ptr<const google::protobuf::Message>(const std::vector<MadeObject>&)>
      answer;
};

// Names, creator and digest of the objects of one call.
struct Request {
  ObjectNaming naming;
  std::string digest;
};

// The first object stands for the call: if it cannot be made, nothing is. So a key that was used
// for something else never adds to it.
Result<std::vector<MadeObject>> Create(const Call& call, const Request& request,
                                       std::vector<NewObject> objects) {
  if (call.objects == nullptr) {
    return Error{Errc::kUnsupported, "this operator takes no writes; use kubectl"};
  }
  const auto deadline = call.create_by.value_or(steady_clock::now() + kCreateTime);
  std::vector<MadeObject> made;
  for (size_t i = 0; i < objects.size(); ++i) {
    NewObject& object = objects[i];
    object.graph = call.graph;
    object.name = ObjectName(request.naming, i);
    object.request = request.digest;
    object.source_name = call.caller.name;
    if (!call.caller.token_hash.empty()) object.caller = call.caller.name;
    MadeObject& one = made.emplace_back();
    one.kind = object.kind;
    one.name = object.name;
    Result<std::string> uid = call.objects->Create(object, deadline);
    AuditWrite(call, object, uid);
    if (uid.ok()) {
      one.uid = std::move(*uid);
      continue;
    }
    if (i == 0) return uid.error();
    one.error = uid.error().message;
  }
  return made;
}

int64_t CreatedIdx(const BuildState& state, const MadeObject& object) {
  if (object.kind == NewObject::Kind::kWant) {
    const Index want = state.FindWant(object.uid);
    return want == kNone ? 0 : state.want(want).created_idx;
  }
  const Index taint = state.FindTaint(object.uid);
  return taint == kNone ? 0 : state.taint(taint).created_idx;
}

// Of the events that may be CREATED ones of these objects.
Result<std::shared_ptr<const EventMatcher>> MatcherOf(const std::vector<MadeObject>& objects) {
  v1::EventFilter filter;
  for (const MadeObject& object : objects) {
    if (object.uid.empty()) continue;
    (object.kind == NewObject::Kind::kWant ? filter.add_want_ids() : filter.add_taint_ids())
        ->assign(object.uid);
  }
  ASSIGN_OR_RETURN(EventMatcher matcher, EventMatcher::Compile(filter));
  return std::shared_ptr<const EventMatcher>(std::make_shared<EventMatcher>(std::move(matcher)));
}

// Answers when every object is in the log or the time is over.
Result<Outcome> AnswerWhenRecorded(const Call& call, const std::shared_ptr<Made>& made) {
  const int64_t head = call.log->head();
  bool all = true;
  call.log->WithState([&](const BuildState& state) {
    for (MadeObject& object : made->objects) {
      if (object.uid.empty()) continue;
      object.event_idx = CreatedIdx(state, object);
      all &= object.event_idx != 0;
    }
  });
  if (all || call.last_try) return Outcome(Answer{made->answer(made->objects), ""});
  ASSIGN_OR_RETURN(auto matcher, MatcherOf(made->objects));
  return Outcome(Wait{head, std::move(matcher), kRecordTime,
                      [made](const Call& again) { return AnswerWhenRecorded(again, made); }});
}

Request RequestOf(const Call& call, const std::string& key, const char* kind, std::string digest) {
  return {{call.caller.name, key.empty() ? RandomUuid() : key, kind}, std::move(digest)};
}

}  // namespace

Result<Outcome> HandlePutWants(const Call& call) {
  const auto request = std::static_pointer_cast<const v1::PutWantsRequest>(call.request);
  ASSIGN_OR_RETURN(WantObjects wants, ObjectsOf(*request));
  auto made = std::make_shared<Made>();
  ASSIGN_OR_RETURN(
      made->objects,
      Create(call, RequestOf(call, request->idempotency_key(), "want", DigestOf(*request)),
             std::move(wants.objects)));
  made->answer = [request,
                  object_of = std::move(wants.object_of)](const std::vector<MadeObject>& objects) {
    auto response = std::make_shared<v1::PutWantsResponse>();
    for (int i = 0; i < request->wants_size(); ++i) {
      const MadeObject& object = objects[object_of[static_cast<size_t>(i)]];
      v1::CreatedWant& want = *response->add_wants();
      *want.mutable_ref() = request->wants(i).ref();
      want.set_want_id(object.uid);
      if (!object.uid.empty()) want.set_name(object.name);
      want.set_error(object.error);
      want.set_event_index(object.event_idx);
    }
    return response;
  };
  return AnswerWhenRecorded(call, made);
}

Result<Outcome> HandlePutTaints(const Call& call) {
  const auto& request = static_cast<const v1::PutTaintsRequest&>(*call.request);
  ASSIGN_OR_RETURN(NewObject taint, ObjectOf(request));
  std::vector<NewObject> objects;
  objects.push_back(std::move(taint));
  auto made = std::make_shared<Made>();
  ASSIGN_OR_RETURN(
      made->objects,
      Create(call, RequestOf(call, request.idempotency_key(), "taint", DigestOf(request)),
             std::move(objects)));
  made->answer = [](const std::vector<MadeObject>& taints) {
    auto response = std::make_shared<v1::PutTaintsResponse>();
    response->set_taint_id(taints.front().uid);
    response->set_name(taints.front().name);
    response->set_event_index(taints.front().event_idx);
    return response;
  };
  return AnswerWhenRecorded(call, made);
}

}  // namespace databuild
