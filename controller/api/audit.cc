#include "controller/api/audit.h"

#include "bel/base/log.h"

namespace databuild {

void AuditWrite(const Call& call, const NewObject& object, const Result<std::string>& uid) {
  const bool want = object.kind == NewObject::Kind::kWant;
  LogAudit("audit", {{"caller", call.caller.name},
                     {"verb", "create"},
                     {"resource", want ? "wants" : "taints"},
                     {"graph", object.graph},
                     {"object", object.name},
                     {"uid", uid.ok() ? *uid : std::string()},
                     {"code", uid.ok() ? "ok" : ErrcName(uid.error().code)},
                     {"reason", uid.ok() ? std::string() : uid.error().message},
                     {"request_id", call.request_id},
                     {"peer", call.peer}});
}

void AuditRefusal(const Call& call, const Method& method, const AccessQuestion& access,
                  const Error& why) {
  LogAudit("audit",
           {{"caller", call.caller.name},
            {"verb", access.verb},
            {"resource", access.subresource.empty() ? access.resource
                                                    : access.resource + "/" + access.subresource},
            {"graph", call.graph},
            {"method", method.name},
            {"code", ErrcName(why.code)},
            {"reason", why.message},
            {"request_id", call.request_id},
            {"peer", call.peer}});
}

}  // namespace databuild
