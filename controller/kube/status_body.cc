#include "controller/kube/status_body.h"

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>

namespace databuild::kube {

namespace {

using Json = nlohmann::json;

constexpr size_t kDetailsMax = 20;
constexpr size_t kDetailMessageBytes = 256;
constexpr size_t kConditionMessageBytes = 4096;  // keeps a status under 32 KiB

// Cuts between characters, not inside one.
std::string Cut(const std::string& text, size_t bytes) {
  if (text.size() <= bytes) return text;
  size_t end = bytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

uint64_t Hash(const Json& json) { return std::hash<std::string>{}(Dump(json)); }

// Absent, null, "" and [] mean the same, as do all times of transition.
void Normalize(Json& value) {
  if (!value.is_structured()) return;
  if (value.is_array()) {
    for (Json& item : value) Normalize(item);
    return;
  }
  value.erase("lastTransitionTime");
  for (auto it = value.begin(); it != value.end();) {
    Normalize(*it);
    bool empty = it->is_null() || (it->is_string() && it->get_ref<std::string&>().empty()) ||
                 (it->is_array() && it->empty());
    it = empty ? value.erase(it) : std::next(it);
  }
}

StatusShadow Shadow(Json status) {
  StatusShadow shadow;
  Json outline{{"generation", status.value("observedGeneration", Json())}};
  if (status.contains("conditions") && status["conditions"].is_array()) {
    for (const Json& condition : status["conditions"]) {
      if (!condition.is_object()) continue;
      auto text = [&](const char* key) {
        auto found = condition.find(key);
        return found != condition.end() && found->is_string() ? found->get<std::string>()
                                                              : std::string();
      };
      outline["conditions"].push_back({text("type"), text("status"), text("reason")});
      shadow.since.push_back({text("type"), text("status"), text("lastTransitionTime")});
    }
  }
  shadow.conditions = Hash(outline);
  Normalize(status);
  shadow.digest = Hash(status);
  return shadow;
}

// metav1.Time has whole seconds.
std::string WholeSecond(TimeNs now) { return FormatRfc3339(now - now % kSecond); }

Json Conditions(const std::vector<Condition>& conditions, int64_t generation,
                const StatusShadow& before, TimeNs now) {
  Json list = Json::array();
  for (const Condition& condition : conditions) {
    auto kept = std::find_if(before.since.begin(), before.since.end(), [&](const auto& known) {
      return known.type == condition.type && known.status == condition.status &&
             !known.time.empty();
    });
    list.push_back(
        {{"type", condition.type},
         {"status", condition.status},
         {"reason", condition.reason.empty() ? "Unknown" : condition.reason},
         {"message", Cut(condition.message, kConditionMessageBytes)},
         {"observedGeneration", generation},
         {"lastTransitionTime", kept == before.since.end() ? WholeSecond(now) : kept->time}});
  }
  return list;
}

Json Details(const std::vector<StatusDetail>& details) {
  Json list = Json::array();
  for (const StatusDetail& detail : details) {
    if (list.size() == kDetailsMax) break;
    Json item{{"ref", detail.ref},
              {"state", detail.state},
              {"reason", detail.reason},
              {"message", Cut(detail.message, kDetailMessageBytes)}};
    if (!detail.job_run_id.empty()) item["jobRunId"] = detail.job_run_id;
    list.push_back(std::move(item));
  }
  return list;
}

Json Fields(const WantStatus& status) {
  Json fields{{"wantId", status.want_id},
              {"partitions",
               {{"total", status.total},
                {"available", status.available},
                {"building", status.building},
                {"waiting", status.waiting},
                {"failed", status.failed},
                {"external", status.external}}},
              {"progress", status.progress},
              {"details", Details(status.details)}};
  if (!status.build_request_id.empty()) fields["buildRequestId"] = status.build_request_id;
  return fields;
}

Json Fields(const TaintStatus& status) {
  return {{"taintId", status.taint_id},
          {"partitions",
           {{"tainted", status.tainted},
            {"repaired", status.repaired},
            {"downstream", status.downstream}}},
          {"details", Details(status.details)}};
}

Json Fields(const DataJobStatus& status) {
  return {{"runs",
           {{"active", status.active},
            {"succeeded", status.succeeded},
            {"failed", status.failed},
            {"cancelled", status.cancelled}}}};
}

}  // namespace

StatusShadow ShadowOf(const JsonView& object) {
  JsonView status = object["status"];
  Json parsed = status.exists() ? Json::parse(status.Json(), nullptr, false) : Json::object();
  StatusShadow shadow = Shadow(parsed.is_object() ? std::move(parsed) : Json::object());
  shadow.resource_version = object["metadata"]["resourceVersion"].Str();
  return shadow;
}

StatusBody RenderStatus(const AnyStatus& status, const std::string& uid, const StatusShadow& before,
                        TimeNs now) {
  Json body = std::visit(
      [&](const auto& typed) {
        Json fields = Fields(typed);
        fields["observedGeneration"] = typed.observed_generation;
        fields["eventIndex"] = typed.event_index;
        fields["conditions"] = Conditions(typed.conditions, typed.observed_generation, before, now);
        return fields;
      },
      status);
  StatusBody out;
  out.shadow = Shadow(body);
  // The status endpoint ignores metadata, so only a test can hold the UID against it.
  out.patch = Dump(Json::array({{{"op", "test"}, {"path", "/metadata/uid"}, {"value", uid}},
                                {{"op", "add"}, {"path", "/status"}, {"value", std::move(body)}}}));
  return out;
}

bool VersionIsOlder(const std::string& version, const std::string& than) {
  auto is_version = [](const std::string& text) {
    return !text.empty() && text != "0" &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  };
  if (!is_version(version) || !is_version(than)) return false;
  if (version.size() != than.size()) return version.size() < than.size();
  return version < than;
}

}  // namespace databuild::kube
