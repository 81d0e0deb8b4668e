#include "controller/api/api_service.h"

#include <algorithm>
#include <charconv>

#include "bel/event_log.h"
#include "bel/query_page.h"
#include "controller/api/admission.h"
#include "controller/api/audit.h"
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
constexpr char kMinIndexHeader[] = "databuild-min-index";
constexpr std::chrono::milliseconds kMinIndexWait{2'000};

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
        admission_(*options.graphs, *options.auth, options.objects),
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
  bool CheckBody(Exchange& exchange);
  void Work(const ExchangePtr& exchange);
  Status Admit(Exchange& exchange);
  Result<std::shared_ptr<const pb::Message>> Decode(const Exchange& exchange) const;
  void Handle(const ExchangePtr& exchange);
  Status ReadMinIndex(Exchange& exchange);
  void HandleAtIndex(const ExchangePtr& exchange);
  void Await(const ExchangePtr& exchange, Wait wait);
  using Next = std::function<void(bool expired)>;
  bool Park(const ExchangePtr& exchange, Wait wait, Next next);

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
  exchange.rest = table_.FindRest(request.method, request.path);
  exchange.method = exchange.rest.method;
  if (exchange.method != nullptr) return RouteRest(exchange);
  if (const std::string& allow = exchange.rest.allow; !allow.empty()) {
    exchange.Fail(405, {Errc::kInvalidArgument, "this path answers " + allow}, {"Allow", allow});
    return false;
  }
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
  exchange.door = Door::kConnectJson;
  if (!CheckBody(exchange)) return false;
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
  return !exchange.method->Writes() || CheckBody(exchange);
}

// What a browser may send elsewhere without asking (a form, text) is refused by its type.
bool ApiServiceOverTable::CheckBody(Exchange& exchange) {
  const HttpRequest& request = exchange.request;
  const std::string type = MediaType(request.Header("content-type").value_or(""));
  const bool proto = type == "application/proto" && exchange.door != Door::kRest;
  if (type != "application/json" && !proto) {
    const std::string known =
        exchange.door == Door::kRest ? "application/json" : "application/json, application/proto";
    exchange.Fail(415, {Errc::kInvalidArgument, "Content-Type '" + type + "': send " + known},
                  {"Accept-Post", known});
    return false;
  }
  if (proto) exchange.door = Door::kConnectProto;
  if (const auto encoding = request.Header("content-encoding");
      encoding && *encoding != "identity") {
    exchange.Fail(
        {Errc::kUnsupported, "Content-Encoding '" + std::string(*encoding) + "': send identity"});
    return false;
  }
  return true;
}

void ApiServiceOverTable::Work(const ExchangePtr& exchange) {
  if (const Status admitted = Admit(*exchange); !admitted.ok())
    return exchange->Fail(admitted.error());
  HandleAtIndex(exchange);
}

// Everything that is decided before a handler sees the call.
Status ApiServiceOverTable::Admit(Exchange& exchange) {
  Call& call = exchange.call;
  if (exchange.client_deadline && steady_clock::now() >= *exchange.client_deadline) {
    return Error{Errc::kDeadlineExceeded, "the caller's time was over before its turn came"};
  }
  Result<Caller> caller = options_.auth->Authenticate(exchange.request);
  if (!caller.ok()) {
    AuditRefusal(call, *exchange.method, exchange.method->access, caller.error());
    return caller.error();
  }
  call.caller = std::move(*caller);
  auto budget = budget_.Take(call.caller.name);
  if (!budget.ok()) {
    polls_.ForgetGone();  // clients that left while they waited hold their shares until now
    budget = budget_.Take(call.caller.name);
  }
  ASSIGN_OR_RETURN(exchange.budget, std::move(budget));
  ASSIGN_OR_RETURN(call.request, Decode(exchange));
  RETURN_IF_ERROR(ReadMinIndex(exchange));
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
  } else if (exchange.method->Writes()) {
    if (!exchange.request.query.empty()) {
      return FieldError("query", "this call takes its fields in a JSON body");
    }
    RETURN_IF_ERROR(DecodeJson(exchange.request.body, *message));
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

// Header databuild-min-index: the caller wants to read what it wrote.
Status ApiServiceOverTable::ReadMinIndex(Exchange& exchange) {
  const auto header = exchange.request.Header(kMinIndexHeader);
  if (!header) return {};
  const char* const end = header->data() + header->size();
  const auto [stop, error] = std::from_chars(header->data(), end, exchange.min_index);
  if (error != std::errc() || stop != end || exchange.min_index < 0 ||
      exchange.request.HeaderCount(kMinIndexHeader) > 1) {
    return FieldError(kMinIndexHeader, "one index of the log, a whole number from 0 on");
  }
  if (!exchange.method->IsBatch()) return {};
  return FieldError(kMinIndexHeader, "not with Batched, whose calls may be of several graphs");
}

// Handles the call as soon as the log has come as far as it asks.
void ApiServiceOverTable::HandleAtIndex(const ExchangePtr& exchange) {
  const bool reads = !exchange->method->IsBatch() && !exchange->method->Writes();
  const int64_t wanted = reads ? exchange->min_index : 0;
  const auto behind = [exchange, wanted] { return exchange->call.log->head() < wanted; };
  if (wanted == 0 || !behind()) return Handle(exchange);
  const auto go_on = [this, exchange, behind, wanted](bool) {
    if (!behind()) return Handle(exchange);
    exchange->Fail({Errc::kUnavailable, "graph " + exchange->call.graph + ": the log has come to " +
                                            std::to_string(exchange->call.log->head()) +
                                            ", not yet to " + std::to_string(wanted) +
                                            "; try again"});
  };
  if (!Park(exchange, {wanted - 1, nullptr, kMinIndexWait, nullptr}, go_on)) go_on(true);
}

void ApiServiceOverTable::Handle(const ExchangePtr& exchange) {
  const MethodHandler& handler =
      exchange->again != nullptr ? exchange->again : exchange->method->handler;
  auto outcome = exchange->method->IsBatch() ? HandleBatch(table_, admission_, exchange->call)
                                             : handler(exchange->call);
  if (!outcome.ok()) return exchange->Fail(outcome.error());
  if (auto* wait = std::get_if<Wait>(&*outcome)) return Await(exchange, std::move(*wait));
  exchange->Succeed(std::get<Answer>(*outcome));
}

void ApiServiceOverTable::Await(const ExchangePtr& exchange, Wait wait) {
  exchange->call.scanned_idx = wait.since_idx;
  if (wait.again != nullptr) exchange->again = std::move(wait.again);
  const auto go_on = [this, exchange](bool expired) {
    exchange->call.last_try = expired;
    Handle(exchange);
  };
  if (!Park(exchange, std::move(wait), go_on)) go_on(true);
}

// False: no room. Otherwise `next` is called on a worker, once.
bool ApiServiceOverTable::Park(const ExchangePtr& exchange, Wait wait, Next next) {
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
  parked.resume = [this, exchange, waiting, next = std::move(next)](bool expired) {
    if (exchange->reply->gone()) return exchange->Fail({Errc::kCancelled, "the client has gone"});
    if (workers_.Submit([next, expired] { next(expired); })) return;
    exchange->Fail({Errc::kUnavailable, "too many requests in line; try again"});
  };
  return polls_.Park(std::move(parked));
}

}  // namespace

std::unique_ptr<ApiService> ApiService::Make(ApiServiceOptions options) {
  return std::make_unique<ApiServiceOverTable>(options);
}

}  // namespace databuild
