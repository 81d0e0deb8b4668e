#include "controller/kube/object_writer.h"

#include <nlohmann/json.hpp>

#include "controller/kube/codec.h"

namespace databuild::kube {

namespace {

using Json = nlohmann::json;

// So that writers who wait for a slow API server leave threads to readers.
constexpr int kWritesAtOnce = 4;
constexpr size_t kMaxSourceName = 253;  // of spec.source.name; the annotation holds it whole

const ResourceType& TypeOf(const NewObject& object) {
  return object.kind == NewObject::Kind::kWant ? kWants : kTaints;
}

// As the definitions have it: units h, m and s, each with at most five digits.
std::string DurationText(uint64_t seconds) {
  if (seconds <= 99'999) return std::to_string(seconds) + "s";
  return std::to_string(seconds / 3'600) + "h" + std::to_string(seconds / 60 % 60) + "m" +
         std::to_string(seconds % 60) + "s";
}

Json SpecOf(const NewObject& object) {
  Json spec{
      {"source",
       {{"type", object.source_type}, {"name", object.source_name.substr(0, kMaxSourceName)}}}};
  if (!object.partitions.empty()) spec["partitions"] = object.partitions;
  if (!object.comment.empty()) spec["comment"] = object.comment;
  if (object.kind == NewObject::Kind::kTaint) {
    if (!object.globs.empty()) spec["globs"] = object.globs;
    spec["cascade"] = object.cascade_downstream ? "Downstream" : "None";
    return spec;
  }
  if (object.data_timestamp) spec["dataTimestamp"] = FormatRfc3339(*object.data_timestamp);
  if (object.ttl_seconds > 0) spec["ttl"] = DurationText(object.ttl_seconds);
  if (object.sla_seconds > 0) spec["sla"] = DurationText(object.sla_seconds);
  if (object.priority != 0) spec["priority"] = object.priority;
  if (!object.correlation_id.empty()) spec["correlationId"] = object.correlation_id;
  return spec;
}

Result<std::string> UidIn(const std::string& body, const ObjectPath& path) {
  JsonParser parser;
  ASSIGN_OR_RETURN(const JsonView object, parser.Parse(body));
  std::string uid = object["metadata"]["uid"].Str();
  if (!uid.empty()) return uid;
  return Error{Errc::kCorrupt, "create " + path.Text() + ": the API server's answer has no uid"};
}

class Place {
 public:
  explicit Place(std::atomic<int>& in_flight)
      : in_flight_(in_flight), taken_(in_flight.fetch_add(1) < kWritesAtOnce) {}
  ~Place() { --in_flight_; }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  bool taken() const { return taken_; }

 private:
  std::atomic<int>& in_flight_;
  const bool taken_;
};

// The server's refusal is the caller's answer; what is wrong between it and the operator is not the
// caller's to mend.
Error ErrorOf(const ApiError& refused) {
  Error error = refused.ToError();
  const bool ours = error.code == Errc::kUnauthenticated || error.code == Errc::kCorrupt ||
                    error.code == Errc::kFenced || error.code == Errc::kCancelled;
  if (ours) error.code = Errc::kUnavailable;
  return error;
}

}  // namespace

std::string ObjectBody(const NewObject& object) {
  Json annotations{{kRequestAnnotation, object.request}};
  if (!object.caller.empty()) annotations[kCallerAnnotation] = object.caller;
  const Json body{{"apiVersion", ApiVersion(TypeOf(object))},
                  {"kind", std::string(TypeOf(object).kind)},
                  {"metadata",
                   {{"name", object.name},
                    {"namespace", object.graph},
                    {"annotations", std::move(annotations)}}},
                  {"spec", SpecOf(object)}};
  return body.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<std::string> ObjectWriter::Create(const NewObject& object,
                                         std::chrono::steady_clock::time_point deadline) {
  const ObjectPath collection{TypeOf(object), object.graph, "", ""};
  const Place place(in_flight_);
  if (!place.taken()) return Error{Errc::kUnavailable, "too many writes at once; try again"};
  if (std::chrono::steady_clock::now() >= deadline) {
    return Error{Errc::kDeadlineExceeded,
                 "create " + object.name +
                     ": the time for this call was over; send it again with "
                     "the same idempotency_key"};
  }
  const CallOptions call{deadline, {}};
  const ApiReply reply = client_.Create(collection, ObjectBody(object), call);
  if (reply.ok()) return UidIn(*reply, collection);
  if (!reply.failed_with(ApiFailure::kAlreadyExists)) return ErrorOf(reply.error());
  return FindMine(object, {TypeOf(object), object.graph, object.name, ""}, call);
}

// The name is a hash over caller and key: who is there has the same, but maybe another request.
Result<std::string> ObjectWriter::FindMine(const NewObject& object, const ObjectPath& path,
                                           const CallOptions& call) {
  const ApiReply reply = client_.Get(path, call);
  if (!reply.ok()) return ErrorOf(reply.error());
  JsonParser parser;
  ASSIGN_OR_RETURN(const JsonView found, parser.Parse(*reply));
  const JsonView annotations = found["metadata"]["annotations"];
  if (annotations[kRequestAnnotation].Text() == object.request &&
      annotations[kCallerAnnotation].Text() == object.caller) {
    return UidIn(*reply, path);
  }
  return Error{Errc::kAlreadyExists,
               "idempotency_key: it was used for another request, which made " + object.name +
                   "; take a new key"};
}

}  // namespace databuild::kube
