#include "controller/kube/lease.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "bel/base/log.h"
#include "controller/kube/json_view.h"

namespace databuild::kube {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr double kAcquireJitter = 1.2;

// metav1.MicroTime wants exactly six digits.
std::string MicroTime(TimeNs now) {
  std::string text = FormatRfc3339(now - now % kSecond);
  text.pop_back();  // the Z
  char fraction[16];
  std::snprintf(fraction, sizeof(fraction), ".%06dZ", static_cast<int>(now % kSecond / 1000));
  return text + fraction;
}

}  // namespace

LeaseElector::LeaseElector(ApiClient& client, const Clock& clock, LeaseOptions options,
                           Callbacks callbacks)
    : client_(client),
      clock_(clock),
      options_(std::move(options)),
      callbacks_(std::move(callbacks)),
      random_(std::random_device{}()) {
  CHECK(options_.duration > options_.renew_deadline);
  CHECK(options_.renew_deadline.count() > 1.2 * static_cast<double>(options_.retry_period.count()));
  CHECK(!options_.identity.empty());
}

LeaseElector::~LeaseElector() { Stop(); }

void LeaseElector::Start() {
  thread_ = std::jthread([this](std::stop_token stop) { Run(stop); });
}

void LeaseElector::Stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
  Release();
}

bool LeaseElector::Leading() const {
  std::lock_guard lock(mutex_);
  return held_ && steady_clock::now() - renewed_at_ < options_.duration;
}

bool LeaseElector::MayWrite() const {
  std::lock_guard lock(mutex_);
  return held_ && steady_clock::now() - renewed_at_ < options_.renew_deadline;
}

bool LeaseElector::Wedged() const {
  std::lock_guard lock(mutex_);
  return held_ && steady_clock::now() - renewed_at_ > options_.duration;
}

std::string LeaseElector::holder() const {
  std::lock_guard lock(mutex_);
  return seen_.holder;
}

std::string LeaseElector::last_error() const {
  std::lock_guard lock(mutex_);
  return last_error_;
}

ObjectPath LeaseElector::Path(bool collection) const {
  return {kLeases, options_.ns, collection ? "" : options_.name, ""};
}

void LeaseElector::Wait(milliseconds time, std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, time, [] { return false; });
}

void LeaseElector::Run(std::stop_token stop) {
  if (!Acquire(stop)) return;
  LogInfo("lease acquired",
          {{"lease", options_.ns + "/" + options_.name}, {"holder", options_.identity}});
  if (callbacks_.acquired) callbacks_.acquired();
  Renew(stop);
}

bool LeaseElector::Acquire(std::stop_token stop) {
  std::uniform_real_distribution<double> jitter(1.0, 1.0 + kAcquireJitter);
  while (!stop.stop_requested()) {
    if (TryOnce(steady_clock::now() + options_.renew_deadline, stop)) return true;
    auto wait =
        static_cast<int64_t>(static_cast<double>(options_.retry_period.count()) * jitter(random_));
    Wait(milliseconds(wait), stop);
  }
  return false;
}

void LeaseElector::Renew(std::stop_token stop) {
  while (true) {
    Wait(options_.retry_period, stop);
    if (stop.stop_requested()) return;
    Time deadline;
    {
      std::lock_guard lock(mutex_);
      deadline = renewed_at_ + options_.renew_deadline;
    }
    if (steady_clock::now() < deadline && TryOnce(deadline, stop)) continue;
    if (stop.stop_requested()) return;
    std::string why;
    {
      std::lock_guard lock(mutex_);
      bool taken = !seen_.holder.empty() && seen_.holder != options_.identity;
      if (!taken && steady_clock::now() < deadline) continue;
      held_ = false;
      why = taken ? "lease taken by " + seen_.holder
                  : "lease not renewed in time: " + (last_error_.empty() ? "paused" : last_error_);
    }
    LogError("lease lost", {{"lease", options_.ns + "/" + options_.name}, {"why", why}});
    if (callbacks_.lost) callbacks_.lost(why);
    return;
  }
}

