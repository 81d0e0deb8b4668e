// How handlers ask the fold, and how they answer. Private to the methods of the table.
#pragma once

#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "bel/event_log.h"
#include "controller/api/method_table.h"

namespace databuild {

// What `ask` says of a view of the call's graph; it answers with a Result.
template <typename Ask>
std::invoke_result_t<Ask, const QueryView&> AskFold(const Call& call, bool reasons, Ask ask) {
  std::invoke_result_t<Ask, const QueryView&> answer = Error{Errc::kInternal, "not asked"};
  RETURN_IF_ERROR(call.Read(reasons, [&](const QueryView& view) { answer = ask(view); }));
  return answer;
}

// With the position of the log that the answer reflects as its tag.
template <typename Response>
Outcome TaggedAnswer(const Call& call, Response response) {
  const std::string tag = call.log->log_id() + "-" + std::to_string(response.event_index());
  return Answer{std::make_shared<Response>(std::move(response)), tag};
}

// Of what depends on more than the log's position: reasons on the time, lines come without events.
template <typename Response>
Outcome PlainAnswer(Response response) {
  return Answer{std::make_shared<Response>(std::move(response)), ""};
}

}  // namespace databuild
