#include "controller/kube/api_client.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <set>

#include "bel/base/log.h"

namespace databuild::kube {

namespace {

using std::chrono::steady_clock;

constexpr int kRetriesMax = 10;  // of one call, each asked for by the server's Retry-After
constexpr size_t kRememberedWarnings = 1000;

ApiError FromFault(const HttpFault& fault, const std::string& request) {
  ApiError error;
  error.failure = fault.failure;
  error.message = fault.message;
  error.request = request;
  return error;
}

bool IsRetried(const ApiError& error) {
  bool busy = error.http_status == 429 || error.http_status >= 500;
  return busy && error.retry_after.has_value() && error.failure != ApiFailure::kVersionTooLarge;
}

// "https://10.0.0.1:6443/path" -> "10.0.0.1:6443"
std::string HostOf(const std::string& server) {
  size_t start = server.find("://");
  start = start == std::string::npos ? 0 : start + 3;
  return server.substr(start, server.find('/', start) - start);
}

// Does the request change what the server stores?
bool IsWrite(const HttpRequest& request) {
  if (request.method == "GET") return false;
  const std::string& target = request.target;
  return target.find("dryRun=All") == std::string::npos &&
         !target.starts_with("/apis/authentication.k8s.io/") &&
         !target.starts_with("/apis/authorization.k8s.io/");
}

// Waits, unless the caller's deadline comes first or it is stopped.
std::optional<ApiError> Sleep(DurationNs duration, const CallOptions& options) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  auto until = steady_clock::now() + std::chrono::nanoseconds(duration);
  if (until >= options.deadline) {
    ApiError error;
    error.failure = ApiFailure::kTimeout;
    error.message = "the server asks to wait longer than the call may take";
    return error;
  }
  never.wait_until(lock, options.stop, until, [] { return false; });
  if (!options.stop.stop_requested()) return std::nullopt;
  ApiError error;
  error.failure = ApiFailure::kStopped;
  error.message = "stopped while waiting to try again";
  return error;
}

// At most `parallel` calls at once, at most `qps` starts a second with `burst` saved up.
class Gate {
 public:
  Gate(int parallel, double qps, int burst)
      : free_(parallel), qps_(qps), burst_(std::max(burst, 1)), saved_(burst_) {}

  std::optional<ApiError> Enter(const CallOptions& options) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_until(lock, options.stop, options.deadline, [this] { return free_ > 0; }))
      return Refusal(options);
    --free_;
    if (qps_ <= 0) return std::nullopt;
    auto now = steady_clock::now();
    saved_ = std::min<double>(
        burst_, saved_ + qps_ * std::chrono::duration<double>(now - refilled_).count());
    refilled_ = now;
    saved_ -= 1;  // may go below zero: a place in the queue
    double wait = saved_ < 0 ? -saved_ / qps_ : 0;
    lock.unlock();
    if (wait == 0) return std::nullopt;
    auto stopped = Sleep(static_cast<DurationNs>(wait * kSecond), options);
    if (stopped) Leave();
    return stopped;
  }

  void Leave() {
    {
      std::lock_guard lock(mutex_);
      ++free_;
    }
    changed_.notify_one();
  }

 private:
  static ApiError Refusal(const CallOptions& options) {
    ApiError error;
    error.failure = options.stop.stop_requested() ? ApiFailure::kStopped : ApiFailure::kTimeout;
    error.message = "waiting for a free place among the calls in flight";
    return error;
  }

  std::mutex mutex_;  // guards what follows
  std::condition_variable_any changed_;
  int free_;
  const double qps_;
  const int burst_;
  double saved_;
  steady_clock::time_point refilled_ = steady_clock::now();
};

}  // namespace

std::optional<ApiError> ByteStream::Read(const CallOptions& options, std::string& out, bool& end) {
  auto fault = exchange_->Read(options.deadline, options.stop, out, end);
  if (!fault) return std::nullopt;
  return FromFault(*fault, request_);
}

struct ApiClient::Core {
  Core(const ClusterAccess& cluster, ApiClientOptions settings)
      : access(cluster),
        options(std::move(settings)),
        host(HostOf(cluster.server)),
        tokens(cluster),
        gate(options.parallel_calls, options.qps, options.burst) {}