// True: the lease is ours as of the start of this call.
bool LeaseElector::TryOnce(Time deadline, std::stop_token stop) {
  CallOptions call{deadline, stop};
  Time start = steady_clock::now();
  Record record;
  bool leading;
  {
    std::lock_guard lock(mutex_);
    record = seen_;
    leading = held_;
  }
  bool renewed = leading && TryUpdate(record, call);
  if (!renewed) {
    ApiReply reply = client_.Get(Path(false), call);
    if (reply.failed_with(ApiFailure::kNotFound)) {
      renewed = TryCreate(call);
    } else if (!reply.ok()) {
      Fail(reply.error());
    } else if (Observe(*reply)) {
      {
        std::lock_guard lock(mutex_);
        record = seen_;
      }
      renewed = TryUpdate(record, call);
    }
  }
  if (!renewed) return false;
  std::lock_guard lock(mutex_);
  held_ = true;
  renewed_at_ = start;
  last_error_.clear();
  return true;
}

// Takes note of the record; true if it may be ours now.
bool LeaseElector::Observe(const std::string& body) {
  JsonParser parser;
  auto parsed = parser.Parse(body);
  if (!parsed.ok()) return false;
  JsonView spec = (*parsed)["spec"];
  Record record;
  record.version = (*parsed)["metadata"]["resourceVersion"].Str();
  record.holder = spec["holderIdentity"].Str();
  record.acquire_time = spec["acquireTime"].Str();
  record.duration_seconds = spec["leaseDurationSeconds"].Int().value_or(0);
  record.transitions = spec["leaseTransitions"].Int().value_or(0);
  std::lock_guard lock(mutex_);
  Time now = steady_clock::now();
  if (record.version != seen_.version) seen_at_ = now;
  seen_ = record;
  if (record.holder.empty() || record.holder == options_.identity) return true;
  if (held_) return false;
  return now - seen_at_ >= std::chrono::seconds(record.duration_seconds);
}

std::string LeaseElector::Body(const Record& record, milliseconds duration) const {
  nlohmann::json lease{{"apiVersion", ApiVersion(kLeases)}, {"kind", "Lease"}};
  lease["metadata"] = {{"name", options_.name}, {"namespace", options_.ns}};
  if (!record.version.empty()) lease["metadata"]["resourceVersion"] = record.version;
  lease["spec"] = {{"holderIdentity", record.holder},
                   {"leaseDurationSeconds", std::max<int64_t>(duration.count() / 1000, 1)},
                   {"acquireTime", record.acquire_time},
                   {"renewTime", MicroTime(clock_.Now())},
                   {"leaseTransitions", record.transitions}};
  return lease.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

bool LeaseElector::TryCreate(const CallOptions& call) {
  Record record;
  record.holder = options_.identity;
  record.acquire_time = MicroTime(clock_.Now());
  ApiReply reply = client_.Create(Path(true), Body(record, options_.duration), call);
  if (reply.ok()) return Observe(*reply);
  Fail(reply.error());
  return false;
}

bool LeaseElector::TryUpdate(const Record& before, const CallOptions& call) {
  Record record = before;
  if (before.holder != options_.identity) {
    record.holder = options_.identity;
    record.acquire_time = MicroTime(clock_.Now());
    ++record.transitions;
  }
  if (record.acquire_time.empty()) record.acquire_time = MicroTime(clock_.Now());
  ApiReply reply = client_.Replace(Path(false), Body(record, options_.duration), call);
  if (reply.ok()) return Observe(*reply);
  Fail(reply.error());
  return false;
}

void LeaseElector::Fail(const ApiError& error) {
  std::lock_guard lock(mutex_);
  last_error_ = error.Describe();
}

void LeaseElector::Release() {
  Record record;
  {
    std::lock_guard lock(mutex_);
    if (!held_) return;
    held_ = false;
    record = seen_;
  }
  record.holder.clear();
  ApiReply reply = client_.Replace(Path(false), Body(record, milliseconds(1000)),
                                   CallOptions::Within(options_.renew_deadline / 2));
  if (reply.ok()) {
    LogInfo("lease released", {{"lease", options_.ns + "/" + options_.name}});
  } else {
    LogWarn("lease not released; it runs out by itself", {{"error", reply.error().Describe()}});
  }
}

}  // namespace databuild::kube
