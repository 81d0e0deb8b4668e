#include "controller/api/api_service.h"

#include <algorithm>
#include <charconv>

#include "bel/event_log.h"
#include "bel/query_page.h"
#include "controller/api/admission.h"
#include "controller/api/batch.h"
#include "controller/api/caller_budget.h"
#include "controller/api/exchange.h"
#include "controller/api/graph_source.h"
#include "controller/api/long_polls.h"
#include "controller/api/message_codec.h"
#include "controller/api/method_table.h"
#include "controller/api/openapi.h"
#include "controller/api/worker_pool.h"
#include "controller/metrics/metrics.h"

namespace databuild {
namespace {

namespace pb = google::protobuf;
using std::chrono::steady_clock;
using ExchangePtr = std::shared_ptr<Exchange>;

constexpr char kGraphHeader[] = "databuild-graph";

std::string MediaType(std::string_view header) {
  std::string type(header.substr(0, header.find(';')));
  while (type.ends_with(' ')) type.pop_back();
  for (char& c : type) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return type;
}

class ApiServiceOverTable final : public ApiService {
 public:
  explicit ApiServiceOverTable(ApiServiceOptions options)
      : options_(options),
        table_(MakeMethodTable()),
        open_api_(OpenApiDocument(table_)),
        admission_(*options.graphs, *options.auth),
        budget_(options.max_requests_per_caller),
        polls_(options.max_long_polls),
        workers_(options.workers, options.max_queue) {}

  ~ApiServiceOverTable() override { polls_.Stop(); }

  HttpHandler Handler() override {
    return [this](HttpRequest request, std::shared_ptr<HttpReply> reply) {
      auto exchange =
          std::make_shared<Exchange>(std::move(request), std::move(reply), options_.metrics);
      if (!Route(*exchange)) return;
      if (workers_.Submit([this, exchange] { Work(exchange); })) return;
      exchange->Fail({Errc::kUnavailable, "too many requests in line; try again"});
    };
  }

  void StopWaiting() override { polls_.Stop(); }

 private:
  bool Route(Exchange& exchange);
  bool RouteRpc(Exchange& exchange);
  bool RouteRest(Exchange& exchange);
  void Work(const ExchangePtr& exchange);
  Status Admit(Exchange& exchange);
  Result<std::shared_ptr<const pb::Message>> Decode(const Exchange& exchange) const;
  void Handle(const ExchangePtr& exchange);
  void Park(const ExchangePtr& exchange, Wait wait);

