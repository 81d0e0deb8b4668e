// Every call of the service API, once: both doors, validation, rights and metrics read this table.
//
// A method is reachable as POST /<service>/<name> (Connect unary) and, when it has a REST path, as
// GET /api/v1/graphs/{graph}/<path>, or POST with a JSON body when it creates something. What is
// not in the table does not exist.
#pragma once

#include <google/protobuf/message.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "bel/base/result.h"
#include "controller/api/auth.h"

namespace databuild {

class EventLog;
class EventMatcher;
class GraphSource;
class ObjectCreator;
struct QueryView;

// One request: decoded, and its caller allowed.
struct Call {
  std::shared_ptr<const google::protobuf::Message> request;
  const GraphSource* source = nullptr;
  std::string graph;
  std::shared_ptr<const EventLog> log;
  Caller caller;
  std::string request_id;            // header x-request-id
  std::string peer;                  // address of the client
  ObjectCreator* objects = nullptr;  // nullptr: this operator takes no writes
  // All writes of a batch together end then; nullopt: a single call has its own time.
  std::optional<std::chrono::steady_clock::time_point> create_by;

  // For calls that wait for events: handled again when something may match, and a last time at the
  // end.
  int64_t scanned_idx = -1;  // as the Wait before said; -1: first try
  bool last_try = false;     // answer now, with whatever there is

  // source->Read of the graph; kNotFound: there is no such graph here.
  Status Read(bool reasons, const std::function<void(const QueryView&)>& read) const;
};

struct Answer {
  std::shared_ptr<const google::protobuf::Message> message;
  std::string tag;  // identity of the state it reflects, for ETag; empty: none
};

struct Wait;
using Outcome = std::variant<Answer, Wait>;
using MethodHandler = std::function<Result<Outcome>(const Call&)>;

// Nothing to say yet: handle the call again when an event after since_idx may match, at most this
// long from arrival.
struct Wait {
  int64_t since_idx = 0;
  std::shared_ptr<const EventMatcher> matcher;
  std::chrono::milliseconds at_most{0};
  MethodHandler again = nullptr;  // handles it from now on; empty: the method's own handler
};

struct Method {
  std::string service;    // "databuild.v1.DataBuildService"
  std::string name;       // "ListWants"
  std::string rest_path;  // "wants/{want_id}"; "{ref*}" takes the rest of the path; empty: RPC only
  std::string
      inner;  // message field of the request whose fields a query may name directly; or empty
  AccessQuestion access;                               // without the graph
  const google::protobuf::Message* request = nullptr;  // prototype
  MethodHandler handler;                               // empty: Batched, which holds other calls

  bool IsBatch() const { return handler == nullptr; }
  bool Writes() const { return access.verb == "create"; }
  const char* RestVerb() const { return Writes() ? "POST" : "GET"; }
};

struct RestMatch {
  const Method* method = nullptr;
  std::string allow;  // verbs of the path, when it has others than the one asked for
  std::string graph;  // decoded
  std::vector<std::pair<std::string, std::string>>
      values;  // of the path, decoded: {"want_id", "…"}
};

class MethodTable {
 public:
  explicit MethodTable(std::vector<Method> methods) : methods_(std::move(methods)) {}

  const std::vector<Method>& methods() const { return methods_; }
  // nullptr: no such method.
  const Method* FindRpc(const std::string& path) const;
  // method == nullptr: no such path, or `allow` says with which verbs. `verb`: HEAD is a GET.
  RestMatch FindRest(const std::string& verb, const std::string& path) const;

 private:
  const std::vector<Method> methods_;
};

// The methods this release answers.
MethodTable MakeMethodTable();

}  // namespace databuild
