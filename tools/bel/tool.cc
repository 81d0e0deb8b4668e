#include "tools/bel/tool.h"

#include <ostream>

#include "tools/bel/commands.h"

namespace databuild {
namespace {

Result<int> Run(const ToolOptions& options, const ToolIo& io) {
  switch (options.command) {
    case ToolOptions::Command::kVerify:
      return RunVerify(options, io);
    case ToolOptions::Command::kDump:
      return RunDump(options, io);
    case ToolOptions::Command::kLoad:
      return RunLoad(options, io);
    case ToolOptions::Command::kTail:
      return RunTail(options, io);
    case ToolOptions::Command::kStats:
      return RunStats(options, io);
  }
  return kExitUsage;
}

int ExitCodeOf(Errc code) {
  switch (code) {
    case Errc::kInvalidArgument:
      return kExitUsage;
    case Errc::kCorrupt:
    case Errc::kUnsupported:
    case Errc::kOutOfRange:
    case Errc::kAlreadyExists:
    case Errc::kPermissionDenied:
    case Errc::kFenced:
    case Errc::kConflict:
    case Errc::kTooLarge:
    case Errc::kCancelled:
      return kExitBad;
    default:
      return kExitStorage;
  }
}

}  // namespace

int RunBelTool(const std::vector<std::string>& arguments, const ToolIo& io) {
  const Result<ToolOptions> options = ParseToolOptions(arguments, io);
  if (options.ok() && !options->help.empty()) {
    io.out << options->help;
    return kExitOk;
  }
  const Result<int> code = options.ok() ? Run(*options, io) : Result<int>(options.error());
  io.out.flush();
  if (code.ok()) return *code;
  io.err << "databuild-bel: " << code.error().message << "\n";
  return ExitCodeOf(code.error().code);
}

}  // namespace databuild
