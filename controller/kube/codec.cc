#include "controller/kube/codec.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "bel/base/crypto.h"

namespace databuild::kube {

namespace {

// The first thing that is wrong with an object wins: one clear reason.
class Problems {
 public:
  void Add(const std::string& text) {
    if (first_.empty()) first_ = text;
  }
  const std::string& first() const { return first_; }

 private:
  std::string first_;
};

ObjectMeta DecodeMeta(const JsonView& meta) {
  ObjectMeta out;
  out.name = meta["name"].Str();
  out.uid = meta["uid"].Str();
  out.resource_version = meta["resourceVersion"].Str();
  out.generation = meta["generation"].Int().value_or(0);
  out.created_at = TimeOf(meta["creationTimestamp"]);
  out.deleting = meta["deletionTimestamp"].exists();
  out.retry_token = meta["annotations"][kRetryAnnotation].Str();
  return out;
}

std::vector<std::string> Strings(const JsonView& list, const char* field, Problems& problems) {
  std::vector<std::string> out;
  if (list.exists() && !list.is_array()) problems.Add(std::string(field) + " is not a list");
  list.ForEachItem([&](const JsonView& item) {
    if (!item.is_string()) problems.Add(std::string(field) + " has an entry that is no string");
    out.push_back(item.Str());
  });
  return out;
}

std::optional<DurationNs> Duration(const JsonView& value, const char* field, Problems& problems) {
  if (!value.exists()) return std::nullopt;
  auto parsed = ParseDuration(value.Str());
  if (parsed.ok()) return *parsed;
  problems.Add(std::string(field) + ": " + parsed.error().message);
  return std::nullopt;
}

template <typename T>
T Number(const JsonView& value, T fallback, const char* field, Problems& problems) {
  if (!value.exists()) return fallback;
  auto number = value.Int();
  if (!number || *number < std::numeric_limits<T>::min() ||
      *number > std::numeric_limits<T>::max()) {
    problems.Add(std::string(field) + " is not a number in range");
    return fallback;
  }
  return static_cast<T>(*number);
}

SourceClaim DecodeSource(const JsonView& object) {
  const JsonView source = object["spec"]["source"];
  return {source["type"].Str(), source["name"].Str(),
          object["metadata"]["annotations"][kCallerAnnotation].Str()};
}

std::vector<RangeSpec> DecodeRanges(const JsonView& list, Problems& problems) {
  std::vector<RangeSpec> out;
  if (list.exists() && !list.is_array()) problems.Add("spec.ranges is not a list");
  list.ForEachItem([&](const JsonView& item) {
    RangeSpec range;
    range.ref = item["ref"].Str();
    if (range.ref.empty()) problems.Add("an entry of spec.ranges has no ref");
    item["captures"].ForEachField([&](std::string_view name, const JsonView& capture) {
      RangeCapture spec;
      spec.name = std::string(name);
      spec.from = capture["from"].Str();
      spec.to = capture["to"].Str();
      spec.step = capture["step"].Str();
      spec.values = Strings(capture["values"], "spec.ranges[].captures[].values", problems);
      range.captures.push_back(std::move(spec));
    });
    out.push_back(std::move(range));
  });
  return out;
}

// Key order and white space of the JSON must not make a difference.
std::string CanonicalDigest(const JsonView& value) {
  auto parsed = nlohmann::json::parse(value.Json(), nullptr, false);
  return Sha256Hex(parsed.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

RetrySpec DecodeRetry(const JsonView& retry, Problems& problems) {
  RetrySpec out;
  out.limit = Number<uint32_t>(retry["limit"], out.limit, "spec.retry.limit", problems);
  out.backoff = Duration(retry["backoff"], "spec.retry.backoff", problems).value_or(out.backoff);
  out.max_backoff =
      Duration(retry["maxBackoff"], "spec.retry.maxBackoff", problems).value_or(out.max_backoff);
  out.infrastructure_limit =
      Number<uint32_t>(retry["infrastructureLimit"], out.infrastructure_limit,
                       "spec.retry.infrastructureLimit", problems);
  return out;
}

void DecodeInputs(const JsonView& list, ObservedDataJob& out, Problems& problems) {
  list.ForEachItem([&](const JsonView& item) {
    std::string_view type = item["type"].Text("Materialize");
    if (type != "Materialize" && type != "Query")
      problems.Add("spec.inputs[].type is neither Materialize nor Query");
    if (!item["partition"].is_string()) problems.Add("an entry of spec.inputs has no partition");
    out.inputs.push_back({item["partition"].Str(), type != "Query"});
  });
}

}  // namespace

const ResourceType& TypeOf(ObjectKind kind) {
  switch (kind) {
    case ObjectKind::kTaint:
      return kTaints;
    case ObjectKind::kDataJob:
      return kDataJobs;
    case ObjectKind::kWant:
      break;
  }
  return kWants;
}

TimeNs TimeOf(const JsonView& text) {
  if (!text.is_string()) return 0;
  auto parsed = ParseRfc3339(text.Str());
  return parsed.ok() ? *parsed : 0;
}

ObservedWant DecodeWant(const JsonView& object) {
  Problems problems;
  ObservedWant want;
  want.meta = DecodeMeta(object["metadata"]);
  JsonView spec = object["spec"];
  if (!spec.is_object()) problems.Add("spec is missing");
  want.partitions = Strings(spec["partitions"], "spec.partitions", problems);
  want.ranges = DecodeRanges(spec["ranges"], problems);
  if (JsonView time = spec["dataTimestamp"]; time.exists()) {
    auto parsed = ParseRfc3339(time.Str());
    if (parsed.ok()) {
      want.data_timestamp = *parsed;
    } else {
      problems.Add("spec.dataTimestamp: " + parsed.error().message);
    }
  }
  want.ttl = Duration(spec["ttl"], "spec.ttl", problems);
  want.sla = Duration(spec["sla"], "spec.sla", problems);
  want.delete_after = Duration(spec["deleteAfter"], "spec.deleteAfter", problems);
  want.priority = Number<int32_t>(spec["priority"], 0, "spec.priority", problems);
  want.suspend = spec["suspend"].Bool();
  want.source = DecodeSource(object);
  want.comment = spec["comment"].Str();
  want.correlation_id = spec["correlationId"].Str();
  want.error = problems.first();
  return want;
}

ObservedTaint DecodeTaint(const JsonView& object) {
  Problems problems;
  ObservedTaint taint;
  taint.meta = DecodeMeta(object["metadata"]);
  JsonView spec = object["spec"];
  if (!spec.is_object()) problems.Add("spec is missing");
  taint.partitions = Strings(spec["partitions"], "spec.partitions", problems);
  taint.globs = Strings(spec["globs"], "spec.globs", problems);
  std::string_view cascade = spec["cascade"].Text("None");
  if (cascade != "None" && cascade != "Downstream")
    problems.Add("spec.cascade is neither None nor Downstream");
  taint.cascade_downstream = cascade == "Downstream";
  taint.source = DecodeSource(object);
  taint.comment = spec["comment"].Str();
  taint.error = problems.first();
  return taint;
}

ObservedDataJob DecodeDataJob(const JsonView& object) {
  Problems problems;
  ObservedDataJob job;
  job.meta = DecodeMeta(object["metadata"]);
  JsonView spec = object["spec"];
  if (!spec.is_object()) problems.Add("spec is missing");
  job.label = spec["label"].Str();
  if (job.label.empty()) job.label = job.meta.name;
  job.outputs = Strings(spec["outputs"], "spec.outputs", problems);
  DecodeInputs(spec["inputs"], job, problems);
  job.args = Strings(spec["args"], "spec.args", problems);
  spec["env"].ForEachField([&](std::string_view name, const JsonView& value) {
    if (!value.is_string()) problems.Add("spec.env has a value that is no string");
    job.env.emplace(std::string(name), value.Str());
  });
  job.configure_container = spec["configure"].Text() == "Container";
  JsonView batching = spec["batching"];
  job.batch_max =
      Number<uint32_t>(batching["maxPartitions"], 1, "spec.batching.maxPartitions", problems);
  job.batch_by = Strings(batching["by"], "spec.batching.by", problems);
  job.retry = DecodeRetry(spec["retry"], problems);
  job.timeout = Duration(spec["timeout"], "spec.timeout", problems).value_or(job.timeout);
  job.max_concurrent_runs =
      Number<uint32_t>(spec["maxConcurrentRuns"], 0, "spec.maxConcurrentRuns", problems);
  job.suspend = spec["suspend"].Bool();
  job.on_node_lost_retry = spec["onNodeLost"].Text() == "Retry";
  if (!spec["template"].is_object()) problems.Add("spec.template is missing");
  job.template_json = spec["template"].Json();
  job.spec_digest = spec.exists() ? CanonicalDigest(spec) : std::string();
  job.error = problems.first();
  return job;
}

ObservedJob DecodeJob(const JsonView& object) {
  ObservedJob job;
  JsonView meta = object["metadata"];
  JsonView status = object["status"];
  job.name = meta["name"].Str();
  job.uid = meta["uid"].Str();
  job.resource_version = meta["resourceVersion"].Str();
  job.run_id = meta["annotations"][kRunIdAnnotation].Str();
  job.log_id = meta["annotations"][kLogIdAnnotation].Str();
  job.deleting = meta["deletionTimestamp"].exists();
  job.created_at = TimeOf(meta["creationTimestamp"]);
  job.started_at = TimeOf(status["startTime"]);
  job.finished_at = TimeOf(status["completionTime"]);
  if (status["active"].Int().value_or(0) > 0) job.phase = JobPhase::kActive;
  status["conditions"].ForEachItem([&](const JsonView& condition) {
    if (condition["status"].Text() != "True") return;
    std::string_view type = condition["type"].Text();
    // Interim conditions (FailureTarget, SuccessCriteriaMet) do not end a Job: its pod may still
    // run.
    if (type == "Complete") job.phase = JobPhase::kComplete;
    if (type == "Failed") {
      job.phase = JobPhase::kFailed;
      job.failed_reason = condition["reason"].Str();
      job.failed_message = condition["message"].Str();
      job.finished_at = TimeOf(condition["lastTransitionTime"]);
    }
  });
  return job;
}

DecodedNode DecodeNode(const JsonView& object) {
  DecodedNode node;
  object["status"]["conditions"].ForEachItem([&](const JsonView& condition) {
    if (condition["type"].Text() != "Ready") return;
    node.ready = condition["status"].Text() == "True";
    node.since = TimeOf(condition["lastTransitionTime"]);
  });
  return node;
}

}  // namespace databuild::kube
