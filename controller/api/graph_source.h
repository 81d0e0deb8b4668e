// What the API reads of the graphs; main implements it over the logs and the planners.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bel/base/result.h"
#include "bel/query.h"

namespace databuild {

class EventLog;
class LogSource;
class PlanSource;

// Thread-safe.
class GraphSource {
 public:
  virtual ~GraphSource() = default;
  // Names, in any order.
  virtual std::vector<std::string> Graphs() const = 0;
  // nullptr: there is no such graph here. Kept alive by the request that uses it.
  virtual std::shared_ptr<const EventLog> Log(const std::string& graph) const = 0;
  // Calls `read` once with a view of the graph, under its readers' lock; false without a call: no
  // such graph. With `reasons`, view.explain is set, and whatever it needs is locked as well.
  virtual bool Read(const std::string& graph, bool reasons,
                    const std::function<void(const QueryView&)>& read) const = 0;
  // The lines of job runs; nullptr: nobody collects them here.
  virtual LogSource* logs() const { return nullptr; }
  // What the planners would do; nullptr: nothing is planned here.
  virtual const PlanSource* plans() const { return nullptr; }
};

// What callers are told who ask for another one.
inline Error NoSuchGraph(const std::string& graph) {
  return {Errc::kNotFound, "graph " + graph +
                               ": there is no such graph here; a namespace is one from its first "
                               "DataJob, Want or Taint on"};
}

}  // namespace databuild
