#include "controller/api/put_request.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <tuple>

#include "bel/base/crypto.h"
#include "bel/glob.h"
#include "bel/query_page.h"
#include "bel/ranges/partition_ref.h"
#include "databuild/v1/databuild.pb.h"

namespace databuild {
namespace {

// Bounds of crds/want.yaml and crds/taint.yaml.
constexpr size_t kMaxCommentCharacters = 1'024;
constexpr size_t kMaxCorrelationIdCharacters = 2'048;
constexpr int kMaxGlobs = 100;
constexpr int32_t kMaxPriority = 1'000'000;
// A duration there is ([0-9]{1,5}[hms]){1,3}.
constexpr uint64_t kMaxDurationSeconds = uint64_t{99'999} * 3'600 + 59 * 60 + 59;

size_t Characters(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

Status CheckRef(const std::string& field, const std::string& ref) {
  if (IsPartitionRef(ref)) return {};
  return FieldError(field, ref.empty() ? "the partition's ref is missing"
                                       : "not a partition ref (printable ASCII, at most 1,024 "
                                         "bytes): " +
                                             ref);
}

Status CheckLength(const char* field, const std::string& text, size_t most) {
  const size_t length = Characters(text);
  if (length <= most) return {};
  return FieldError(
      field, "at most " + std::to_string(most) + " characters, it has " + std::to_string(length));
}

Status CheckSeconds(const std::string& field, uint64_t seconds) {
  if (seconds <= kMaxDurationSeconds) return {};
  return FieldError(field, "at most " + std::to_string(kMaxDurationSeconds) + " seconds, got " +
                               std::to_string(seconds));
}

Result<std::string> SourceType(const char* field, int code) {
  switch (code) {
    case v1::CLI_MANUAL:
      return std::string("CliManual");
    case v1::DASHBOARD_MANUAL:
      return std::string("DashboardManual");
    case v1::SCHEDULED:
      return std::string("Scheduled");
    case v1::API_REQUEST:
      return std::string("ApiRequest");
    default:
      return FieldError(field, std::to_string(code) + " is no way of asking that is known");
  }
}

// 0: not given.
Result<TimeNs> DataTimestamp(const std::string& entry, const v1::IndividualWantRequest& want) {
  const uint64_t given = want.data_timestamp(), misspelt = want.date_timestamp();
  if (given != 0 && misspelt != 0 && given != misspelt) {
    return FieldError(entry + ".date_timestamp",
                      "data_timestamp, which it is an old name of, says something else");
  }
  if (given == 0) return TimeField(entry + ".date_timestamp", misspelt);
  return TimeField(entry + ".data_timestamp", given);
}

// What entries must agree on to share an object.
using Settings = std::tuple<TimeNs, uint64_t, uint64_t, int32_t, std::string>;

Result<Settings> SettingsOf(const std::string& entry, const v1::IndividualWantRequest& want) {
  ASSIGN_OR_RETURN(const TimeNs time, DataTimestamp(entry, want));
  RETURN_IF_ERROR(CheckSeconds(entry + ".ttl_seconds", want.ttl_seconds()));
  RETURN_IF_ERROR(CheckSeconds(entry + ".sla_seconds", want.sla_seconds()));
  if (want.priority() < -kMaxPriority || want.priority() > kMaxPriority) {
    return FieldError(entry + ".priority",
                      "-1,000,000 to 1,000,000, got " + std::to_string(want.priority()));
  }
  const std::string correlation = entry + ".correlation_id";
  RETURN_IF_ERROR(
      CheckLength(correlation.c_str(), want.correlation_id(), kMaxCorrelationIdCharacters));
  return Settings{time, want.ttl_seconds(), want.sla_seconds(), want.priority(),
                  want.correlation_id()};
}

// Entries become objects in the order in which their settings are first seen.
class Grouping {
 public:
  explicit Grouping(NewObject common) : common_(std::move(common)) {}

  Status Add(const std::string& entry, const v1::IndividualWantRequest& want) {
    const std::string& ref = want.ref().str();
    RETURN_IF_ERROR(CheckRef(entry + ".ref", ref));
    ASSIGN_OR_RETURN(const Settings settings, SettingsOf(entry, want));
    Group& group = groups_[settings];
    if (!group.refs.insert(ref).second) {
      return FieldError(entry + ".ref", "named twice with the same settings: " + ref);
    }
    if (group.objects.empty() || !Fits(group, ref)) {
      if (made_.objects.size() == kMaxPutObjects) {
        return FieldError("wants", "they need more than " + std::to_string(kMaxPutObjects) +
                                       " objects, one for each " + std::to_string(kMaxObjectRefs) +
                                       " refs with the same settings; send fewer at a time");
      }
      Open(settings, group);
    }
    made_.objects[group.objects.back()].partitions.push_back(ref);
    group.bytes += ref.size();
    made_.object_of.push_back(group.objects.back());
    return {};
  }

  WantObjects Take() { return std::move(made_); }

 private:
  struct Group {
    std::set<std::string> refs;
    std::vector<size_t> objects;
    size_t bytes = 0;  // of refs in the last of them
  };

  bool Fits(const Group& group, const std::string& ref) const {
    return made_.objects[group.objects.back()].partitions.size() < kMaxObjectRefs &&
           group.bytes + ref.size() <= kMaxObjectBytes;
  }

  void Open(const Settings& settings, Group& group) {
    group.objects.push_back(made_.objects.size());
    group.bytes = 0;
    NewObject& object = made_.objects.emplace_back(common_);
    const auto& [time, ttl, sla, priority, correlation_id] = settings;
    if (time != 0) object.data_timestamp = time;
    object.ttl_seconds = ttl;
    object.sla_seconds = sla;
    object.priority = priority;
    object.correlation_id = correlation_id;
  }

  const NewObject common_;
  std::map<Settings, Group> groups_;
  WantObjects made_;
};

Status CheckKey(const std::string& key) {
  return CheckLength("idempotency_key", key, kMaxCommentCharacters);
}

std::string Deterministic(const google::protobuf::Message& message) {
  // Without map fields the order of the bytes is the order of the fields.
  return Sha256Hex(message.GetTypeName() + "\n" + message.SerializeAsString());
}

// A text that cannot run into the next one.
std::string Framed(std::string_view text) {
  return std::to_string(text.size()) + ":" + std::string(text);
}

}  // namespace

Result<WantObjects> ObjectsOf(const v1::PutWantsRequest& request) {
  if (request.wants().empty()) return FieldError("wants", "it is empty; name a partition");
  if (static_cast<size_t>(request.wants_size()) > kMaxPutWants) {
    return FieldError("wants", "at most " + std::to_string(kMaxPutWants) + ", got " +
                                   std::to_string(request.wants_size()));
  }
  RETURN_IF_ERROR(CheckLength("comment", request.comment(), kMaxCommentCharacters));
  RETURN_IF_ERROR(CheckKey(request.idempotency_key()));
  NewObject common;
  common.kind = NewObject::Kind::kWant;
  common.comment = request.comment();
  const int code = request.has_source() ? request.source().source_type().code() : v1::API_REQUEST;
  ASSIGN_OR_RETURN(common.source_type, SourceType("source.source_type.code", code));
  Grouping grouping(std::move(common));
  for (int i = 0; i < request.wants_size(); ++i) {
    RETURN_IF_ERROR(grouping.Add("wants[" + std::to_string(i) + "]", request.wants(i)));
  }
  return grouping.Take();
}

Result<NewObject> ObjectOf(const v1::PutTaintsRequest& request) {
  if (request.refs().empty() && request.globs().empty()) {
    return FieldError("refs", "name what is bad here or in globs");
  }
  if (static_cast<size_t>(request.refs_size()) > kMaxObjectRefs) {
    return FieldError("refs", "at most " + std::to_string(kMaxObjectRefs) + ", got " +
                                  std::to_string(request.refs_size()));
  }
  if (request.globs_size() > kMaxGlobs) {
    return FieldError("globs", "at most " + std::to_string(kMaxGlobs) + ", got " +
                                   std::to_string(request.globs_size()));
  }
  RETURN_IF_ERROR(CheckLength("comment", request.comment(), kMaxCommentCharacters));
  RETURN_IF_ERROR(CheckKey(request.idempotency_key()));
  NewObject taint;
  taint.kind = NewObject::Kind::kTaint;
  taint.comment = request.comment();
  if (!v1::TaintCascade_IsValid(request.cascade())) {
    return FieldError("cascade", std::to_string(request.cascade()) + " is none that is known");
  }
  taint.cascade_downstream = request.cascade() == v1::CASCADE_DOWNSTREAM;
  const int code = request.has_source() ? request.source().code() : v1::API_REQUEST;
  ASSIGN_OR_RETURN(taint.source_type, SourceType("source.code", code));
  std::set<std::string> seen;
  size_t bytes = 0;
  for (int i = 0; i < request.refs_size(); ++i) {
    const std::string field = "refs[" + std::to_string(i) + "]";
    const std::string& ref = request.refs(i).str();
    RETURN_IF_ERROR(CheckRef(field, ref));
    if (!seen.insert(ref).second) return FieldError(field, "named twice: " + ref);
    bytes += ref.size();
    taint.partitions.push_back(ref);
  }
  if (bytes > kMaxObjectBytes) {
    return FieldError("refs", "over 512 KiB of refs; use globs or several calls");
  }
  seen.clear();
  for (int i = 0; i < request.globs_size(); ++i) {
    const std::string field = "globs[" + std::to_string(i) + "]";
    const Result<Glob> glob = Glob::Compile(request.globs(i));
    if (!glob.ok()) return FieldError(field, glob.error().message);
    if (!seen.insert(request.globs(i)).second)
      return FieldError(field, "named twice: " + request.globs(i));
    taint.globs.push_back(request.globs(i));
  }
  return taint;
}

std::string DigestOf(const v1::PutWantsRequest& request) {
  v1::PutWantsRequest told = request;
  told.clear_graph();
  told.clear_idempotency_key();
  if (told.has_source()) told.mutable_source()->clear_name();
  return Deterministic(told);
}

std::string DigestOf(const v1::PutTaintsRequest& request) {
  v1::PutTaintsRequest told = request;
  told.clear_graph();
  told.clear_idempotency_key();
  return Deterministic(told);
}

std::string ObjectName(const ObjectNaming& naming, size_t ordinal) {
  static constexpr size_t kDigits = 40;  // 160 bits
  return "api-" + Sha256Hex(Framed(naming.caller) + Framed(naming.key) + Framed(naming.kind) +
                            std::to_string(ordinal))
                      .substr(0, kDigits);
}

}  // namespace databuild
