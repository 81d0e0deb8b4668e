// One request on its way through the API, and how its answer is written and counted. Private to the
// service.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "controller/api/http_message.h"
#include "controller/api/method_table.h"

namespace databuild {

class Metrics;

enum class Door { kRest, kConnectJson, kConnectProto };

class Exchange {
 public:
  Exchange(HttpRequest request, std::shared_ptr<HttpReply> reply, Metrics* metrics);
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  void Fail(const Error& error);
  void Fail(int http_status, const Error& error, std::pair<std::string, std::string> header = {});
  void Succeed(const Answer& answer);
  void SucceedWith(std::string json);

  HttpRequest request;
  std::shared_ptr<HttpReply> reply;
  Door door = Door::kRest;
  const Method* method = nullptr;  // nullptr: none matched
  RestMatch rest;
  Call call;
  MethodHandler again;    // of a call that was handled before and waits; empty: its method's
  int64_t min_index = 0;  // databuild-min-index: the log must have come there
  const std::chrono::steady_clock::time_point arrived = std::chrono::steady_clock::now();
  std::optional<std::chrono::steady_clock::time_point> client_deadline;  // Connect-Timeout-Ms
  std::shared_ptr<const void> budget;  // the caller's share, while this is under way

 private:
  void Send(HttpResponse response, const char* code);
  void SayHowOld(HttpResponse& response) const;
  void Compress(HttpResponse& response) const;

  Metrics* const metrics_;
};

}  // namespace databuild
