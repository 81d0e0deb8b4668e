#include "tests/sim/random_world.h"

#include <algorithm>

namespace databuild {
namespace {

// Makes nothing but failures, whatever the weather.
constexpr char kDoomed[] = "doomed";

// Asks its image from what its partitions are made: from raw ones.
constexpr char kAsked[] = "asked";

bool Starts(const std::string& ref, const char* kind) {
  return ref.starts_with(std::string(kind) + "/");
}

std::string DayOf(const std::string& ref) { return ref.substr(ref.find('/') + 1); }

std::string DayBefore(const std::string& day) {
  if (day == "2025-01-01") return "2024-12-31";
  return "2025-01-0" + std::to_string(day.back() - '0' - 1);
}

// Every third world decides little at a time, so that plans take many rounds.
PlannerOptions OptionsOf(uint64_t seed) {
  PlannerOptions options = PlannerWorld::Defaults();
  if (seed % 3 == 0) options.max_events_per_round = 3 + seed % 7;
  return options;
}

}  // namespace

RandomWorld::RandomWorld(uint64_t seed, int forget)
    : random_(seed), world_(OptionsOf(seed), seed % 4 == 0 ? 2 : 0) {
  world_.cluster.rule = [this](const CreateJob& job) { return EndOf(job); };
  PutJobs();
  DrawFaults(forget);
}

std::string RandomWorld::Play() {
  for (int step = 0; step < 60; ++step) {
    Act();
    if (const std::string wrong = Check(); !wrong.empty()) return wrong;
  }
  Calm();
  if (const std::string wrong = Check(); !wrong.empty()) return wrong;
  if (const std::string wrong = Judge(); !wrong.empty()) return wrong;
  return Quiet();
}

void RandomWorld::PutJobs() {
  world_.cluster.PutDataJob("raw", {"raw/{date}"}).retry.limit = 2;
  world_.cluster.PutDataJob("rates", {"rates/{date}"}).retry.limit = 2;
  ObservedDataJob& clean =
      world_.cluster.PutDataJob("clean", {"clean/{date}", "bad/{date}"}, {"raw/{date}"});
  clean.retry.limit = 1;
  if (Chance(50)) clean.batch_max = 3;
  world_.cluster.PutDataJob("total", {"total/{date}"},
                            {"clean/{date|-P1D..P0D}", "?total/{date|-P1D}"});
  world_.cluster.PutDataJob(kDoomed, {"doomed/{date}"}, {"raw/{date}"}).retry.limit = 1;
  world_.cluster.PutDataJob("after", {"after/{date}"}, {"doomed/{date}", "rates/{date}"});
  ObservedDataJob& asked = world_.cluster.PutDataJob(kAsked, {"asked/{date}"});
  asked.configure_container = true;
  asked.args.clear();
  asked.retry.limit = 2;
  world_.cluster.PutDataJob("stuck", {"stuck/{date}"}, {"rates/{date}", "nobody/{date}"});
}

RandomWorld::Fate RandomWorld::FateOf(const std::string& ref) const {
  const Index partition = world_.state().FindPartition(ref);
  if (partition != kNone && world_.state().Usable(partition)) return Fate::kAvailable;
  const std::string day = DayOf(ref);
  std::vector<std::string> inputs;
  if (Starts(ref, "nobody")) return Fate::kNoProducer;
  if (Starts(ref, "clean") || Starts(ref, "bad") || Starts(ref, kDoomed) || Starts(ref, kAsked)) {
    inputs = {"raw/" + day};
  }
  if (Starts(ref, "total")) inputs = {"clean/" + DayBefore(day), "clean/" + day};
  if (Starts(ref, "after")) inputs = {"doomed/" + day, "rates/" + day};
  if (Starts(ref, "stuck")) inputs = {"rates/" + day, "nobody/" + day};
  Fate fate = Starts(ref, kDoomed) ? Fate::kFailed : Fate::kAvailable;
  for (const std::string& input : inputs) {
    const Fate of_input = FateOf(input);
    if (of_input != Fate::kAvailable) fate = of_input;
  }
  return fate;
}

std::string RandomWorld::Ref() {
  static const char* kKinds[] = {"raw/",   "clean/", "clean/", "bad/",   "total/",
                                 "total/", "rates/", "raw/",   "total/", "doomed/",
                                 "after/", "stuck/", "asked/", "asked/"};
  return kKinds[Draw(std::size(kKinds))] + Day();
}

JobEnd RandomWorld::EndOf(const CreateJob& job) {
  if (job.job_label == kDoomed) return {"Failed", 1, {}, "Error"};
  const JobEnd good = job.configure ? AnswerTo(job, "raw") : JobEnd{};
  if (calm_) return good;
  if (job.job_label == "clean" && Chance(10) && job.inputs.size() < 2) {
    return {"MissingDependencies", 75, {"rates/" + DayOf(job.outputs[0].first)}, "Error"};
  }
  if (Chance(15)) return {"Failed", 1, {}, "Error"};
  if (Chance(5)) return {"", 137, {}, "Error"};
  if (Chance(10)) return {"Hang", 0, {}, ""};
  if (Chance(5)) {
    JobEnd stuck;
    stuck.waiting_reason = "ImagePullBackOff";
    return stuck;
  }
  if (job.configure && Chance(10)) return AnswerTo(job, "no ref \\u0000");
  return good;
}

// Every second world has faults, each of its own strength.
void RandomWorld::DrawFaults(int forget) {
  WorldFaults faults;
  faults.storage.forget = forget;
  faults.storage.random = faults.cluster.random = &random_;
  if (Chance(50)) {
    const auto up_to = [&](int most) {
      return static_cast<int>(Draw(static_cast<uint64_t>(most)));
    };
    faults.storage.refuse = up_to(20);
    faults.storage.lose_reply = up_to(20);
    faults.storage.crash = up_to(10);
    faults.cluster.hold_back = up_to(60);
    faults.cluster.hide_pod = up_to(60);
    faults.cluster.delay = up_to(40);
    faults.cluster.lose = up_to(30);
    faults.cluster.crash = up_to(5);
  }
  world_.SetFaults(faults);
}

void RandomWorld::Act() {
  switch (Draw(18)) {
    case 0:
    case 1:
    case 2:
      return PutWant();
    case 3:
      return DeleteOne(wants_, [&](const std::string& name) { world_.cluster.DeleteWant(name); });
    case 4:
      return PutTaint();
    case 5:
      return DeleteOne(taints_, [&](const std::string& name) { world_.cluster.DeleteTaint(name); });
    case 6:
      return world_.Restart();
    case 7:
      if (!world_.cluster.live.empty()) {
        auto it = world_.cluster.live.begin();
        std::advance(it, static_cast<long>(Draw(world_.cluster.live.size())));
        world_.cluster.DeleteJobByHand(it->first);
      }
      return;
    case 8:
      return world_.Advance(static_cast<DurationNs>(Draw(120)) * kSecond);
    case 9:
      if (Chance(20)) world_.Advance(-static_cast<DurationNs>(Draw(60)) * kSecond);
      return;
    case 10:
      return ChangeJob();
    case 11:
      return Chance(30) ? world_.TakeOver() : world_.TickFormer();
    case 12:
      return world_.TickFormer();
    case 13:
    case 14:
      world_.cluster.StepJobs();
      return;
    default:
      for (uint64_t i = 0; i < Draw(6); ++i) world_.Tick();
      return;
  }
}

void RandomWorld::PutWant() {
  const std::string name = "w" + std::to_string(next_++);
  std::vector<std::string> refs{Ref()};
  for (uint64_t more = Draw(4); more > 0; --more) {
    const std::string ref = Ref();
    if (std::find(refs.begin(), refs.end(), ref) == refs.end()) refs.push_back(ref);
  }
  ObservedWant& want = world_.cluster.PutWant(name, refs);
  if (Chance(20)) want.ttl = static_cast<DurationNs>(1 + Draw(10)) * kMinute;
  wants_.push_back(name);
}

void RandomWorld::PutTaint() {
  const std::string name = "t" + std::to_string(next_++);
  world_.cluster.PutTaint(name, {Ref()}, {}, Chance(30));
  taints_.push_back(name);
}

// A new generation of a job, the same otherwise.
void RandomWorld::ChangeJob() {
  static const char* kLabels[] = {"raw", "clean", "total", "rates", kAsked};
  const auto& jobs = world_.cluster.data_jobs();
  world_.cluster.Touch(*jobs.at(kLabels[Draw(std::size(kLabels))]));
}

template <typename Delete>
void RandomWorld::DeleteOne(std::vector<std::string>& names, Delete&& remove) {
  if (names.empty()) return;
  const size_t at = Draw(names.size());
  remove(names[at]);
  names.erase(names.begin() + static_cast<long>(at));
}

std::string RandomWorld::Check() {
  if (!world_.violation().empty()) return world_.violation();
  for (; checked_ < world_.log.size(); ++checked_) {
    checker_.Take(world_.log[checked_]);
    if (const std::string wrong = CheckEnd(world_.log[checked_]); !wrong.empty()) return wrong;
  }
  if (!checker_.wrong().empty()) return checker_.wrong();
  for (const auto& [run_id, job] : world_.cluster.live) {
    if (world_.state().FindRun(run_id) == kNone)
      return "the Job of run " + run_id + " exists, but the log does not know the run";
  }
  for (const auto& [ref, runs] : world_.cluster.AtWork()) {
    if (runs.size() > 1) return "two Jobs make " + ref + " at once: " + runs[0] + ", " + runs[1];
  }
  if (world_.state().idx() != static_cast<int64_t>(world_.log.size()))
    return "";  // behind by a lost reply
  const std::string part = world_.ReplayDiffers();
  return part.empty() ? "" : "replay and live fold differ in " + part;
}

// What a run made is thrown away only if the Job itself was deleted, never for want of a look.
std::string RandomWorld::CheckEnd(const v1::BuildEvent& event) const {
  const v1::JobEvent& job = event.job_event();
  if (!event.has_job_event() || job.status_code() != v1::JOB_FAILED) return "";
  const bool unseen = job.outcome() == v1::JOB_OUTCOME_NO_RECEIPT || job.reason() == "PodDeleted";
  if (!unseen || !world_.cluster.succeeded.contains(job.job_run_id())) return "";
  return "run " + job.job_run_id() + " succeeded, and the log says " + job.reason();
}

// People stop, Jobs behave, what hung is deleted, the log and the cluster answer.
void RandomWorld::Calm() {
  calm_ = true;
  WorldFaults none;
  none.storage.random = none.cluster.random = &random_;
  world_.SetFaults(none);
  world_.Run(24 * kHour);
  for (const std::string& name : wants_) {
    if (world_.cluster.wants().contains(name)) world_.cluster.SetRetry(name, "calm");
  }
  for (int i = 0; i < 50; ++i) {
    world_.Run(24 * kHour);
    if (world_.cluster.live.empty()) return;
    const auto live = world_.cluster.live;
    for (const auto& [run, job] : live) world_.cluster.DeleteJobByHand(run);
  }
}

std::string RandomWorld::Judge() {
  if (!world_.cluster.live.empty()) return "a Job is left over";
  for (const std::string& name : wants_) {
    if (const std::string wrong = JudgeWant(name); !wrong.empty()) return "want " + name + wrong;
  }
  return "";
}

std::string RandomWorld::JudgeWant(const std::string& name) {
  const auto object = world_.cluster.wants().find(name);
  if (object == world_.cluster.wants().end()) return " is gone";
  const Index index = world_.state().FindWant(object->second->meta.uid);
  if (index == kNone) return " was never recorded";
  const Want& want = world_.state().want(index);
  if (!want.Live()) return want.status == v1::WANT_EXPIRED ? "" : " ended by itself";
  std::string expected = "True Available";
  for (Index partition : want.partitions) {
    const std::string& ref = world_.state().partition(partition).ref;
    const Fate fate = FateOf(ref);
    const PartitionReason why = world_.Why(name, ref);
    if (fate == Fate::kAvailable && !world_.state().Usable(partition))
      return " lacks " + ref + ", which can be made: " + why.reason + " " + why.message;
    if (fate != Fate::kAvailable && why.reason.empty()) return " does not say why it lacks " + ref;
    if (fate == Fate::kFailed) expected = "False BuildFailed";
    if (fate == Fate::kNoProducer && expected[0] == 'T') expected = "False NoProducer";
  }
  const Condition& ready = world_.cluster.WantCondition(name, "Ready");
  const std::string seen = ready.status + " " + ready.reason;
  return seen == expected ? "" : " is Ready=" + seen + ", expected " + expected;
}

// Of every live want, as a text.
std::string RandomWorld::Statuses() const {
  std::string text;
  for (const auto& [name, status] : world_.cluster.want_status) {
    const auto object = world_.cluster.wants().find(name);
    if (object == world_.cluster.wants().end()) continue;
    const Index want = world_.state().FindWant(object->second->meta.uid);
    if (want == kNone || !world_.state().want(want).Live()) continue;
    text += name + " " + status.progress + " failed " + std::to_string(status.failed) +
            " building " + std::to_string(status.building) + " waiting " +
            std::to_string(status.waiting) + "\n";
    for (const Condition& condition : status.conditions)
      text += "  " + condition.type + "=" + condition.status + " " + condition.reason + "\n";
    for (const StatusDetail& detail : status.details)
      text += "  " + detail.ref + " " + detail.state + " " + detail.reason + "\n";
  }
  return text;
}

// Nothing more is decided, not even by a process that starts afresh and looks at everything.
std::string RandomWorld::Quiet() {
  const size_t events = world_.log.size();
  world_.Advance(kMinute);
  for (int i = 0; i < 5; ++i) world_.Tick();
  if (world_.log.size() != events) return "a quiet world still decides events";
  const std::string said = Statuses();
  world_.Restart();
  world_.Settle();
  if (world_.log.size() != events) return "a restart in a quiet world decides events";
  // What is kept from change to change is what a look at everything finds.
  if (Statuses() != said) return "a restart changes a status:\n" + said + "---\n" + Statuses();
  return world_.cluster.live.empty() ? "" : "a restart in a quiet world starts a Job";
}

}  // namespace databuild
