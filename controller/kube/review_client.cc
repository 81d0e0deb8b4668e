#include "controller/kube/review_client.h"

#include <nlohmann/json.hpp>

#include "controller/kube/json_view.h"

namespace databuild::kube {

namespace {

using Json = nlohmann::json;

constexpr auto kReviewTimeout = std::chrono::seconds(10);

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::vector<std::string> Texts(const JsonView& list) {
  std::vector<std::string> out;
  list.ForEachItem([&](const JsonView& item) { out.push_back(item.Str()); });
  return out;
}

}  // namespace

Result<TokenReviewAnswer> KubeReviewClient::ReviewToken(const std::string& token,
                                                        const std::vector<std::string>& audiences) {
  Json body{{"apiVersion", ApiVersion(kTokenReviews)},
            {"kind", "TokenReview"},
            {"spec", {{"token", token}, {"audiences", audiences}}}};
  ApiReply reply =
      client_.Create({kTokenReviews, "", "", ""}, Dump(body), CallOptions::Within(kReviewTimeout));
  if (!reply.ok()) return reply.error().ToError();
  JsonParser parser;
  ASSIGN_OR_RETURN(JsonView review, parser.Parse(*reply));
  JsonView status = review["status"];
  JsonView user = status["user"];
  TokenReviewAnswer answer;
  answer.authenticated = status["authenticated"].Bool();
  answer.user = user["username"].Str();
  answer.uid = user["uid"].Str();
  answer.groups = Texts(user["groups"]);
  user["extra"].ForEachField([&](std::string_view key, const JsonView& values) {
    answer.extra.emplace(std::string(key), Texts(values));
  });
  answer.audiences = Texts(status["audiences"]);
  answer.error = status["error"].Str();
  return answer;
}

Result<bool> KubeReviewClient::ReviewAccess(const Caller& caller, const AccessQuestion& question) {
  Json attributes{{"verb", question.verb},
                  {"group", question.group},
                  {"resource", question.resource},
                  {"namespace", question.graph}};
  if (!question.subresource.empty()) attributes["subresource"] = question.subresource;
  Json body{{"apiVersion", ApiVersion(kAccessReviews)},
            {"kind", "SubjectAccessReview"},
            {"spec",
             {{"user", caller.name},
              {"uid", caller.uid},
              {"groups", caller.groups},
              {"extra", caller.extra},
              {"resourceAttributes", std::move(attributes)}}}};
  ApiReply reply =
      client_.Create({kAccessReviews, "", "", ""}, Dump(body), CallOptions::Within(kReviewTimeout));
  if (!reply.ok()) return reply.error().ToError();
  JsonParser parser;
  ASSIGN_OR_RETURN(JsonView review, parser.Parse(*reply));
  JsonView status = review["status"];
  if (!status["allowed"].exists()) {
    return Error{Errc::kCorrupt,
                 "the SubjectAccessReview for " + caller.name + " came back without an answer"};
  }
  return status["allowed"].Bool() && !status["denied"].Bool();
}

}  // namespace databuild::kube
