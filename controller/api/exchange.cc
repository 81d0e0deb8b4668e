#include "controller/api/exchange.h"

#include <algorithm>

#include "bel/base/log.h"
#include "bel/base/uuid.h"
#include "bel/event_log.h"
#include "controller/api/api_error.h"
#include "controller/api/gzip.h"
#include "controller/api/message_codec.h"
#include "controller/metrics/metrics.h"

namespace databuild {
namespace {

constexpr char kRequestIdHeader[] = "x-request-id";
constexpr size_t kMaxRequestId = 128;
constexpr size_t kMaxLoggedPath = 256;

// The caller's own id of the request, if it can stand in headers and log lines; else a new one.
std::string RequestIdOf(const HttpRequest& request) {
  const std::string id(request.Header(kRequestIdHeader).value_or(""));
  const bool usable =
      !id.empty() && id.size() <= kMaxRequestId &&
      id.find_first_not_of(
          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/+=@") ==
          std::string::npos;
  return usable ? id : RandomUuid();
}

}  // namespace

Exchange::Exchange(HttpRequest arrived_request, std::shared_ptr<HttpReply> its_reply,
                   Metrics* metrics)
    : request(std::move(arrived_request)), reply(std::move(its_reply)), metrics_(metrics) {
  call.request_id = RequestIdOf(request);
  call.peer = request.peer;
  if (metrics_ != nullptr) metrics_->Add(Metric::kApiInFlight, {}, 1);
}

Exchange::~Exchange() {
  if (metrics_ != nullptr) metrics_->Add(Metric::kApiInFlight, {}, -1);
}

void Exchange::Fail(const Error& error) { Send(ErrorResponse(error), WireCodeOf(error.code).name); }

void Exchange::Fail(int http_status, const Error& error,
                    std::pair<std::string, std::string> header) {
  HttpResponse response = ErrorResponse(http_status, error);
  if (!header.first.empty()) response.headers.push_back(std::move(header));
  Send(std::move(response), WireCodeOf(error.code).name);
}

// Reads go on from memory while the log cannot be read or written; how long that has been.
void Exchange::SayHowOld(HttpResponse& response) const {
  if (call.log == nullptr) return;
  const LogHealth health = call.log->health();
  if (health.writable) return;
  const DurationNs stale = std::max<DurationNs>(0, health.stale_for);
  response.headers.emplace_back("databuild-stale-seconds", std::to_string(stale / kSecond));
}

namespace {

// Whether an If-None-Match header names the tag; weak and strong ones compare alike (RFC 9110,
// 13.1.2).
bool Names(std::string_view if_none_match, const std::string& tag) {
  return if_none_match == "*" || if_none_match.find("\"" + tag + "\"") != std::string_view::npos;
}

}  // namespace

void Exchange::Succeed(const Answer& answer) {
  HttpResponse response;
  response.content_type = "application/json";
  SayHowOld(response);
  if (door == Door::kConnectProto) {
    response.content_type = "application/proto";
    response.body = answer.message->SerializeAsString();
    return Send(std::move(response), "ok");
  }
  if (door == Door::kRest && !answer.tag.empty()) {
    // The tag is of the state, not of the bytes; the same request to the same state gives the same
    // answer.
    const std::string tag = "W/\"" + answer.tag + "\"";
    response.headers.emplace_back("ETag", tag);
    response.headers.emplace_back("Cache-Control", "no-cache, private");
    if (Names(request.Header("if-none-match").value_or(""), answer.tag)) {
      response.status = 304;
      return Send(std::move(response), "ok");
    }
  }
  auto text =
      EncodeJson(*answer.message, door == Door::kRest ? JsonStyle::kRest : JsonStyle::kConnect);
  if (!text.ok()) return Fail(text.error());
  response.body = std::move(*text);
  if (door == Door::kRest) response.body.push_back('\n');
  Send(std::move(response), "ok");
}

void Exchange::SucceedWith(std::string json) {
  HttpResponse response;
  response.content_type = "application/json";
  response.body = std::move(json);
  Send(std::move(response), "ok");
}

void Exchange::Compress(HttpResponse& response) const {
  if (response.body.size() < kMinGzipBytes) return;
  response.headers.emplace_back("Vary", "Accept-Encoding");
  if (!AcceptsGzip(request.Header("accept-encoding").value_or(""))) return;
  std::optional<std::string> packed = Gzip(response.body);
  if (!packed) return;
  response.body = std::move(*packed);
  response.headers.emplace_back("Content-Encoding", "gzip");
}

void Exchange::Send(HttpResponse response, const char* code) {
  const std::string name = method == nullptr ? "other" : method->name;
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - arrived;
  response.headers.emplace_back("X-Request-Id", call.request_id);
  LogDebug("request", {{"method", name},
                       {"verb", request.method},
                       {"path", std::string_view(request.path).substr(0, kMaxLoggedPath)},
                       {"graph", call.graph},
                       {"caller", call.caller.name},
                       {"code", code},
                       {"status", response.status},
                       {"seconds", took.count()},
                       {"bytes", response.body.size()},
                       {"request_id", call.request_id},
                       {"peer", call.peer}});
  if (metrics_ != nullptr) {
    metrics_->Add(Metric::kApiRequests, {name, code});
    metrics_->Observe(Metric::kApiDuration, {name}, took.count());
  }
  Compress(response);
  reply->Send(std::move(response));
}

}  // namespace databuild
