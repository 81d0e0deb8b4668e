// The commands of databuild-bel. Each gives its exit code, or the error that ended it.
#pragma once

#include "tools/bel/options.h"

namespace databuild {

Result<int> RunVerify(const ToolOptions& options, const ToolIo& io);
Result<int> RunDump(const ToolOptions& options, const ToolIo& io);
Result<int> RunLoad(const ToolOptions& options, const ToolIo& io);
Result<int> RunTail(const ToolOptions& options, const ToolIo& io);
Result<int> RunStats(const ToolOptions& options, const ToolIo& io);

}  // namespace databuild