  const ClusterAccess access;
  const ApiClientOptions options;
  const std::string host;
  TokenSource tokens;
  Gate gate;
  std::unique_ptr<HttpTransport> unary;
  std::unique_ptr<HttpTransport> streams;
  std::mutex warnings_mutex;
  std::set<std::string> warnings;  // texts logged already; guarded by warnings_mutex

  struct Opened {
    std::unique_ptr<HttpExchange> exchange;
    HttpHead head;
  };

  HttpRequest Prepare(const std::string& method, const std::string& target) {
    HttpRequest request;
    request.method = method;
    request.target = target;
    request.headers = {{"Accept", "application/json"}, {"User-Agent", options.user_agent}};
    // A token never travels in the clear.
    if (std::string token = tokens.Token(); !token.empty() && access.is_https())
      request.headers.emplace_back("Authorization", "Bearer " + token);
    return request;
  }

  void Observe(const HttpRequest& request, steady_clock::time_point start, int status) {
    if (!options.observe) return;
    RequestObservation seen;
    seen.method = request.method;
    seen.code = status == 0 ? "<error>" : std::to_string(status);
    seen.host = host;
    seen.duration = std::chrono::nanoseconds(steady_clock::now() - start).count();
    options.observe(seen);
  }

  void LogWarning(const HttpRequest& request, const std::string& warning) {
    if (warning.empty()) return;
    {
      std::lock_guard lock(warnings_mutex);
      if (warnings.size() >= kRememberedWarnings || !warnings.insert(warning).second) return;
    }
    LogWarn("the API server warns",
            {{"request", request.method + " " + request.target}, {"warning", warning}});
  }

  // Status and headers of a 2xx answer; the body is left in the exchange.
  ApiResult<Opened> Open(HttpTransport& transport, const HttpRequest& request,
                         const CallOptions& call) {
    const std::string name = request.method + " " + request.target;
    Opened opened;
    for (bool retried = false;; retried = true) {
      if (options.may_write && IsWrite(request) && !options.may_write()) {
        ApiError error;
        error.failure = ApiFailure::kFenced;
        error.message = "not sent: the lease is no longer held for sure";
        error.request = name;
        return error;
      }
      auto start = steady_clock::now();
      opened.exchange = transport.Start(request);
      auto fault = opened.exchange->ReadHead(call.deadline, call.stop, opened.head);
      Observe(request, start, fault ? 0 : opened.head.status);
      if (!fault) break;
      if (!fault->stale_connection || retried) return FromFault(*fault, name);
    }
    LogWarning(request, opened.head.warning);
    if (opened.head.status / 100 == 2) return opened;
    if (opened.head.status == 401) tokens.Invalidate();
    std::string body;
    // The body only words the error; without it the status still says enough.
    (void)ReadAll(*opened.exchange, call, name, body);
    ApiError error = ErrorFromAnswer(opened.head.status, body, opened.head.retry_after);
    error.request = name;
    return error;
  }

  std::optional<ApiError> ReadAll(HttpExchange& exchange, const CallOptions& call,
                                  const std::string& name, std::string& body) {
    bool end = false;
    while (!end) {
      if (auto fault = exchange.Read(call.deadline, call.stop, body, end))
        return FromFault(*fault, name);
      if (body.size() > options.body_bytes_max) {
        ApiError error;
        error.failure = ApiFailure::kMalformed;
        error.message = "the answer is larger than " + std::to_string(options.body_bytes_max) +
                        " bytes: use smaller pages";
        error.request = name;
        return error;
      }
    }
    return std::nullopt;
  }

  ApiReply Once(const HttpRequest& request, const CallOptions& call) {
    if (auto refused = gate.Enter(call)) {
      refused->request = request.method + " " + request.target;
      return *refused;
    }
    auto opened = Open(*unary, request, call);
    std::string body;
    std::optional<ApiError> failed;
    if (opened.ok())
      failed = ReadAll(*opened->exchange, call, request.method + " " + request.target, body);
    gate.Leave();
    if (!opened.ok()) return opened.error();
    if (failed) return *failed;
    return body;
  }

  ApiReply Call(const HttpRequest& request, const CallOptions& call) {
    for (int attempt = 0;; ++attempt) {
      ApiReply reply = Once(request, call);
      if (reply.ok() || attempt >= kRetriesMax || !IsRetried(reply.error())) return reply;
      if (Sleep(*reply.error().retry_after, call)) return reply;
    }
  }

