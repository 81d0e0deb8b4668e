#include "tests/support/corpus.h"

#include <cstdio>

#include "bel/base/check.h"
#include "bel/base/uuid.h"
#include "bel/event_codec.h"

namespace databuild {
namespace {

constexpr int kOutputs = Corpus::kRunsPerBuild * Corpus::kRefsPerRun;
constexpr const char* kDomains[] = {"sales",   "orders",  "billing", "search", "ads",
                                    "fleet",   "traffic", "stock",   "people", "support",
                                    "content", "risk",    "growth",  "mobile", "web",
                                    "sensors", "weather", "energy",  "maps",   "media"};
constexpr const char* kTables[] = {"raw",      "clean",  "rollup",  "joined",  "features",
                                   "sessions", "events", "summary", "history", "export"};
constexpr const char* kRegions[] = {"eu-west-1", "eu-west-2", "eu-north-1", "us-east-1",
                                    "us-east-2", "us-west-1", "us-west-2",  "ap-south-1",
                                    "ap-east-1", "sa-east-1"};

uint64_t Mix(uint64_t value) {  // the finalizer of SplitMix64
  value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
  value = (value ^ value >> 27) * 0x94d049bb133111ebu;
  return value ^ value >> 31;
}

// Days since 2020-01-01 as a date; months of 28 days keep it simple and valid.
std::string Date(int64_t day) {
  char text[16];
  std::snprintf(text, sizeof(text), "%04d-%02d-%02d", static_cast<int>(2020 + day / 336),
                static_cast<int>(1 + day / 28 % 12), static_cast<int>(1 + day % 28));
  return text;
}

}  // namespace

Corpus::Corpus(uint64_t seed) : seed_(seed), random_(Mix(seed + 1)) {}

uint64_t Corpus::Random() { return Mix(random_ += 0x9e3779b97f4a7c15u); }

std::string Corpus::Id(char kind, uint64_t number) const {
  uint64_t halves[2] = {Mix(seed_ ^ Mix(number * 64 + static_cast<uint64_t>(kind))), 0};
  halves[1] = Mix(halves[0] + number);
  UuidBytes bytes;
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<uint8_t>(halves[i / 8] >> (i % 8 * 8));
  }
  bytes[6] = static_cast<uint8_t>((bytes[6] & 0x0f) | 0x80);  // version 8: made our own way
  bytes[8] = static_cast<uint8_t>((bytes[8] & 0x3f) | 0x80);
  return FormatUuid(bytes);
}

std::string Corpus::Label(int job) {
  return std::string("//") + kDomains[job / 10] + ":" + kTables[job % 10];
}

// One build in 20 makes again what the build 400 before it made.
int64_t Corpus::RefBuild(int64_t build) { return build % 20 == 19 ? build % 400 : build; }

std::string Corpus::Ref(int64_t build, int run, int output) {
  const int64_t number = RefBuild(build) * kRunsPerBuild + run;
  const int64_t job = number % kJobs;
  const int64_t slot = number / kJobs * kRefsPerRun + output;
  char hour[16];
  std::snprintf(hour, sizeof(hour), "/hour=%02d", static_cast<int>(slot % 24));
  return std::string(kDomains[job / 10]) + "/" + kTables[job % 10] +
         "/region=" + kRegions[slot / 24 % 10] + "/date=" + Date(slot / 240) + hour;
}

std::string Corpus::BuildId(int64_t build) const { return Id('b', static_cast<uint64_t>(build)); }
std::string Corpus::RunId(int64_t build, int run) const {
  return Id('r', static_cast<uint64_t>(build * kRunsPerBuild + run));
}
std::string Corpus::InstanceOf(int64_t build, int output) const {
  return Id('i', static_cast<uint64_t>(build * kOutputs + output));
}

void Corpus::DefineJob(int job) {
  v1::JobDefinitionEvent& definition = *event_.mutable_job_definition_event();
  definition.set_job_label(Label(job));
  definition.set_name(std::string(kDomains[job / 10]) + "-" + kTables[job % 10]);
  definition.set_uid(Id('j', static_cast<uint64_t>(job)));
  definition.set_generation(1);
  definition.set_spec_digest(Id('d', static_cast<uint64_t>(job)));
  definition.add_outputs(std::string(kDomains[job / 10]) + "/" + kTables[job % 10] +
                         "/region={region}/date={date:date}/hour={hour}");
  definition.set_accepted(true);
  definition.set_batch_max(kRefsPerRun);
}

void Corpus::WantStep(int64_t build, v1::WantLifecycle lifecycle) {
  v1::WantEvent& want = *event_.mutable_want_event();
  want.set_want_id(Id('w', static_cast<uint64_t>(build)));
  want.set_lifecycle(lifecycle);
  if (lifecycle != v1::WANT_CREATED) return;
  want.set_name("want-" + std::to_string(build));
  want.set_created_at(now_);
  want.set_generation(1);
  for (int output = 0; output < kOutputs; ++output) {
    want.add_requested_partitions()->set_str(
        Ref(build, output / kRefsPerRun, output % kRefsPerRun));
  }
  want.set_total_partitions(kOutputs);
}

void Corpus::BuildStep(int64_t build, v1::BuildRequestStatusCode status) {
  event_.set_build_request_id(BuildId(build));
  v1::BuildRequestEvent& request = *event_.mutable_build_request_event();
  request.mutable_status()->set_code(status);
  if (status != v1::BUILD_REQUEST_RECEIVED) return;
  request.set_want_id(Id('w', static_cast<uint64_t>(build)));
  request.set_attempt(1);
}

