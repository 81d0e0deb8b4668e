// The document against the table and the running service.
#include "controller/api/openapi.h"

#include <functional>

#include "controller/api/api_service_testing.h"

namespace databuild {
namespace {

void CheckReferences(const Json& node, const Json& document) {
  if (node.is_object() && node.contains("$ref")) {
    const std::string path = node["$ref"].get<std::string>().substr(1);
    EXPECT_TRUE(document.contains(Json::json_pointer(path))) << path;
  }
  for (const Json& child : node) {
    if (child.is_structured()) CheckReferences(child, document);
  }
}

TEST(OpenApiTest, HoldsEveryMethodAtEachOfItsDoorsAndNothingElse) {
  const MethodTable table = MakeMethodTable();
  const Json document = Json::parse(OpenApiDocument(table));
  size_t doors = 0;
  for (const Method& method : table.methods()) {
    const std::string rpc = "/" + method.service + "/" + method.name;
    EXPECT_TRUE(document["paths"][rpc].contains("post")) << rpc;
    doors += method.rest_path.empty() ? 1 : 2;
  }
  size_t operations_found = 0;
  for (const auto& [path, operations] : document["paths"].items()) {
    operations_found += operations.size();
    for (const auto& [verb, operation] : operations.items()) {
      EXPECT_NE(operation["summary"], "") << path;
      const bool body = operation.contains("requestBody");
      EXPECT_EQ(body, verb == "post") << path;
    }
  }
  EXPECT_EQ(operations_found, doors);
  EXPECT_TRUE(document["paths"]["/api/v1/graphs/{graph}/wants"].contains("post"));
  CheckReferences(document, document);
}

TEST(OpenApiTest, SaysWhatTheProtoSays) {
  const Json document = Json::parse(OpenApiDocument(MakeMethodTable()));
  const Json& get = document["paths"]["/api/v1/graphs/{graph}/wants/{want_id}"]["get"];
  std::map<std::string, Json> parameters;
  for (const Json& parameter : get["parameters"]) parameters[parameter["name"]] = parameter;
  EXPECT_EQ(parameters["graph"]["in"], "path");
  EXPECT_EQ(parameters["want_id"]["in"], "path");
  EXPECT_EQ(parameters["want_id"]["description"], "the want");
  EXPECT_EQ(parameters["page_size"]["in"], "query");
  EXPECT_EQ(get["responses"]["200"]["content"]["application/json"]["schema"]["$ref"],
            "#/components/schemas/WantSummaryResponse");
  const Json& schemas = document["components"]["schemas"];
  EXPECT_TRUE(schemas["WantSummaryResponse"]["properties"].contains("event_index"));
  EXPECT_TRUE(schemas["WantSummaryResponseRpc"]["properties"].contains("eventIndex"));
  EXPECT_EQ(schemas["PartitionRef"]["properties"]["str"]["description"], "the name itself");
}

TEST_F(ApiServiceTest, AnswersNameOnlyFieldsOfTheDocument) {
  ASSERT_TRUE(log().Append({WantCreated("w1", "a/1")}).ok());
  const Json document =
      Json::parse(Get("/api/v1/openapi.json", "").body);  // nobody has to say who they are
  const std::function<void(const Json&, Json, std::string)> check =
      [&](const Json& value, Json schema, std::string path) {
        if (schema.contains("$ref")) {
          schema = document[Json::json_pointer(schema["$ref"].get<std::string>().substr(1))];
        }
        if (value.is_array()) {
          for (const Json& item : value) check(item, schema["items"], path + "[]");
        } else if (value.is_object() && schema.contains("properties")) {
          for (const auto& [name, member] : value.items()) {
            EXPECT_TRUE(schema["properties"].contains(name)) << path << "." << name;
            check(member, schema["properties"][name], path + "." + name);
          }
        }
      };
  const std::vector<std::pair<std::string, std::string>> asked{
      {"wants", "wants"},
      {"partitions", "partitions"},
      {"builds", "builds"},
      {"jobs", "jobs"},
      {"job_runs", "job_runs"},
      {"taints", "taints"},
      {"events", "events"},
      {"wants/{want_id}", "wants/w1"},
      {"partitions/{ref}", "partitions/a/1"}};
  for (const auto& [pattern, path] : asked) {
    const Json answer = Json::parse(Rest(path).body);
    ASSERT_FALSE(answer.contains("code")) << path << answer;
    const Json& get = document["paths"]["/api/v1/graphs/{graph}/" + pattern]["get"];
    check(answer, get["responses"]["200"]["content"]["application/json"]["schema"], path);
  }
}

}  // namespace
}  // namespace databuild
