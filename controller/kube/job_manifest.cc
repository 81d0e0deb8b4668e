#include "controller/kube/job_manifest.h"

#include <openssl/evp.h>
#include <zstd.h>

#include <nlohmann/json.hpp>

#include "bel/base/crypto.h"
#include "controller/kube/codec.h"
#include "wrapper/protocol.h"

namespace databuild::kube {

namespace {

using Json = nlohmann::json;

constexpr size_t kJobNameMax = 52;
constexpr size_t kHashChars = 16;
constexpr int kUserId = 65532;
constexpr int kSpecCompression = 3;
constexpr char kBinVolume[] = "databuild-bin";
constexpr char kWorkVolume[] = "databuild-work";
constexpr char kInstallContainer[] = "databuild-install";
constexpr char kImageBinary[] = "/databuild-exec";

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

int64_t WholeSeconds(DurationNs duration) { return (duration + kSecond - 1) / kSecond; }

std::string Base64(const std::string& bytes) {
  std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                             reinterpret_cast<const unsigned char*>(bytes.data()),
                             static_cast<int>(bytes.size()));
  out.resize(static_cast<size_t>(size));
  return out;
}

// Sets a field only where the template says nothing.
void Default(Json& object, const char* key, Json value) {
  if (!object.contains(key) || object[key].is_null()) object[key] = std::move(value);
}

Json& Child(Json& object, const char* key) {
  if (!object.contains(key) || !object[key].is_object()) object[key] = Json::object();
  return object[key];
}

Json RefList(const std::vector<std::pair<std::string, std::string>>& refs) {
  Json list = Json::array();
  for (const auto& [ref, instance] : refs) list.push_back(ref);
  return list;
}

Json InstanceMap(const std::vector<std::pair<std::string, std::string>>& refs) {
  Json map = Json::object();
  for (const auto& [ref, instance] : refs) map[ref] = instance;
  return map;
}

Json RunSpec(const CreateJob& run, int64_t grace_seconds, size_t containers) {
  Json spec;
  spec[exec::kSpecVersionKey] = exec::kSpecVersion;
  spec[exec::kSpecJobRunId] = run.run_id;
  spec[exec::kSpecJobLabel] = run.job_label;
  spec[exec::kSpecMode] = run.configure ? exec::kModeConfigure : exec::kModeRun;
  // Asked how they are made, it makes none: they stand in the arguments.
  spec[exec::kSpecOutputs] = run.configure ? Json::array() : RefList(run.outputs);
  spec[exec::kSpecInputs] = RefList(run.inputs);
  spec[exec::kSpecOutputInstances] = run.configure ? Json::object() : InstanceMap(run.outputs);
  spec[exec::kSpecInputInstances] = InstanceMap(run.inputs);
  spec[exec::kSpecArgs] = run.args;
  spec[exec::kSpecEnv] = run.env;
  spec[exec::kSpecTimeoutSeconds] = WholeSeconds(run.definition->timeout);
  spec[exec::kSpecGraceSeconds] = grace_seconds;
  spec[exec::kSpecHeartbeatSeconds] = exec::kDefaultHeartbeatSeconds;
  spec[exec::kSpecOutputBoundBytes] = exec::kDefaultOutputBoundBytes;
  spec[exec::kSpecReceiptBytes] =
      std::min(exec::kReceiptBytesMax, exec::kReceiptBytesMaxOfPod / containers);
  return spec;
}

// The spec as environment variables. A JSON array of {name, value}.
Result<Json> SpecEnv(const Json& spec) {
  std::string text = Dump(spec);
  std::string packed(ZSTD_compressBound(text.size()), '\0');
  size_t size =
      ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), kSpecCompression);
  if (ZSTD_isError(size) != 0 || text.size() > exec::kSpecDecodedBytesMax) {
    return Error{Errc::kTooLarge, "the run's inputs, outputs and arguments take " +
                                      std::to_string(text.size()) + " bytes: make the run smaller"};
  }
  packed.resize(size);
  std::string encoded = Base64(packed);
  if (encoded.size() > exec::kSpecEncodedBytesMax) {
    return Error{Errc::kTooLarge,
                 "the run's inputs, outputs and arguments take " + std::to_string(encoded.size()) +
                     " bytes packed, at most " + std::to_string(exec::kSpecEncodedBytesMax) +
                     " fit into a pod: lower spec.batching.maxPartitions or name fewer inputs"};
  }
  Json env = Json::array();
  size_t chunks = 0;
  for (size_t at = 0; at < encoded.size(); at += exec::kSpecChunkBytes, ++chunks) {
    env.push_back({{"name", exec::kSpecChunkEnvPrefix + std::to_string(chunks)},
                   {"value", encoded.substr(at, exec::kSpecChunkBytes)}});
  }
  env.push_back({{"name", exec::kSpecChunksEnv}, {"value", std::to_string(chunks)}});
  return env;
}