  ApiReply CallWithBody(const std::string& method, const std::string& target, std::string body,
                        const CallOptions& call) {
    HttpRequest request = Prepare(method, target);
    request.content_type = "application/json";
    request.body = std::move(body);
    return Call(request, call);
  }

  ApiResult<std::unique_ptr<ByteStream>> Stream(const std::string& target,
                                                const CallOptions& call) {
    HttpRequest request = Prepare("GET", target);
    auto opened = Open(*streams, request, call);
    if (!opened.ok()) return opened.error();
    return std::make_unique<ByteStream>(std::move(opened->exchange), "GET " + target);
  }
};

ApiClient::ApiClient(std::unique_ptr<Core> core) : core_(std::move(core)) {}
ApiClient::~ApiClient() = default;

Result<std::unique_ptr<ApiClient>> ApiClient::Create(const ClusterAccess& access,
                                                     ApiClientOptions options) {
  auto core = std::make_unique<Core>(access, std::move(options));
  TransportOptions unary;
  unary.inactivity = core->options.inactivity;
  ASSIGN_OR_RETURN(core->unary, HttpTransport::Open(access, unary));
  TransportOptions streams;
  streams.inactivity = core->options.stream_inactivity;
  ASSIGN_OR_RETURN(core->streams, HttpTransport::Open(access, streams));
  return std::unique_ptr<ApiClient>(new ApiClient(std::move(core)));
}

const ClusterAccess& ApiClient::access() const { return core_->access; }

ApiReply ApiClient::Get(const ObjectPath& path, const CallOptions& options) {
  return core_->Call(core_->Prepare("GET", path.Text()), options);
}

ApiReply ApiClient::List(const ObjectPath& path, const ListOptions& list,
                         const CallOptions& options) {
  return core_->Call(core_->Prepare("GET", path.Text() + EncodeQuery(ListQuery(list))), options);
}

ApiReply ApiClient::Create(const ObjectPath& path, const std::string& body,
                           const CallOptions& options) {
  Query query{{"fieldManager", core_->options.field_manager}};
  return core_->CallWithBody("POST", path.Text() + EncodeQuery(query), body, options);
}

ApiReply ApiClient::DryRunCreate(const ObjectPath& path, const std::string& body,
                                 const CallOptions& options) {
  Query query{{"fieldManager", core_->options.field_manager}, {"dryRun", "All"}};
  return core_->CallWithBody("POST", path.Text() + EncodeQuery(query), body, options);
}

ApiReply ApiClient::Replace(const ObjectPath& path, const std::string& body,
                            const CallOptions& options) {
  Query query{{"fieldManager", core_->options.field_manager}};
  return core_->CallWithBody("PUT", path.Text() + EncodeQuery(query), body, options);
}

ApiReply ApiClient::Patch(const ObjectPath& path, PatchType type, const std::string& body,
                          const CallOptions& options) {
  Query query{{"fieldManager", core_->options.field_manager}};
  if (type == PatchType::kApply) query.emplace_back("force", "true");
  const char* content = type == PatchType::kApply  ? "application/apply-patch+yaml"
                        : type == PatchType::kJson ? "application/json-patch+json"
                                                   : "application/merge-patch+json";
  HttpRequest request = core_->Prepare("PATCH", path.Text() + EncodeQuery(query));
  request.content_type = content;
  request.body = body;
  return core_->Call(request, options);
}

ApiReply ApiClient::Delete(const ObjectPath& path, const DeleteOptions& what,
                           const CallOptions& options) {
  return core_->CallWithBody("DELETE", path.Text(), DeleteBody(what), options);
}

ApiResult<std::unique_ptr<ByteStream>> ApiClient::Watch(const ObjectPath& path,
                                                        const WatchOptions& watch,
                                                        const CallOptions& options) {
  return core_->Stream(path.Text() + EncodeQuery(WatchQuery(watch)), options);
}

ApiResult<std::unique_ptr<ByteStream>> ApiClient::PodLog(const ObjectPath& pod,
                                                         const LogOptions& log,
                                                         const CallOptions& options) {
  ObjectPath path = pod;
  path.subresource = "log";
  return core_->Stream(path.Text() + EncodeQuery(LogQuery(log)), options);
}

}  // namespace databuild::kube
