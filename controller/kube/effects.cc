#include "controller/kube/effects.h"

#include "controller/kube/codec.h"

namespace databuild::kube {

namespace {

// The server judged the request and said no; asking again the same way gives the same answer.
bool IsRefusal(const ApiError& error) {
  return error.failure == ApiFailure::kForbidden || error.failure == ApiFailure::kInvalid ||
         error.failure == ApiFailure::kNotFound;
}

// Of the last kRunLogTailLines lines of a log; a foreign program may print longer ones.
constexpr size_t kRunOutputBytes = size_t{16} << 20;

struct Named {
  const char* name;
  std::string object;
};

Named NameOf(const Effect& effect) {
  struct Visitor {
    Named operator()(const CreateJob& e) const { return {"create_job", "run/" + e.run_id}; }
    Named operator()(const DeleteJob& e) const { return {"delete_job", "run/" + e.run_id}; }
    Named operator()(const ConfirmRunAbsent& e) const {
      return {"confirm_run_absent", "run/" + e.run_id};
    }
    Named operator()(const ReadRunOutput& e) const {
      return {"read_run_output", "run/" + e.run_id};
    }
    Named operator()(const ConfirmObjectAbsent& e) const {
      return {"confirm_object_absent", "object/" + e.uid};
    }
    Named operator()(const ProveTemplate& e) const {
      return {"prove_template", "object/" + e.definition->meta.uid};
    }
    Named operator()(const DeleteWant& e) const { return {"delete_want", "object/" + e.uid}; }
    Named operator()(const PatchStatus& e) const { return {"patch_status", "status/" + e.uid}; }
  };
  return std::visit(Visitor{}, effect);
}

}  // namespace

std::string EffectKey(const std::string& graph, const Effect& effect) {
  return graph + "/" + NameOf(effect).object;
}

const char* EffectName(const Effect& effect) { return NameOf(effect).name; }

EffectRunner::EffectRunner(ApiClient& client, ClusterView& view, const Clock& clock,
                           EffectSettings settings)
    : client_(client), view_(view), clock_(clock), settings_(std::move(settings)) {}

CallOptions EffectRunner::Call(const Task& task) const {
  return CallOptions::Within(settings_.call_timeout, task.stop);
}

Status EffectRunner::Run(const std::string& graph, const Effect& effect, std::stop_token stop) {
  Task task{graph, std::move(stop)};
  return std::visit([&](const auto& typed) { return Do(task, typed); }, effect);
}

Status EffectRunner::Refuse(const Task& task, const CreateJob& run, const Error& error) {
  JobRefused refused{run.run_id, error.message, clock_.Now(), error.code == Errc::kTooLarge};
  view_.AddFact(task.graph, std::move(refused));
  return error;
}

Status EffectRunner::Do(const Task& task, const CreateJob& run) {
  auto body = BuildJob(task.graph, run, settings_.jobs);
  if (!body.ok()) return Refuse(task, run, body.error());
  ObjectPath jobs{kJobs, task.graph, "", ""};
  ApiReply reply = client_.Create(jobs, *body, Call(task));
  if (reply.ok()) {
    view_.AddFact(task.graph, JobCreated{run.run_id, clock_.Now()});
    return {};
  }
  if (reply.failed_with(ApiFailure::kAlreadyExists)) {
    jobs.name = JobName(run.definition->meta.name, run.run_id);
    return AfterExists(task, run, jobs);
  }
  if (IsRefusal(reply.error())) return Refuse(task, run, reply.error().ToError());
  return reply.error().ToError();
}

// Ours from an earlier try that we heard nothing of, or a stranger under our name?
Status EffectRunner::AfterExists(const Task& task, const CreateJob& run, const ObjectPath& path) {
  ApiReply reply = client_.Get(path, Call(task));
  if (!reply.ok()) return reply.error().ToError();
  JsonParser parser;
  ASSIGN_OR_RETURN(JsonView object, parser.Parse(*reply));
  ObservedJob found = DecodeJob(object);
  if (found.run_id == run.run_id && found.log_id == run.log_id) {
    view_.AddFact(task.graph, JobCreated{run.run_id, clock_.Now()});
    return {};
  }
  return Refuse(task, run,
                {Errc::kAlreadyExists,
                 "Job " + path.name + " exists but belongs to " +
                     (found.log_id.empty() ? std::string("nobody we know")
                                           : "log " + found.log_id + ", run " + found.run_id) +
                     ": delete it if nobody needs it"});
}

Status EffectRunner::Do(const Task& task, const DeleteJob& run) {
  ObjectPath path{kJobs, task.graph, JobName(run.datajob_name, run.run_id), ""};
  DeleteOptions options;
  options.uid = run.uid;
  if (options.uid.empty()) {
    ApiReply reply = client_.Get(path, Call(task));
    if (reply.failed_with(ApiFailure::kNotFound)) return {};
    if (!reply.ok()) return reply.error().ToError();
    JsonParser parser;
    ASSIGN_OR_RETURN(JsonView object, parser.Parse(*reply));
    ObservedJob found = DecodeJob(object);
    if (found.run_id != run.run_id) {
      return Error{Errc::kConflict, "Job " + path.name + " in " + task.graph + " is not of run " +
                                        run.run_id + ": it is left alone"};
    }
    options.uid = found.uid;
  }
  ApiReply reply = client_.Delete(path, options, Call(task));
  if (reply.ok() || reply.failed_with(ApiFailure::kNotFound)) return {};
  return reply.error().ToError();
}

Status EffectRunner::Do(const Task& task, const ConfirmRunAbsent& run) {
  ObjectPath path{kJobs, task.graph, JobName(run.datajob_name, run.run_id), ""};
  ApiReply job = client_.Get(path, Call(task));
  bool there = false;
  if (job.ok()) {
    JsonParser parser;
    ASSIGN_OR_RETURN(JsonView object, parser.Parse(*job));
    // A stranger's Job under our name does not keep the run alive.
    const ObservedJob found = DecodeJob(object);
    there = found.run_id == run.run_id;
    if (there && found.phase != JobPhase::kComplete && found.phase != JobPhase::kFailed) return {};
  } else if (!job.failed_with(ApiFailure::kNotFound)) {
    return job.error().ToError();
  }
  ListOptions list;
  list.label_selector = std::string(kRunLabel) + "=" + run.run_id;
  ApiReply pods = client_.List({kPods, task.graph, "", ""}, list, Call(task));
  if (!pods.ok()) return pods.error().ToError();
  JsonParser parser;
  ASSIGN_OR_RETURN(JsonView answer, parser.Parse(*pods));
  if (!answer["items"].is_array())
    return Error{Errc::kCorrupt, "the list of pods of run " + run.run_id + " has no items"};
  bool any = false;
  answer["items"].ForEachItem([&](const JsonView&) { any = true; });
  if (any) return {};
  if (there) view_.AddFact(task.graph, PodsAbsent{run.run_id});
  if (!there) view_.AddFact(task.graph, RunAbsent{run.run_id});
  return {};
}

// What is stored saves a request, and is there when the pod is not.
Status EffectRunner::Do(const Task& task, const ReadRunOutput& run) {
  if (settings_.stored_log_tail) {
    if (auto stored = settings_.stored_log_tail(task.graph, run.run_id)) {
      view_.AddFact(task.graph, RunLogTail{run, std::move(*stored)});
      return {};
    }
  }
  LogOptions log;
  log.container = kJobContainer;
  log.tail_lines = kRunLogTailLines;
  const CallOptions call = Call(task);
  auto stream = client_.PodLog({kPods, task.graph, run.pod_name, "log"}, log, call);
  std::string text;
  if (stream.ok()) {
    for (bool end = false; !end && text.size() <= kRunOutputBytes;) {
      if (auto error = (*stream)->Read(call, text, end)) return error->ToError();
    }
  } else if (!stream.failed_with(ApiFailure::kNotFound)) {
    return stream.error().ToError();
  }
  view_.AddFact(task.graph, RunLogTail{run, std::move(text)});
  return {};
}

Status EffectRunner::Do(const Task& task, const ConfirmObjectAbsent& object) {
  ObjectPath path{TypeOf(object.kind), task.graph, object.name, ""};
  ApiReply reply = client_.Get(path, Call(task));
  if (reply.ok()) {
    JsonParser parser;
    ASSIGN_OR_RETURN(JsonView found, parser.Parse(*reply));
    if (found["metadata"]["uid"].Text() == object.uid) return {};
  } else if (!reply.failed_with(ApiFailure::kNotFound)) {
    return reply.error().ToError();
  }
  view_.AddFact(task.graph, ObjectAbsent{object.kind, object.uid});
  return {};
}

Status EffectRunner::Do(const Task& task, const ProveTemplate& proof) {
  const ObservedDataJob& definition = *proof.definition;
  TemplateProof result{definition.meta.uid, definition.meta.generation, false, ""};
  auto job = BuildJob(task.graph, ExampleRun(proof.definition), settings_.jobs);
  if (!job.ok()) {
    result.message = job.error().message;
    view_.AddFact(task.graph, std::move(result));
    return {};
  }
  ASSIGN_OR_RETURN(std::string pod, PodOfJob(*job));
  for (const auto& [type, body] : {std::pair{kJobs, *job}, std::pair{kPods, pod}}) {
    ApiReply reply = client_.DryRunCreate({type, task.graph, "", ""}, body, Call(task));
    if (reply.ok() || reply.failed_with(ApiFailure::kAlreadyExists)) continue;
    if (!IsRefusal(reply.error())) return reply.error().ToError();
    // A quota that is used up now says nothing about the template.
    if (reply.error().message.find("exceeded quota") != std::string::npos) continue;
    result.message = reply.error().message;
    view_.AddFact(task.graph, std::move(result));
    return {};
  }
  result.accepted = true;
  view_.AddFact(task.graph, std::move(result));
  return {};
}

Status EffectRunner::Do(const Task& task, const DeleteWant& want) {
  DeleteOptions options;
  options.uid = want.uid;
  ApiReply reply = client_.Delete({kWants, task.graph, want.name, ""}, options, Call(task));
  bool gone = reply.failed_with(ApiFailure::kNotFound) || reply.failed_with(ApiFailure::kConflict);
  if (reply.ok() || gone) return {};
  return reply.error().ToError();
}

Status EffectRunner::Do(const Task&, const PatchStatus&) {
  return Error{Errc::kInternal, "PatchStatus goes through the status writer"};
}

}  // namespace databuild::kube