Error Unusable(const CreateJob& run, const std::string& what) {
  return {Errc::kInvalidArgument,
          "spec.template of DataJob " + run.definition->meta.name + ": " + what};
}

void SecureContainer(Json& container) {
  Json& security = Child(container, "securityContext");
  Default(security, "allowPrivilegeEscalation", false);
  Json& capabilities = Child(security, "capabilities");
  Default(capabilities, "drop", Json::array({"ALL"}));
}

void SecurePod(Json& spec) {
  Json& security = Child(spec, "securityContext");
  Default(security, "runAsNonRoot", true);
  Default(security, "runAsUser", kUserId);
  Default(security, "runAsGroup", kUserId);
  Default(security, "fsGroup", kUserId);
  Default(security, "seccompProfile", {{"type", "RuntimeDefault"}});
  for (const char* list : {"containers", "initContainers"}) {
    if (!spec.contains(list)) continue;
    for (Json& container : spec[list]) SecureContainer(container);
  }
  spec["automountServiceAccountToken"] = false;
  spec["enableServiceLinks"] = false;
  spec["restartPolicy"] = "Never";
}

Json InstallContainer(const JobSettings& settings) {
  return {{"name", kInstallContainer},
          {"image", settings.wrapper_image},
          {"imagePullPolicy", settings.wrapper_pull_policy},
          {"command", {kImageBinary, "install", exec::kBinaryPath}},
          {"resources",
           {{"requests", {{"cpu", "10m"}, {"memory", "16Mi"}}},
            {"limits", {{"cpu", "500m"}, {"memory", "64Mi"}}}}},
          {"volumeMounts", {{{"name", kBinVolume}, {"mountPath", exec::kBinaryDir}}}}};
}

void Append(Json& object, const char* key, Json value) {
  if (!object.contains(key) || !object[key].is_array()) object[key] = Json::array();
  object[key].push_back(std::move(value));
}

Json* FindJobContainer(Json& spec) {
  if (!spec.contains("containers") || !spec["containers"].is_array()) return nullptr;
  for (Json& container : spec["containers"]) {
    if (container.is_object() && container.value("name", Json()) == kJobContainer)
      return &container;
  }
  return nullptr;
}

size_t CountOf(const Json& spec, const char* list) {
  return spec.contains(list) && spec[list].is_array() ? spec[list].size() : 0;
}

// databuild-exec becomes PID 1 of container `job` and starts the template's own command line.
Status WrapCommand(Json& container, const CreateJob& run) {
  if (!container.contains("command") || !container["command"].is_array() ||
      container["command"].empty()) {
    return Unusable(run, "container job has no command");
  }
  Json command = {exec::kBinaryPath, "run", "--"};
  for (const Json& word : container["command"]) command.push_back(word);
  if (container.contains("args") && container["args"].is_array()) {
    for (const Json& word : container["args"]) command.push_back(word);
  }
  container.erase("args");
  container["command"] = std::move(command);
  Append(container, "volumeMounts",
         {{"name", kBinVolume}, {"mountPath", exec::kBinaryDir}, {"readOnly", true}});
  Append(container, "volumeMounts", {{"name", kWorkVolume}, {"mountPath", exec::kWorkDir}});
  return {};
}

