#include "controller/api/openapi.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/message.h>

#include <nlohmann/json.hpp>
#include <set>

#include "bel/base/check.h"
#include "databuild/v1/databuild.pb.h"
#include "proto/descriptor_set.h"

namespace databuild {
namespace {

namespace pb = google::protobuf;
using Json = nlohmann::json;

enum class Style { kRest, kRpc };

std::string OneLine(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  if (!text.empty() && text.front() == ' ') text.erase(0, 1);
  for (size_t at = text.find('\n'); at != std::string::npos; at = text.find('\n')) {
    text.replace(at, text.compare(at, 2, "\n ") == 0 ? 2 : 1, " ");
  }
  return text;
}

class Document {
 public:
  explicit Document(const MethodTable& table) {
    pb::FileDescriptorSet set;
    CHECK(set.ParseFromArray(DescriptorSet().data(), static_cast<int>(DescriptorSet().size())));
    for (const auto& file : set.file()) CHECK(pool_.BuildFile(file) != nullptr);
    for (const Method& method : table.methods()) Add(method);
  }

  std::string Text() {
    Json document;
    document["openapi"] = "3.0.3";
    document["info"] = {{"title", "DataBuild"},
                        {"version", "v1"},
                        {"description",
                         "Lists, summaries and events of the partitions, wants, "
                         "builds and job runs of each graph."}};
    document["paths"] = std::move(paths_);
    document["components"] = {
        {"schemas", std::move(schemas_)},
        {"securitySchemes", {{"bearer", {{"type", "http"}, {"scheme", "bearer"}}}}}};
    document["security"] = Json::array({{{"bearer", Json::array()}}});
    return document.dump(1);
  }

 private:
  // What the .proto says above a message or beside a field.
  template <typename Descriptor>
  static std::string Comment(const Descriptor& descriptor) {
    pb::SourceLocation location;
    if (!descriptor.GetSourceLocation(&location)) return "";
    return OneLine(location.leading_comments.empty() ? location.trailing_comments
                                                     : location.leading_comments);
  }

  static std::string NameIn(const pb::FieldDescriptor& field, Style style) {
    return style == Style::kRest ? field.name() : field.json_name();
  }

  Json Reference(const pb::Descriptor& type, Style style) {
    const std::string name = type.name() + (style == Style::kRest ? "" : "Rpc");
    if (!schemas_.contains(name)) {
      schemas_[name] = Json::object();  // before its fields, which may lead back to it
      Json properties = Json::object();
      for (int i = 0; i < type.field_count(); ++i) {
        Json schema = SchemaOf(*type.field(i), style);
        const std::string comment = Comment(*type.field(i));
        // Beside a $ref nothing else counts.
        if (!comment.empty() && !schema.contains("$ref")) schema["description"] = comment;
        properties[NameIn(*type.field(i), style)] = std::move(schema);
      }
      schemas_[name] = {{"type", "object"}, {"properties", std::move(properties)}};
      const std::string comment = Comment(type);
      if (!comment.empty()) schemas_[name]["description"] = comment;
    }
    return {{"$ref", "#/components/schemas/" + name}};
  }

  Json SchemaOf(const pb::FieldDescriptor& field, Style style) {
    if (field.is_map()) {
      return {{"type", "object"},
              {"additionalProperties", ValueOf(*field.message_type()->map_value(), style)}};
    }
    if (!field.is_repeated()) return ValueOf(field, style);
    return {{"type", "array"}, {"items", ValueOf(field, style)}};
  }

  Json ValueOf(const pb::FieldDescriptor& field, Style style) {
    switch (field.cpp_type()) {
      case pb::FieldDescriptor::CPPTYPE_MESSAGE:
        return Reference(*field.message_type(), style);
      case pb::FieldDescriptor::CPPTYPE_ENUM: {
        Json names = Json::array();
        for (int i = 0; i < field.enum_type()->value_count(); ++i)
          names.push_back(field.enum_type()->value(i)->name());
        return {{"type", "string"}, {"enum", std::move(names)}};
      }
      case pb::FieldDescriptor::CPPTYPE_BOOL:
        return {{"type", "boolean"}};
      case pb::FieldDescriptor::CPPTYPE_INT32:
        return {{"type", "integer"}, {"format", "int32"}};
      case pb::FieldDescriptor::CPPTYPE_UINT32:
        return {{"type", "integer"}, {"format", "int64"}, {"minimum", 0}};
      case pb::FieldDescriptor::CPPTYPE_INT64:
      case pb::FieldDescriptor::CPPTYPE_UINT64:
        return {{"type", "string"}, {"format", "int64"}};  // as proto3 JSON has it
      case pb::FieldDescriptor::CPPTYPE_DOUBLE:
      case pb::FieldDescriptor::CPPTYPE_FLOAT:
        return {{"type", "number"}, {"format", "double"}};
      case pb::FieldDescriptor::CPPTYPE_STRING:
        return {{"type", "string"}};
    }
    CHECK(false);
  }

