#include "controller/kube/job_manifest.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <zstd.h>

#include <nlohmann/json.hpp>

#include "bel/base/crypto.h"
#include "wrapper/protocol.h"

namespace databuild::kube {
namespace {

using Json = nlohmann::json;

constexpr char kRunId[] = "5d3c0a2e-53a5-5a4e-9d8f-0c0b7a1e2f30";

CreateJob MakeRun(const std::string& template_json) {
  auto definition = std::make_shared<ObservedDataJob>();
  definition->meta.name = "revenue";
  definition->label = "//sales:revenue";
  definition->timeout = 90 * kMinute;
  definition->template_json = template_json;
  CreateJob run;
  run.run_id = kRunId;
  run.log_id = "log-1";
  run.job_label = "//sales:revenue";
  run.attempt = 2;
  run.outputs = {{"sales/revenue/date=2025-01-05", "out-1"}};
  run.inputs = {{"sales/orders/date=2025-01-05", "in-1"}};
  run.args = {"--date", "2025-01-05"};
  run.env = {{"MODE", "full"}};
  run.definition = definition;
  return run;
}

JobSettings Settings() {
  JobSettings settings;
  settings.wrapper_image = "registry.example/databuild:1";
  return settings;
}

const char kTemplate[] = R"({"metadata":{"labels":{"team":"sales"}},"spec":{"containers":[
  {"name":"job","image":"app:1","command":["python","-m","revenue"],"args":["--fast"],
   "env":[{"name":"OWN","value":"1"}],"volumeMounts":[{"name":"data","mountPath":"/data"}]},
  {"name":"proxy","image":"proxy:1"}],"volumes":[{"name":"data","emptyDir":{}}]}})";

Json Build(const CreateJob& run) {
  auto text = BuildJob("sales", run, Settings());
  EXPECT_TRUE(text.ok()) << (text.ok() ? "" : text.error().message);
  return text.ok() ? Json::parse(*text) : Json();
}

Json Unpack(const Json& env) {
  std::map<std::string, std::string> values;
  for (const Json& item : env) values[item["name"]] = item.value("value", "");
  std::string encoded;
  int chunks = std::stoi(values[exec::kSpecChunksEnv]);
  for (int i = 0; i < chunks; ++i) {
    const std::string& chunk = values[exec::kSpecChunkEnvPrefix + std::to_string(i)];
    EXPECT_LE(chunk.size(), exec::kSpecChunkBytes);
    encoded += chunk;
  }
  std::string packed(encoded.size(), '\0');
  int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(packed.data()),
                             reinterpret_cast<const unsigned char*>(encoded.data()),
                             static_cast<int>(encoded.size()));
  size -= encoded.ends_with("==") ? 2 : encoded.ends_with("=") ? 1 : 0;
  std::string text(ZSTD_getFrameContentSize(packed.data(), static_cast<size_t>(size)), '\0');
  EXPECT_EQ(ZSTD_decompress(text.data(), text.size(), packed.data(), static_cast<size_t>(size)),
            text.size());
  return Json::parse(text);
}

TEST(JobName, IsCutToFiftyTwoCharactersAndKeepsTheHash) {
  std::string hash = Sha256Hex(kRunId).substr(0, 16);
  EXPECT_EQ(JobName("revenue", kRunId), "revenue-" + hash);
  EXPECT_EQ(JobName(std::string(63, 'a'), kRunId), std::string(35, 'a') + "-" + hash);
  EXPECT_EQ(JobName(std::string(34, 'a') + "--b", kRunId), std::string(34, 'a') + "-" + hash);
  EXPECT_EQ(JobName("a.b", kRunId), "a-b-" + hash);
  EXPECT_NE(JobName("revenue", "another"), JobName("revenue", kRunId));
}

TEST(JobManifest, JobFieldsAreAsDesigned) {
  Json job = Build(MakeRun(kTemplate));
  EXPECT_EQ(job["apiVersion"], "batch/v1");
  EXPECT_EQ(job["metadata"]["namespace"], "sales");
  EXPECT_EQ(job["metadata"]["name"], JobName("revenue", kRunId));
  EXPECT_FALSE(job["metadata"].contains("ownerReferences"));
  EXPECT_EQ(job["spec"]["backoffLimit"], 0);
  EXPECT_EQ(job["spec"]["podReplacementPolicy"], "Failed");
  EXPECT_EQ(job["spec"]["ttlSecondsAfterFinished"], 7 * 24 * 3600);
  EXPECT_EQ(job["spec"]["activeDeadlineSeconds"], 90 * 60 + 600);
}