  const ApiServiceOptions options_;
  const MethodTable table_;
  const std::string open_api_;
  const Admission admission_;
  CallerBudget budget_;
  LongPolls polls_;  // stopped before the workers go, and gone after them: the last of them may
                     // still park
  WorkerPool workers_;
};

// False: answered already.
bool ApiServiceOverTable::Route(Exchange& exchange) {
  const HttpRequest& request = exchange.request;
  if (request.path == kOpenApiPath && (request.method == "GET" || request.method == "HEAD")) {
    exchange.SucceedWith(open_api_);
    return false;
  }
  exchange.method = table_.FindRpc(request.path);
  if (exchange.method != nullptr) return RouteRpc(exchange);
  exchange.rest = table_.FindRest(request.path);
  exchange.method = exchange.rest.method;
  if (exchange.method != nullptr) return RouteRest(exchange);
  const bool rpc = request.path.starts_with("/databuild.v1.");
  exchange.Fail(404, {rpc ? Errc::kUnsupported : Errc::kNotFound,
                      request.path + ": there is no such " + (rpc ? "method" : "path") + " here"});
  return false;
}

bool ApiServiceOverTable::RouteRpc(Exchange& exchange) {
  const HttpRequest& request = exchange.request;
  if (request.method != "POST") {
    exchange.Fail(405, {Errc::kInvalidArgument, "methods are called with POST"}, {"Allow", "POST"});
    return false;
  }
  const std::string type = MediaType(request.Header("content-type").value_or(""));
  if (type != "application/json" && type != "application/proto") {
    exchange.Fail(415,
                  {Errc::kInvalidArgument,
                   "Content-Type '" + type + "': application/json or application/proto"},
                  {"Accept-Post", "application/json, application/proto"});
    return false;
  }
  exchange.door = type == "application/proto" ? Door::kConnectProto : Door::kConnectJson;
  if (const auto encoding = request.Header("content-encoding");
      encoding && *encoding != "identity") {
    exchange.Fail(
        {Errc::kUnsupported, "Content-Encoding '" + std::string(*encoding) + "': send identity"});
    return false;
  }
  if (const auto version = request.Header("connect-protocol-version"); version && *version != "1") {
    exchange.Fail({Errc::kInvalidArgument,
                   "Connect-Protocol-Version '" + std::string(*version) + "': 1 is known"});
    return false;
  }
  if (const auto timeout = request.Header("connect-timeout-ms")) {
    int64_t ms = 0;
    const auto [end, error] =
        std::from_chars(timeout->data(), timeout->data() + timeout->size(), ms);
    if (error != std::errc() || end != timeout->data() + timeout->size() || ms < 0 ||
        timeout->size() > 10) {
      exchange.Fail({Errc::kInvalidArgument, "Connect-Timeout-Ms: at most 10 digits"});
      return false;
    }
    exchange.client_deadline = exchange.arrived + std::chrono::milliseconds(ms);
  }
  return true;
}

bool ApiServiceOverTable::RouteRest(Exchange& exchange) {
  exchange.door = Door::kRest;
  if (exchange.request.method == "GET" || exchange.request.method == "HEAD") return true;
  exchange.Fail(405, {Errc::kInvalidArgument, "this path answers GET"}, {"Allow", "GET, HEAD"});
  return false;
}

void ApiServiceOverTable::Work(const ExchangePtr& exchange) {
  if (const Status admitted = Admit(*exchange); !admitted.ok())
    return exchange->Fail(admitted.error());
  Handle(exchange);
}

// Everything that is decided before a handler sees the call.
Status ApiServiceOverTable::Admit(Exchange& exchange) {
  Call& call = exchange.call;
  if (exchange.client_deadline && steady_clock::now() >= *exchange.client_deadline) {
    return Error{Errc::kDeadlineExceeded, "the caller's time was over before its turn came"};
  }
  ASSIGN_OR_RETURN(call.caller, options_.auth->Authenticate(exchange.request));
  auto budget = budget_.Take(call.caller.name);
  if (!budget.ok()) {
    polls_.ForgetGone();  // clients that left while they waited hold their shares until now
    budget = budget_.Take(call.caller.name);
  }
  ASSIGN_OR_RETURN(exchange.budget, std::move(budget));
  ASSIGN_OR_RETURN(call.request, Decode(exchange));
  const std::string field = Admission::GraphField(*call.request);
  const std::string header(exchange.request.Header(kGraphHeader).value_or(""));
  if (exchange.method->IsBatch()) {
    // Entries may name graphs of their own: each is admitted by itself.
    if (!field.empty() || !header.empty()) {
      ASSIGN_OR_RETURN(call.graph, admission_.GraphOf({field, header}));
    }
    return {};
  }
  ASSIGN_OR_RETURN(call.graph, admission_.GraphOf({exchange.rest.graph, field, header}));
  return admission_.Admit(*exchange.method, call);
}

Result<std::shared_ptr<const pb::Message>> ApiServiceOverTable::Decode(
    const Exchange& exchange) const {
  std::shared_ptr<pb::Message> message(exchange.method->request->New());
  if (exchange.door == Door::kConnectJson) {
    RETURN_IF_ERROR(DecodeJson(exchange.request.body, *message));
  } else if (exchange.door == Door::kConnectProto) {
    RETURN_IF_ERROR(DecodeBinary(exchange.request.body, *message));
  } else {
    const auto query = ParseQuery(exchange.request.query);
    if (!query) return FieldError("query", "broken percent escape");
    RETURN_IF_ERROR(ApplyQuery(*query, exchange.method->inner, *message));
    for (const auto& [name, value] : exchange.rest.values) {
      const auto* field = message->GetDescriptor()->FindFieldByName(name);
      if (field != nullptr && message->GetReflection()->HasField(*message, field))
        return FieldError(name, "given twice: it stands in the path");
    }
    RETURN_IF_ERROR(ApplyQuery(exchange.rest.values, "", *message));
  }
  return std::shared_ptr<const pb::Message>(std::move(message));
}

void ApiServiceOverTable::Handle(const ExchangePtr& exchange) {
  auto outcome = exchange->method->IsBatch() ? HandleBatch(table_, admission_, exchange->call)
                                             : exchange->method->handler(exchange->call);
  if (!outcome.ok()) return exchange->Fail(outcome.error());
  if (auto* wait = std::get_if<Wait>(&*outcome)) return Park(exchange, std::move(*wait));
  exchange->Succeed(std::get<Answer>(*outcome));
}

void ApiServiceOverTable::Park(const ExchangePtr& exchange, Wait wait) {
  exchange->call.scanned_idx = wait.since_idx;
  exchange->reply->WatchClient();
  ParkedCall parked;
  parked.log = exchange->call.log;
  parked.since_idx = wait.since_idx;
  parked.matcher = std::move(wait.matcher);
  parked.deadline = exchange->arrived + wait.at_most;
  if (exchange->client_deadline)
    parked.deadline = std::min(parked.deadline, *exchange->client_deadline);
  parked.gone = [reply = exchange->reply] { return reply->gone(); };
  if (options_.metrics != nullptr) options_.metrics->Add(Metric::kApiLongPolls, {}, 1);
  const std::shared_ptr<const void> waiting(nullptr, [metrics = options_.metrics](const void*) {
    if (metrics != nullptr) metrics->Add(Metric::kApiLongPolls, {}, -1);
  });
  parked.resume = [this, exchange, waiting](bool expired) {
    if (exchange->reply->gone()) return exchange->Fail({Errc::kCancelled, "the client has gone"});
    exchange->call.last_try = expired;
    if (workers_.Submit([this, exchange] { Handle(exchange); })) return;
    exchange->Fail({Errc::kUnavailable, "too many requests in line; try again"});
  };
  if (polls_.Park(std::move(parked))) return;
  exchange->call.last_try = true;
  Handle(exchange);
}

}  // namespace

std::unique_ptr<ApiService> ApiService::Make(ApiServiceOptions options) {
  return std::make_unique<ApiServiceOverTable>(options);
}

}  // namespace databuild