  static Json Content(Json schema) {
    return {{"application/json", {{"schema", std::move(schema)}}}};
  }

  Json Responses(const pb::Descriptor& type, Style style) {
    schemas_["Error"] = {{"type", "object"},
                         {"description", "An error of the Connect protocol."},
                         {"properties",
                          {{"code", {{"type", "string"}}},
                           {"message", {{"type", "string"}}},
                           {"details", {{"type", "array"}, {"items", {{"type", "object"}}}}}}}};
    return {{"200", {{"description", Comment(type)}, {"content", Content(Reference(type, style))}}},
            {"default",
             {{"description", "what was wrong, and where"},
              {"content", Content({{"$ref", "#/components/schemas/Error"}})}}}};
  }

  void Add(const Method& method) {
    const auto* service = pool_.FindServiceByName(method.service);
    CHECK(service != nullptr);
    const auto* rpc = service->FindMethodByName(method.name);
    CHECK(rpc != nullptr);
    Json operation{
        {"operationId", method.name + "Rpc"},
        {"summary", Comment(*rpc)},
        {"tags", Json::array({service->name()})},
        {"requestBody", {{"content", Content(Reference(*rpc->input_type(), Style::kRpc))}}},
        {"responses", Responses(*rpc->output_type(), Style::kRpc)}};
    paths_["/" + method.service + "/" + method.name]["post"] = std::move(operation);
    if (!method.rest_path.empty()) AddRest(method, *rpc);
  }

  void AddRest(const Method& method, const pb::MethodDescriptor& rpc) {
    std::string path = method.rest_path;
    if (const size_t star = path.find("*}"); star != std::string::npos) path.erase(star, 1);
    Json parameters = Json::array({Parameter("graph", "path", {{"type", "string"}}, "the graph")});
    std::set<std::string> taken{"graph"};
    if (!method.Writes()) {
      AddParameters(*rpc.input_type(), path, taken, parameters);
      parameters.push_back(Parameter("databuild-min-index", "header", {{"type", "string"}},
                                     "wait at most 2 s until the log has this index"));
    }
    if (!method.inner.empty()) {
      AddParameters(*rpc.input_type()->FindFieldByName(method.inner)->message_type(), path, taken,
                    parameters);
    }
    Json operation{{"operationId", method.name},
                   {"summary", Comment(rpc)},
                   {"tags", Json::array({rpc.service()->name()})},
                   {"parameters", std::move(parameters)},
                   {"responses", Responses(*rpc.output_type(), Style::kRest)}};
    if (method.Writes()) {
      operation["requestBody"] = {{"required", true},
                                  {"content", Content(Reference(*rpc.input_type(), Style::kRest))}};
    }
    paths_["/api/v1/graphs/{graph}/" + path][method.Writes() ? "post" : "get"] =
        std::move(operation);
  }

  static Json Parameter(const std::string& name, const char* in, Json schema,
                        const std::string& comment) {
    Json parameter{{"name", name}, {"in", in}, {"schema", std::move(schema)}};
    if (!comment.empty()) parameter["description"] = comment;
    if (parameter["in"] == "path") parameter["required"] = true;
    return parameter;
  }

  // Fields that a query or the path can give.
  void AddParameters(const pb::Descriptor& type, const std::string& path,
                     std::set<std::string>& taken, Json& parameters) {
    for (int i = 0; i < type.field_count(); ++i) {
      const pb::FieldDescriptor& field = *type.field(i);
      const bool is_ref =
          field.message_type() != nullptr &&
          field.message_type()->full_name() == v1::PartitionRef::descriptor()->full_name();
      if (field.is_map() || (field.message_type() != nullptr && !is_ref)) continue;
      if (!taken.insert(field.name()).second) continue;
      Json schema = is_ref ? Json{{"type", "string"}} : ValueOf(field, Style::kRest);
      if (field.is_repeated()) schema = {{"type", "array"}, {"items", std::move(schema)}};
      const bool in_path = path.find("{" + field.name() + "}") != std::string::npos;
      parameters.push_back(
          Parameter(field.name(), in_path ? "path" : "query", std::move(schema), Comment(field)));
    }
  }

  pb::DescriptorPool pool_;
  Json paths_ = Json::object();
  Json schemas_ = Json::object();
};

}  // namespace

std::string OpenApiDocument(const MethodTable& table) { return Document(table).Text(); }

}  // namespace databuild
