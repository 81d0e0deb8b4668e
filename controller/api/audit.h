// Audit lines: who wrote what, and who was refused what. One structured log line each, with
// level and message "audit".
#pragma once

#include <string>

#include "bel/base/result.h"
#include "controller/api/method_table.h"
#include "controller/api/object_creator.h"

namespace databuild {

// One object that a caller's write made, found again, or could not make.
void AuditWrite(const Call& call, const NewObject& object, const Result<std::string>& uid);

// A caller who is not known, or who may not do what `access` asks. `call` may lack what was not
// reached: the caller of a refused token, the graph.
void AuditRefusal(const Call& call, const Method& method, const AccessQuestion& access,
                  const Error& why);

}  // namespace databuild