TEST(JobManifest, JobAndPodCarryTheSameMarks) {
  Json job = Build(MakeRun(kTemplate));
  for (const Json& meta : {job["metadata"], job["spec"]["template"]["metadata"]}) {
    EXPECT_EQ(meta["labels"]["databuild.dev/job"], "revenue");
    EXPECT_EQ(meta["labels"]["databuild.dev/run"], kRunId);
    EXPECT_EQ(meta["labels"]["databuild.dev/graph-label-hash"], Sha256Hex("sales").substr(0, 16));
    EXPECT_EQ(meta["annotations"]["databuild.dev/job-run-id"], kRunId);
    EXPECT_EQ(meta["annotations"]["databuild.dev/log-id"], "log-1");
    EXPECT_EQ(meta["annotations"]["databuild.dev/job-label"], "//sales:revenue");
    EXPECT_EQ(meta["annotations"]["databuild.dev/attempt"], "2");
  }
  EXPECT_EQ(job["spec"]["template"]["metadata"]["labels"]["team"], "sales");
}

TEST(JobManifest, ThePodIsRestrictedByDefault) {
  Json spec = Build(MakeRun(kTemplate))["spec"]["template"]["spec"];
  EXPECT_EQ(spec["restartPolicy"], "Never");
  EXPECT_EQ(spec["automountServiceAccountToken"], false);
  EXPECT_EQ(spec["securityContext"], Json({{"runAsNonRoot", true},
                                           {"runAsUser", 65532},
                                           {"runAsGroup", 65532},
                                           {"fsGroup", 65532},
                                           {"seccompProfile", {{"type", "RuntimeDefault"}}}}));
  for (const char* list : {"containers", "initContainers"}) {
    for (const Json& container : spec[list]) {
      EXPECT_EQ(container["securityContext"]["allowPrivilegeEscalation"], false);
      EXPECT_EQ(container["securityContext"]["capabilities"]["drop"], Json::array({"ALL"}));
    }
  }
}

TEST(JobManifest, ATemplatesOwnSecuritySettingsAreKept) {
  Json spec =
      Build(MakeRun(R"({"spec":{"securityContext":{"runAsUser":1000,"fsGroup":1000},"containers":[
    {"name":"job","image":"a","command":["x"],"securityContext":{"readOnlyRootFilesystem":true}}]}})"))
          ["spec"]["template"]["spec"];
  EXPECT_EQ(spec["securityContext"]["runAsUser"], 1000);
  EXPECT_EQ(spec["securityContext"]["fsGroup"], 1000);
  EXPECT_EQ(spec["securityContext"]["runAsNonRoot"], true);
  EXPECT_EQ(spec["containers"][0]["securityContext"]["readOnlyRootFilesystem"], true);
}

TEST(JobManifest, TheWrapperIsInstalledAndStartsTheCommand) {
  Json spec = Build(MakeRun(kTemplate))["spec"]["template"]["spec"];
  EXPECT_EQ(spec["initContainers"][0]["image"], "registry.example/databuild:1");
  EXPECT_EQ(spec["initContainers"][0]["command"],
            Json::array({"/databuild-exec", "install", exec::kBinaryPath}));
  Json job = spec["containers"][0];
  EXPECT_EQ(job["command"],
            Json::array({exec::kBinaryPath, "run", "--", "python", "-m", "revenue", "--fast"}));
  EXPECT_FALSE(job.contains("args"));
  Json mounts = job["volumeMounts"];
  EXPECT_EQ(mounts[0]["name"], "data");
  EXPECT_EQ(mounts[1]["mountPath"], exec::kBinaryDir);
  EXPECT_EQ(mounts[1]["readOnly"], true);
  EXPECT_EQ(mounts[2]["mountPath"], exec::kWorkDir);
  EXPECT_FALSE(mounts[2].contains("readOnly"));
  EXPECT_FALSE(spec["containers"][1].contains("volumeMounts"));
  EXPECT_EQ(spec["terminationGracePeriodSeconds"], 30 + exec::kWrapUpSeconds);
}

TEST(JobManifest, TheRunsSpecTravelsInTheEnvironment) {
  Json env = Build(MakeRun(kTemplate))["spec"]["template"]["spec"]["containers"][0]["env"];
  EXPECT_EQ(env[0]["name"], "OWN");
  Json spec = Unpack(env);
  EXPECT_EQ(spec["version"], 1);
  EXPECT_EQ(spec["jobRunId"], kRunId);
  EXPECT_EQ(spec["jobLabel"], "//sales:revenue");
  EXPECT_EQ(spec["mode"], "run");
  EXPECT_EQ(spec["outputs"], Json::array({"sales/revenue/date=2025-01-05"}));
  EXPECT_EQ(spec["outputInstances"]["sales/revenue/date=2025-01-05"], "out-1");
  EXPECT_EQ(spec["inputInstances"]["sales/orders/date=2025-01-05"], "in-1");
  EXPECT_EQ(spec["args"], Json::array({"--date", "2025-01-05"}));
  EXPECT_EQ(spec["env"]["MODE"], "full");
  EXPECT_EQ(spec["timeoutSeconds"], 5400);
  // Three containers, the init container included, share the pod's 12 KiB.
  EXPECT_EQ(spec["receiptBytes"], 4096);
}

