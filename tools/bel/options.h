// What the command line of databuild-bel says.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bel/base/result.h"
#include "tools/bel/tool.h"

namespace databuild {

struct ToolOptions {
  enum class Command { kVerify, kDump, kLoad, kTail, kStats };
  Command command = Command::kVerify;
  std::string uri;
  std::string graph;        // empty: every one (verify, stats), or the only one
  std::string file;         // of dump and load; "-" is standard output and input
  std::string cluster_uid;  // load: owner of the new log; empty: as the dump says
  int64_t since_idx = -1;   // tail: start after it; -1: the newest `lines`
  int64_t lines = 10;
  bool follow = false;
  bool heads_only = false;  // stats: without reading events
  bool json = false;        // stats
  std::vector<std::string> partitions, jobs, runs, builds, wants, taints;  // filters of tail
  std::string help;  // not empty: print it and exit
};

// kInvalidArgument: the command line is wrong; the message says how.
Result<ToolOptions> ParseToolOptions(const std::vector<std::string>& arguments, const ToolIo& io);

}  // namespace databuild
