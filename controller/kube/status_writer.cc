#include "controller/kube/status_writer.h"

#include "bel/base/log.h"
#include "controller/kube/codec.h"

namespace databuild::kube {

namespace {

using std::chrono::steady_clock;

constexpr auto kForgetAfter = std::chrono::minutes(5);  // an object's times, once all is written
constexpr int kBurst = 10;  // writes that may go out together after a quiet time
constexpr auto kNoNews = std::chrono::hours(1);

// The object is gone, or another one has its name now: nothing is left to say.
bool IsGone(const ApiReply& reply) {
  if (reply.failed_with(ApiFailure::kNotFound)) return true;
  // A JSON patch whose test fails is refused without a cause; a status that is wrong names its
  // fields.
  return reply.failed_with(ApiFailure::kInvalid) && reply.error().causes.empty();
}

}  // namespace

StatusWriter::StatusWriter(Around around, StatusWriterOptions options)
    : around_(around), options_(options), thread_([this](std::stop_token stop) { Run(stop); }) {}

StatusWriter::~StatusWriter() { Stop(); }

void StatusWriter::Stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

size_t StatusWriter::pending() const {
  std::lock_guard lock(mutex_);
  size_t count = 0;
  for (const auto& [uid, object] : objects_) count += object.wanted || object.writing ? 1 : 0;
  return count;
}

void StatusWriter::Put(const std::string& graph, const PatchStatus& wanted) {
  std::lock_guard lock(mutex_);
  Object& object = objects_[wanted.uid];
  object.graph = graph;
  object.wanted = wanted;
  if (!object.writing) Schedule(wanted.uid, object, steady_clock::now());
  changed_.notify_one();
}

void StatusWriter::Enqueue(const std::string& uid, Object& object, Time due) {
  queue_.erase({object.due, uid});
  object.due = due;
  queue_.insert({due, uid});
}

// When the wanted status is to be written, or nothing if the cluster shows it already.
void StatusWriter::Schedule(const std::string& uid, Object& object, Time now) {
  StatusShadow before;
  if (auto shadow = around_.view.Shadow(object.graph, uid)) before = std::move(*shadow);
  StatusBody body = RenderStatus(object.wanted->status, uid, before, around_.clock.Now());
  if (body.shadow.digest == before.digest) {
    object.wanted.reset();
    Enqueue(uid, object, object.last_write + kForgetAfter);
    return;
  }
  auto interval = object.wanted->kind == ObjectKind::kDataJob ? options_.data_job_interval
                                                              : options_.counter_interval;
  bool urgent = body.shadow.conditions != before.conditions;
  Enqueue(uid, object, urgent ? now : std::max(now, object.last_write + interval));
}

void StatusWriter::Run(std::stop_token stop) {
  const auto spacing = std::chrono::duration_cast<steady_clock::duration>(
      std::chrono::duration<double>(1.0 / options_.writes_per_second));
  Time next_write = steady_clock::now();
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    Time now = steady_clock::now();
    Time wake = queue_.empty() ? now + kNoNews : std::max(queue_.begin()->first, next_write);
    if (wake > now) {
      // Only something due earlier is a reason to look again before.
      changed_.wait_until(lock, stop, wake, [&] {
        return !queue_.empty() && std::max(queue_.begin()->first, next_write) < wake;
      });
      continue;
    }
    std::string uid = queue_.begin()->second;
    queue_.erase(queue_.begin());
    Object& object = objects_[uid];
    if (!object.wanted) {
      if (!object.writing) objects_.erase(uid);
    } else if (Dispatch(uid, object)) {
      next_write = std::max(next_write, now - spacing * kBurst) + spacing;
    } else {
      // The pool is full, or not yet done with this object. The pause is for the lock: those who
      // make room need it.
      Enqueue(uid, object, now + spacing * kBurst);
      next_write = now + spacing;
    }
  }
}

bool StatusWriter::Dispatch(const std::string& uid, Object& object) {
  PatchStatus wanted = *object.wanted;
  std::string graph = object.graph;
  bool taken = around_.pool.Submit(
      "status/" + uid,
      [this, uid, graph, wanted](std::stop_token stop) { Write(uid, graph, wanted, stop); });
  if (!taken) return false;
  object.wanted.reset();
  object.writing = true;
  object.last_write = steady_clock::now();
  return true;
}

void StatusWriter::Write(const std::string& uid, const std::string& graph,
                         const PatchStatus& wanted, std::stop_token stop) {
  StatusShadow before = around_.view.Shadow(graph, uid).value_or(StatusShadow{});
  StatusBody body = RenderStatus(wanted.status, uid, before, around_.clock.Now());
  ObjectPath path{TypeOf(wanted.kind), graph, wanted.name, "status"};
  ApiReply reply = around_.client.Patch(path, PatchType::kJson, body.patch,
                                        CallOptions::Within(options_.call_timeout, stop));
  bool done = true;
  if (reply.ok()) {
    JsonParser parser;
    if (auto object = parser.Parse(*reply); object.ok())
      around_.view.SetShadow(graph, uid, ShadowOf(*object));
  } else {
    done = IsGone(reply);
    if (!done && !reply.failed_with(ApiFailure::kStopped))
      LogWarn("status not written, trying again", {{"error", reply.error().Describe()}});
  }
  std::lock_guard lock(mutex_);
  Object& object = objects_[uid];
  object.writing = false;
  if (!done && !object.wanted) object.wanted = wanted;
  if (!object.wanted) {
    Enqueue(uid, object, object.last_write + kForgetAfter);
  } else if (done) {
    Schedule(uid, object, steady_clock::now());
  } else {
    if (!object.backoff) object.backoff.emplace(options_.backoff, std::hash<std::string>{}(uid));
    Time now = steady_clock::now();
    Enqueue(uid, object, now + object.backoff->Next(now));
  }
  changed_.notify_one();
}

}  // namespace databuild::kube
