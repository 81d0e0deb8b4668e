#include "controller/api/batch.h"

#include <cctype>

#include "bel/query_page.h"
#include "controller/api/api_error.h"
#include "controller/api/write_methods.h"
#include "databuild/v1/databuild.pb.h"

namespace databuild {
namespace {

namespace pb = google::protobuf;

constexpr char kBatched[] = "Batched";

// "GetBuildSummary" as "get_build_summary".
std::string FieldName(const std::string& method) {
  std::string name;
  for (const char c : method) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isupper(byte) && !name.empty()) name.push_back('_');
    name.push_back(static_cast<char>(std::tolower(byte)));
  }
  return name;
}

// The one field of an entry that is set.
Result<const pb::FieldDescriptor*> EntryField(const v1::RequestContainer& entry) {
  std::vector<const pb::FieldDescriptor*> set;
  entry.GetReflection()->ListFields(entry, &set);
  if (set.size() == 1) return set.front();
  return Error{Errc::kInvalidArgument,
               "exactly one request must be set, " + std::to_string(set.size()) + " are"};
}

struct Batch {
  const MethodTable& table;
  const Admission& admission;
  const Call& call;
  const std::chrono::steady_clock::time_point create_by;
};

Status AnswerEntry(const Batch& batch, const v1::RequestContainer& entry,
                   v1::ResponseContainer& response) {
  ASSIGN_OR_RETURN(const pb::FieldDescriptor* field, EntryField(entry));
  if (field->number() == v1::RequestContainer::kListBuildEventsFieldNumber) {
    return FieldError("list_build_events", "this is an answer's type; use get_build_events");
  }
  const Method* method = MethodOfEntry(batch.table, field->name());
  if (method == nullptr) return FieldError(field->name(), "a batch cannot hold this call");
  Call call;
  call.caller = batch.call.caller;
  call.request_id = batch.call.request_id;
  call.peer = batch.call.peer;
  std::shared_ptr<pb::Message> request(method->request->New());
  request->CopyFrom(entry.GetReflection()->GetMessage(entry, field));
  call.request = request;
  call.last_try = true;  // nothing waits
  call.create_by = batch.create_by;
  const std::string own = Admission::GraphField(*request);
  ASSIGN_OR_RETURN(call.graph, batch.admission.GraphOf({own.empty() ? batch.call.graph : own}));
  RETURN_IF_ERROR(batch.admission.Admit(*method, call));
  ASSIGN_OR_RETURN(const Outcome outcome, method->handler(call));
  const std::string& name = field->number() == v1::RequestContainer::kGetBuildEventsFieldNumber
                                ? "list_build_events"
                                : field->name();
  const auto* out = response.GetDescriptor()->FindFieldByName(name);
  response.GetReflection()
      ->MutableMessage(&response, out)
      ->CopyFrom(*std::get<Answer>(outcome).message);
  return {};
}

}  // namespace

const Method* MethodOfEntry(const MethodTable& table, const std::string& field) {
  const std::string wanted = field == "build_request_status" ? "get_build_summary" : field;
  for (const Method& method : table.methods()) {
    if (method.name != kBatched && FieldName(method.name) == wanted) return &method;
  }
  return nullptr;
}

Result<Outcome> HandleBatch(const MethodTable& table, const Admission& admission,
                            const Call& batch) {
  const auto& request = static_cast<const v1::BatchedRequest&>(*batch.request);
  if (request.requests().size() > kMaxBatch) {
    return FieldError("requests", "at most " + std::to_string(kMaxBatch) + ", got " +
                                      std::to_string(request.requests().size()));
  }
  const Batch calls{table, admission, batch, std::chrono::steady_clock::now() + kCreateTime};
  auto response = std::make_shared<v1::BatchedResponse>();
  for (const auto& [key, entry] : request.requests()) {
    v1::ResponseContainer answer;
    const Status answered = AnswerEntry(calls, entry, answer);
    if (answered.ok()) {
      (*response->mutable_responses())[key] = std::move(answer);
      continue;
    }
    v1::ErrorContainer& error = (*response->mutable_errors())[key];
    error.set_error_message(answered.error().message);
    error.set_code(WireCodeOf(answered.error().code).name);
  }
  return Outcome(Answer{std::move(response), ""});
}

}  // namespace databuild