void Corpus::PartitionStep(int64_t build, int output, v1::PartitionStatus status) {
  event_.set_build_request_id(BuildId(build));
  v1::PartitionEvent& partition = *event_.mutable_partition_event();
  const int run = output / kRefsPerRun;
  partition.mutable_partition_ref()->set_str(Ref(build, run, output % kRefsPerRun));
  partition.set_status_code(status);
  partition.set_instance_id(InstanceOf(build, output));
  partition.set_ordinal(build % 20 == 19 ? static_cast<uint32_t>(build / 400 + 1) : 1);
  if (status == v1::PARTITION_REQUESTED) return;
  partition.set_job_label(Label(static_cast<int>((RefBuild(build) * kRunsPerBuild + run) % kJobs)));
  partition.set_generation(1);
  if (status != v1::PARTITION_ANALYZED) partition.set_job_run_id(RunId(build, run));
}

void Corpus::RunStep(int64_t build, int run, v1::JobStatus status) {
  event_.set_build_request_id(BuildId(build));
  v1::JobEvent& job = *event_.mutable_job_event();
  job.set_job_run_id(RunId(build, run));
  job.mutable_job_label()->set_label(
      Label(static_cast<int>((RefBuild(build) * kRunsPerBuild + run) % kJobs)));
  job.set_status_code(status);
  for (int output = 0; output < kRefsPerRun; ++output) {
    job.add_target_partitions()->set_str(Ref(build, run, output));
    job.add_instance_ids(InstanceOf(build, run * kRefsPerRun + output));
  }
  if (status == v1::JOB_SCHEDULED) {
    job.set_generation(1);
    job.set_attempt(1);
    job.set_job_name("databuild-" + job.job_run_id().substr(0, 13));
  }
  if (status == v1::JOB_COMPLETED) {
    job.set_outcome(v1::JOB_OUTCOME_SUCCEEDED);
    job.set_exit_code(0);
    job.set_finished_at(now_);
  }
}

void Corpus::GraphStep(int64_t build) {
  event_.set_build_request_id(BuildId(build));
  v1::JobGraphEvent& plan = *event_.mutable_job_graph_event();
  plan.set_plan_number(1);
  plan.set_part(1);
  plan.set_last(true);
  plan.mutable_job_graph()->mutable_label()->set_label("corpus");
  for (int run = 0; run < kRunsPerBuild; ++run) {
    v1::Task& task = *plan.mutable_job_graph()->add_nodes();
    task.mutable_job()->set_label(
        Label(static_cast<int>((RefBuild(build) * kRunsPerBuild + run) % kJobs)));
    task.set_generation(1);
    for (int output = 0; output < kRefsPerRun; ++output) {
      task.mutable_config()->add_outputs()->set_str(Ref(build, run, output));
    }
  }
}

// Of 96: want, received, planning, 16 requested, graph, 16 analyzed, completed analysis, executing,
// 8 times (scheduled, 2 building, running, completed, 2 available), completed, satisfied.
void Corpus::Step(const Lane& lane) {
  const int64_t build = lane.build;
  constexpr int kPlan = 3 + kOutputs, kAnalyzed = kPlan + 1, kRuns = kAnalyzed + kOutputs + 2;
  const int step = lane.step;
  if (step == 0) return WantStep(build, v1::WANT_CREATED);
  if (step == 1) return BuildStep(build, v1::BUILD_REQUEST_RECEIVED);
  if (step == 2) return BuildStep(build, v1::BUILD_REQUEST_PLANNING);
  if (step < kPlan) return PartitionStep(build, step - 3, v1::PARTITION_REQUESTED);
  if (step == kPlan) return GraphStep(build);
  if (step < kRuns - 2) return PartitionStep(build, step - kAnalyzed, v1::PARTITION_ANALYZED);
  if (step == kRuns - 2) return BuildStep(build, v1::BUILD_REQUEST_ANALYSIS_COMPLETED);
  if (step == kRuns - 1) return BuildStep(build, v1::BUILD_REQUEST_EXECUTING);
  if (step == kEventsPerBuild - 2) return BuildStep(build, v1::BUILD_REQUEST_COMPLETED);
  if (step == kEventsPerBuild - 1) return WantStep(build, v1::WANT_SATISFIED);
  const int run = (step - kRuns) / 7, output = run * kRefsPerRun;
  switch ((step - kRuns) % 7) {
    case 0:
      return RunStep(build, run, v1::JOB_SCHEDULED);
    case 1:
      return PartitionStep(build, output, v1::PARTITION_BUILDING);
    case 2:
      return PartitionStep(build, output + 1, v1::PARTITION_BUILDING);
    case 3:
      return RunStep(build, run, v1::JOB_RUNNING);
    case 4:
      return RunStep(build, run, v1::JOB_COMPLETED);
    case 5:
      return PartitionStep(build, output, v1::PARTITION_AVAILABLE);
    default:
      return PartitionStep(build, output + 1, v1::PARTITION_AVAILABLE);
  }
}

const v1::BuildEvent& Corpus::NextEvent() {
  event_.Clear();
  now_ += 1'000 + static_cast<TimeNs>(Random() % 20'000'000);
  event_.set_idx(++idx_);
  event_.set_timestamp(now_);
  event_.set_event_id(Id('e', static_cast<uint64_t>(idx_)));
  if (idx_ <= kJobs) {
    DefineJob(static_cast<int>(idx_ - 1));
    return event_;
  }
  Lane& lane = lanes_[Random() % kLanes];
  if (lane.build < 0 || lane.step == kEventsPerBuild) lane = {next_build_++, 0};
  Step(lane);
  ++lane.step;
  return event_;
}

StoredEvent Corpus::Next() {
  auto stored = EncodeEvent(NextEvent());
  CHECK(stored.ok());
  return std::move(stored.value());
}

}  // namespace databuild
