// OpenAPI 3.0 of the service, made from the method table and the comments of databuild.proto: what
// is not in the table is not in the document, and the other way round.
#pragma once

#include <string>

#include "controller/api/method_table.h"

namespace databuild {

// Path of the document itself; no rights are asked for it.
inline constexpr char kOpenApiPath[] = "/api/v1/openapi.json";

// JSON. REST operations have names as in the .proto, RPC operations (Connect unary, POST) have
// lowerCamelCase; both schemas of a message stand under components, the second as <Message>Rpc.
std::string OpenApiDocument(const MethodTable& table);

}  // namespace databuild
