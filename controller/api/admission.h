// What is decided before a handler sees a call: which graph it means, whether its caller may, and
// whether the graph is there. The same for a single call and for one of a batch.
#pragma once

#include <initializer_list>
#include <string>

#include "controller/api/method_table.h"

namespace databuild {

class Admission {
 public:
  // All outlive it. objects == nullptr: no writes.
  Admission(const GraphSource& graphs, Authenticator& auth, ObjectCreator* objects)
      : graphs_(graphs), auth_(auth), objects_(objects) {}

  // The one graph that all non-empty names agree on; without any the only one there is. `named`:
  // from the path, the request, the header.
  Result<std::string> GraphOf(std::initializer_list<std::string> named) const;
  // Field 100 of a request.
  static std::string GraphField(const google::protobuf::Message& request);

  // The method's own right and those of what `include` adds. Rights first, so that a stranger does
  // not learn which graphs there are. `call` has caller, request and graph; gets the rest. A
  // refusal leaves an audit line.
  Status Admit(const Method& method, Call& call) const;

 private:
  const GraphSource& graphs_;
  Authenticator& auth_;
  ObjectCreator* const objects_;
};

}  // namespace databuild
