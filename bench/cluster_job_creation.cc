// The limit of S3: how fast the same Jobs are made by a bare loop over the operator's own API
// client, with the same watches open. It keeps no log and decides nothing. tests/e2e/scale runs it.
//
//   cluster_job_creation NAMESPACE DATAJOB COUNT [PARALLEL]      KUBECONFIG names the cluster
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "bel/base/check.h"
#include "bel/base/log.h"
#include "bel/base/uuid.h"
#include "controller/kube/kube_cluster.h"

namespace databuild::kube {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr auto kPatience = std::chrono::minutes(10);
constexpr auto kLook = milliseconds(5);

struct World {
  std::string ns;
  std::unique_ptr<ApiClient> client;
  SystemClock clock;
  std::unique_ptr<KubeCluster> cluster;
  std::shared_ptr<const ObservedDataJob> definition;
  size_t ended = 0;
};

// Takes what the watches brought, as the operator's worker does.
void Take(World& world) {
  for (const Delta& delta : world.cluster->TakeDeltas(world.ns)) {
    if (const auto* changed = std::get_if<DataJobChanged>(&delta); changed && changed->data_job)
      world.definition = changed->data_job;
    if (const auto* changed = std::get_if<JobChanged>(&delta); changed && changed->job)
      world.ended += changed->job->phase == JobPhase::kComplete ? 1 : 0;
  }
}

std::vector<std::string> Bodies(const World& world, int count) {
  JobSettings settings;
  settings.wrapper_image = "databuild.test/busybox:1";
  std::vector<std::string> bodies;
  for (int i = 0; i < count; ++i) {
    CreateJob run;
    run.run_id = RandomUuid();
    run.log_id = "11111111-1111-4111-8111-111111111111";
    run.job_label = world.definition->label;
    run.outputs = {{"scale/" + std::to_string(i), RandomUuid()}};
    run.definition = world.definition;
    auto body = BuildJob(world.ns, run, settings);
    CHECK(body.ok());
    bodies.push_back(std::move(*body));
  }
  return bodies;
}

// Seconds until every Job was answered for.
double Create(World& world, const std::vector<std::string>& bodies, int parallel) {
  std::atomic<size_t> next{0}, failed{0};
  const auto started = steady_clock::now();
  std::vector<std::jthread> callers;
  for (int i = 0; i < parallel; ++i) {
    callers.emplace_back([&] {
      for (size_t n = next++; n < bodies.size(); n = next++) {
        const ApiReply reply = world.client->Create({kJobs, world.ns, "", ""}, bodies[n],
                                                    CallOptions::Within(milliseconds(60'000)));
        failed += reply.ok() ? 0 : 1;
      }
    });
  }
  while (next < bodies.size() + static_cast<size_t>(parallel)) {
    Take(world);
    std::this_thread::sleep_for(kLook);
  }
  callers.clear();
  CHECK(failed == 0);
  return std::chrono::duration<double>(steady_clock::now() - started).count();
}

int Main(int argc, char** argv) {
  const char* kubeconfig = std::getenv("KUBECONFIG");
  if (argc < 4 || kubeconfig == nullptr) {
    std::fprintf(stderr, "usage: cluster_job_creation NAMESPACE DATAJOB COUNT [PARALLEL]\n");
    return 2;
  }
  SetLogLevel(LogLevel::kWarn);
  World world;
  world.ns = argv[1];
  auto access = LoadKubeconfig(kubeconfig, "");
  CHECK(access.ok());
  auto client = ApiClient::Create(*access, {});
  CHECK(client.ok());
  world.client = std::move(*client);
  KubeClusterOptions options;
  options.namespaces = {world.ns};
  world.cluster = std::make_unique<KubeCluster>(*world.client, world.clock, options);
  world.cluster->Start();
  const auto deadline = steady_clock::now() + kPatience;
  while (!(world.cluster->AllSynced() && world.definition)) {
    CHECK(steady_clock::now() < deadline);
    Take(world);
    std::this_thread::sleep_for(kLook);
  }
  const std::vector<std::string> bodies = Bodies(world, std::atoi(argv[3]));
  const double seconds = Create(world, bodies, argc > 4 ? std::atoi(argv[4]) : 32);
  std::printf("%zu Jobs in %.2f s: %.1f a second\n", bodies.size(), seconds,
              static_cast<double>(bodies.size()) / seconds);
  world.cluster->Stop();
  return 0;
}

}  // namespace
}  // namespace databuild::kube

int main(int argc, char** argv) { return databuild::kube::Main(argc, argv); }