// Refs that do not compress: what a run of so many inputs would need.
std::vector<std::pair<std::string, std::string>> RandomRefs(size_t count) {
  std::vector<std::pair<std::string, std::string>> refs;
  for (size_t i = 0; i < count; ++i)
    refs.emplace_back("x/" + Sha256Hex("r" + std::to_string(i)),
                      Sha256Hex("i" + std::to_string(i)));
  return refs;
}

TEST(JobManifest, ALargeSpecIsCutIntoChunks) {
  CreateJob run = MakeRun(kTemplate);
  run.inputs = RandomRefs(3000);
  Json env = Build(run)["spec"]["template"]["spec"]["containers"][0]["env"];
  EXPECT_GT(env.size(), 4u);
  EXPECT_EQ(Unpack(env)["inputs"].size(), 3000u);
}

TEST(JobManifest, ASpecThatDoesNotFitIsTooLarge) {
  CreateJob run = MakeRun(kTemplate);
  run.inputs = RandomRefs(10'000);
  auto job = BuildJob("sales", run, Settings());
  ASSERT_FALSE(job.ok());
  EXPECT_EQ(job.error().code, Errc::kTooLarge);
}

TEST(JobManifest, TemplatesThatCannotBeUsedSayWhy) {
  const struct {
    const char* name;
    const char* json;
    const char* says;
  } cases[] = {
      {"no json", "{", "not a pod template"},
      {"no spec", "{}", "not a pod template"},
      {"spec is text", R"({"spec":"x"})", "spec is missing"},
      {"no container", R"({"spec":{"containers":[]}})", "no container named job"},
      {"other container", R"({"spec":{"containers":[{"name":"x"}]}})", "no container named job"},
      {"no command", R"({"spec":{"containers":[{"name":"job","image":"a"}]}})", "no command"},
      {"empty command", R"({"spec":{"containers":[{"name":"job","command":[]}]}})", "no command"},
      {"account",
       R"({"spec":{"serviceAccountName":"admin","containers":[{"name":"job","command":["x"]}]}})",
       "serviceAccountName is refused"},
      {"old account",
       R"({"spec":{"serviceAccount":"admin","containers":[{"name":"job","command":["x"]}]}})",
       "serviceAccount is refused"},
  };
  for (const auto& bad : cases) {
    auto job = BuildJob("sales", MakeRun(bad.json), Settings());
    ASSERT_FALSE(job.ok()) << bad.name;
    EXPECT_EQ(job.error().code, Errc::kInvalidArgument) << bad.name;
    EXPECT_NE(job.error().message.find(bad.says), std::string::npos) << job.error().message;
  }
}

TEST(JobManifest, AServiceAccountIsTakenOnlyWhereAPolicyJudgesIt) {
  const auto with = [](const char* key) {
    return std::string(R"({"spec":{")") + key +
           R"(":"robot","containers":[{"name":"job","command":["x"]}]}})";
  };
  JobSettings settings = Settings();
  EXPECT_FALSE(BuildJob("sales", MakeRun(with("serviceAccountName").c_str()), settings).ok());
  settings.service_accounts = true;
  auto job = BuildJob("sales", MakeRun(with("serviceAccountName").c_str()), settings);
  ASSERT_TRUE(job.ok()) << job.error().message;
  const Json pod = Json::parse(*job)["spec"]["template"]["spec"];
  EXPECT_EQ(pod["serviceAccountName"], "robot");
  EXPECT_EQ(pod["automountServiceAccountToken"], false);
  EXPECT_FALSE(BuildJob("sales", MakeRun(with("serviceAccount").c_str()), settings).ok());
}

TEST(JobManifest, TheSameRunMakesTheSameBytes) {
  EXPECT_EQ(*BuildJob("sales", MakeRun(kTemplate), Settings()),
            *BuildJob("sales", MakeRun(kTemplate), Settings()));
}

TEST(JobManifest, ThePodOfTheJobIsItsTemplate) {
  auto job = BuildJob("sales", MakeRun(kTemplate), Settings());
  auto pod = PodOfJob(*job);
  ASSERT_TRUE(pod.ok());
  Json parsed = Json::parse(*pod);
  EXPECT_EQ(parsed["kind"], "Pod");
  EXPECT_EQ(parsed["metadata"]["namespace"], "sales");
  EXPECT_EQ(parsed["spec"], Json::parse(*job)["spec"]["template"]["spec"]);
}

}  // namespace
}  // namespace databuild::kube
