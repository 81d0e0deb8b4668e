// The tool run in this process, and logs for it to look at.
#pragma once

#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "bel/open_storage.h"
#include "tests/support/corpus.h"
#include "tools/bel/tool.h"

namespace databuild {

struct ToolRun {
  int code = -1;
  std::string out, err;
};

inline ToolRun RunTool(const std::vector<std::string>& arguments, const std::string& input = "",
                       const std::map<std::string, std::string>& environment = {}) {
  std::istringstream in(input);
  std::ostringstream out, err;
  const ToolIo io{in, out, err,
                  [&](const std::string& name) -> std::optional<std::string> {
                    const auto found = environment.find(name);
                    if (found == environment.end()) return std::nullopt;
                    return found->second;
                  },
                  nullptr};
  const int code = RunBelTool(arguments, io);
  return {code, out.str(), err.str()};
}

inline std::unique_ptr<Storage> OpenInitialized(const std::string& uri) {
  auto storage = OpenStorage(uri);
  CHECK(storage.ok());
  CHECK((*storage)->Initialize().ok());
  return std::move(storage.value());
}

// The first `count` events of the corpus as the log of `graph`, by three writers in turn.
inline void WriteCorpus(const std::string& uri, const std::string& graph, int64_t count) {
  const auto storage = OpenInitialized(uri);
  Corpus corpus(11);
  for (int64_t head = 0; head < count;) {
    const auto log = storage->Acquire({graph, "writer", "cluster-1"});
    CHECK(log.ok());
    std::vector<StoredEvent> events;
    while (static_cast<int64_t>(events.size()) < (count + 2) / 3 &&
           head + static_cast<int64_t>(events.size()) < count) {
      events.push_back(corpus.Next());
    }
    const auto appended = storage->Append(graph, log->epoch, head, events);
    CHECK(appended.ok());
    head = *appended;
  }
}

inline std::string DigestIn(const std::string& text) {
  const size_t at = text.find("replay digest ");
  return at == std::string::npos ? "" : text.substr(at + 14, text.find('\n', at) - at - 14);
}

}  // namespace databuild