Status CompletePodSpec(Json& spec, const CreateJob& run, const JobSettings& settings) {
  if (!spec.is_object()) return Unusable(run, "spec is missing");
  for (const std::string key : {"serviceAccountName", "serviceAccount"}) {
    // The old name of the field is not what the policy reads.
    if (settings.service_accounts && key == "serviceAccountName") continue;
    if (spec.contains(key) && !spec[key].is_null() && spec[key] != "")
      return Unusable(run, key + " is refused: runs get no service account of their choice");
  }
  Json* container = FindJobContainer(spec);
  if (container == nullptr) return Unusable(run, "there is no container named job");
  int64_t grace = exec::kDefaultGraceSeconds;
  if (spec.contains("terminationGracePeriodSeconds") &&
      spec["terminationGracePeriodSeconds"].is_number_integer()) {
    grace = std::max<int64_t>(spec["terminationGracePeriodSeconds"].get<int64_t>(), 1);
  }
  spec["terminationGracePeriodSeconds"] = grace + exec::kWrapUpSeconds;
  size_t containers = CountOf(spec, "containers") + CountOf(spec, "initContainers") + 1;
  ASSIGN_OR_RETURN(Json env, SpecEnv(RunSpec(run, grace, containers)));
  RETURN_IF_ERROR(WrapCommand(*container, run));
  for (Json& variable : env) Append(*container, "env", std::move(variable));
  Json init = Json::array({InstallContainer(settings)});
  if (CountOf(spec, "initContainers") > 0) {
    for (Json& own : spec["initContainers"]) init.push_back(std::move(own));
  }
  spec["initContainers"] = std::move(init);
  Append(spec, "volumes", {{"name", kBinVolume}, {"emptyDir", {{"sizeLimit", "64Mi"}}}});
  Append(spec, "volumes", {{"name", kWorkVolume}, {"emptyDir", {{"sizeLimit", "256Mi"}}}});
  SecurePod(spec);
  return {};
}

void Mark(Json& metadata, const std::string& graph, const CreateJob& run) {
  Json& labels = Child(metadata, "labels");
  labels[kGraphHashLabel] = GraphLabelHash(graph);
  labels[kJobLabel] = run.definition->meta.name;
  labels[kRunLabel] = run.run_id;
  Json& annotations = Child(metadata, "annotations");
  annotations[kRunIdAnnotation] = run.run_id;
  annotations[kLogIdAnnotation] = run.log_id;
  annotations[kJobLabelAnnotation] = run.job_label;
  annotations[kAttemptAnnotation] = std::to_string(run.attempt);
}

}  // namespace

std::string JobName(const std::string& datajob_name, const std::string& run_id) {
  std::string name = datajob_name.substr(0, kJobNameMax - 1 - kHashChars);
  for (char& c : name) {
    if (c == '.') c = '-';
  }
  while (name.ends_with("-")) name.pop_back();
  return name + "-" + Sha256Hex(run_id).substr(0, kHashChars);
}

std::string GraphLabelHash(const std::string& graph) {
  return Sha256Hex(graph).substr(0, kHashChars);
}

Result<std::string> BuildJob(const std::string& graph, const CreateJob& run,
                             const JobSettings& settings) {
  CHECK(run.definition != nullptr);
  Json pod = Json::parse(run.definition->template_json, nullptr, false);
  if (pod.is_discarded() || !pod.is_object() || !pod.contains("spec"))
    return Unusable(run, "it is not a pod template");
  RETURN_IF_ERROR(CompletePodSpec(pod["spec"], run, settings));
  Mark(Child(pod, "metadata"), graph, run);

  Json job{{"apiVersion", "batch/v1"}, {"kind", "Job"}};
  job["metadata"] = {{"name", JobName(run.definition->meta.name, run.run_id)},
                     {"namespace", graph}};
  Mark(job["metadata"], graph, run);
  Json& spec = job["spec"];
  spec["backoffLimit"] = 0;
  spec["podReplacementPolicy"] = "Failed";
  spec["completions"] = 1;
  spec["parallelism"] = 1;
  spec["ttlSecondsAfterFinished"] = WholeSeconds(settings.finished_ttl);
  spec["activeDeadlineSeconds"] =
      WholeSeconds(run.definition->timeout) + WholeSeconds(settings.start_allowance);
  spec["template"] = std::move(pod);
  return Dump(job);
}

Result<std::string> PodOfJob(const std::string& job_json) {
  Json job = Json::parse(job_json, nullptr, false);
  if (job.is_discarded() || !job.is_object() || !job.contains("spec") ||
      !job["spec"].contains("template")) {
    return Error{Errc::kInvalidArgument, "cannot make a pod of a Job without a template"};
  }
  Json pod{{"apiVersion", "v1"}, {"kind", "Pod"}};
  const Json& pod_template = job["spec"]["template"];
  if (pod_template.contains("metadata")) pod["metadata"] = pod_template["metadata"];
  pod["metadata"]["name"] = job["metadata"]["name"];
  pod["metadata"]["namespace"] = job["metadata"]["namespace"];
  pod["spec"] = pod_template["spec"];
  return Dump(pod);
}

CreateJob ExampleRun(std::shared_ptr<const ObservedDataJob> definition) {
  CreateJob run;
  run.run_id = "00000000-0000-0000-0000-000000000000";
  run.log_id = run.run_id;
  run.job_label = definition->label;
  run.definition = std::move(definition);
  return run;
}

}  // namespace databuild::kube
