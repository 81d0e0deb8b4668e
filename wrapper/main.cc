// databuild-exec: PID 1 of a job's container. See README.md beside this file.

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "wrapper/install.h"
#include "wrapper/options.h"
#include "wrapper/supervisor.h"

namespace databuild::exec {
namespace {

std::string FromEnvironment(const char* name, const std::string& otherwise) {
  const char* const value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : otherwise;
}

RunContext MakeContext(const Options& options) {
  RunContext context;
  context.spec = options.spec;
  context.command = options.command;
  context.environment = environ;
  context.stdout_fd = STDOUT_FILENO;
  const std::string work_dir =
      options.work_dir.empty() ? FromEnvironment(kWorkDirEnv, "") : options.work_dir;
  if (!work_dir.empty()) context.work_parents.push_back(work_dir);
  if (!options.local) context.work_parents.push_back(kWorkDir);
  context.work_parents.push_back(FromEnvironment("TMPDIR", "/tmp"));
  if (!options.local) {
    context.work_parents.push_back("/tmp");
    context.work_parents.push_back("/dev/shm");
  }
  context.receipt_path = options.receipt_path;
  if (context.receipt_path.empty()) {
    context.receipt_path =
        FromEnvironment(kTerminationLogEnv, options.local ? "" : kTerminationLogPath);
  }
  return context;
}

int Run(const Options& options) {
  // First of all: from here on no process of the same user can write to /proc/1/fd/1 or read
  // /proc/1/environ. The command gets its own flag back with its exec.
  prctl(PR_SET_DUMPABLE, 0);
  prctl(PR_SET_CHILD_SUBREAPER, 1);  // orphans come to us also where we are not PID 1
  signal(SIGPIPE, SIG_IGN);
  BlockSignals();
  RunContext context = MakeContext(options);
  if (!options.local) {
    Result<RunSpec> spec = SpecFromEnvironment(environ);
    if (!spec.ok()) return RefuseRun(context, spec.error().message);
    context.spec = std::move(spec).value();
  }
  if (options.receipt_bytes > 0) context.spec.receipt_bytes = options.receipt_bytes;
  return RunJob(context);
}

int Main(int argc, char** argv) {
  const Result<Options> options = ParseOptions(argc, argv);
  if (!options.ok()) {
    std::fprintf(stderr, "databuild-exec: %s\n", options.error().message.c_str());
    return kExitUsage;
  }
  switch (options.value().action) {
    case Action::kHelp:
      std::fputs(kHelpText, stdout);
      return 0;
    case Action::kVersion:
      std::puts("databuild-exec " DATABUILD_VERSION);
      return 0;
    case Action::kInstall: {
      const Status installed = InstallSelf(options.value().install_path);
      if (installed.ok()) return 0;
      std::fprintf(stderr, "databuild-exec: %s\n", installed.error().message.c_str());
      return 1;
    }
    case Action::kRun:
      return Run(options.value());
  }
  return kExitUsage;
}

}  // namespace
}  // namespace databuild::exec

int main(int argc, char** argv) { return databuild::exec::Main(argc, argv); }
