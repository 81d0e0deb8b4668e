#include "wrapper/options.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

namespace databuild::exec {

const char kHelpText[] =
    R"(databuild-exec runs one job of DataBuild: it starts the command, turns its output into log
entries, passes signals on and writes a receipt.

  databuild-exec install PATH
      Copies this program to PATH (mode 0755). For init containers: needs no shell.
  databuild-exec run [--receipt PATH] [--receipt-bytes N] [--work-dir DIR] -- COMMAND ARG...
      What the operator starts; the run's spec comes in DATABUILD_SPEC_*.
  databuild-exec run --local --output REF... [options] -- COMMAND ARG...
      The same on a laptop, without a cluster. Options:
        --job NAME           label of the job (default: local)
        --run-id ID          id of the run (default: local)
        --output REF         partition to make; may be repeated, at least once
        --input REF          partition to read; may be repeated
        --timeout SECONDS    stop the command after this time (default 0: never)
        --grace SECONDS      from SIGTERM to SIGKILL (default 30)
        --heartbeat SECONDS  between heartbeats (default 30, 0: none)
        --bound BYTES        of all log entries (default 8388608, 0: none)
        --rate BYTES         of log entries a second (default 0: no limit)
        --configure          treat the last line of stdout as a JobConfigureResponse
        --receipt PATH       where the receipt goes (default: nowhere)
        --work-dir DIR       for the files exchanged with the command (default: TMPDIR or /tmp)
  databuild-exec version
  databuild-exec help
)";

namespace {

Error Usage(const std::string& message) {
  return {Errc::kInvalidArgument, message + "; see `databuild-exec help`"};
}

struct TextFlag {
  std::string_view name;
  bool local_only;
  std::string* value;
};

struct NumberFlag {
  std::string_view name;
  bool local_only;
  int64_t* value;
};

struct ListFlag {
  std::string_view name;
  std::vector<std::string>* values;
};

class RunFlags {
 public:
  explicit RunFlags(Options* options) : options_(options) {
    RunSpec& spec = options->spec;
    texts_ = {{"--job", true, &spec.job_label},
              {"--run-id", true, &spec.job_run_id},
              {"--receipt", false, &options->receipt_path},
              {"--work-dir", false, &options->work_dir}};
    numbers_ = {{"--timeout", true, &spec.timeout_seconds},
                {"--grace", true, &spec.grace_seconds},
                {"--heartbeat", true, &spec.heartbeat_seconds},
                {"--bound", true, &spec.output_bound_bytes},
                {"--rate", true, &spec.output_rate_bytes},
                {"--receipt-bytes", false, &options->receipt_bytes}};
    lists_ = {{"--output", &spec.outputs}, {"--input", &spec.inputs}};
  }

  // One flag with its value. `local_only_used` remembers the first that --local must come with.
  Status Take(std::string_view name, const std::string& value) {
    for (const TextFlag& flag : texts_) {
      if (flag.name != name) continue;
      NoteLocal(flag.local_only, name);
      *flag.value = value;
      return {};
    }
    for (const ListFlag& flag : lists_) {
      if (flag.name != name) continue;
      NoteLocal(true, name);
      if (value.empty() || value.size() > kRefBytesMax) {
        return Usage(std::string(name) + " must be a ref of 1 to 1024 bytes");
      }
      flag.values->push_back(value);
      return {};
    }
    for (const NumberFlag& flag : numbers_) {
      if (flag.name != name) continue;
      NoteLocal(flag.local_only, name);
      constexpr int64_t kMax = int64_t{1} << 40;
      const char* const end = value.data() + value.size();
      const auto read = std::from_chars(value.data(), end, *flag.value);
      if (read.ec == std::errc() && read.ptr == end && *flag.value >= 0 && *flag.value <= kMax) {
        return {};
      }
      return Usage(std::string(name) + " " + value + " is not a number that can be used");
    }
    return Usage("there is no flag " + std::string(name) + " of `run`");
  }

  const std::string& local_only_used() const { return local_only_used_; }

 private:
  void NoteLocal(bool local_only, std::string_view name) {
    if (local_only && local_only_used_.empty()) local_only_used_ = name;
  }

  Options* const options_;
  std::vector<TextFlag> texts_;
  std::vector<NumberFlag> numbers_;
  std::vector<ListFlag> lists_;
  std::string local_only_used_;
};

Result<Options> ParseRun(const std::vector<std::string>& args) {
  Options options;
  options.action = Action::kRun;
  options.spec.job_run_id = options.spec.job_label = "local";
  RunFlags flags(&options);
  size_t at = 0;
  bool configure = false;
  for (; at < args.size() && args[at] != "--"; ++at) {
    const std::string& arg = args[at];
    if (arg == "--local") {
      options.local = true;
    } else if (arg == "--configure") {
      configure = true;
    } else if (const size_t equals = arg.find('='); equals != arg.npos) {
      RETURN_IF_ERROR(flags.Take(arg.substr(0, equals), arg.substr(equals + 1)));
    } else if (at + 1 < args.size() && args[at + 1] != "--") {
      RETURN_IF_ERROR(flags.Take(arg, args[at + 1]));
      ++at;
    } else {
      return Usage(arg + " needs a value, or is no flag of `run`");
    }
  }
  if (at + 1 >= args.size()) return Usage("`run` needs -- and then the command to start");
  options.command.assign(args.begin() + static_cast<long>(at) + 1, args.end());
  options.spec.configure = configure;
  if (!options.local && (configure || !flags.local_only_used().empty())) {
    return Usage((configure ? "--configure" : flags.local_only_used()) + " needs --local");
  }
  if (!options.local) return options;
  if (options.spec.outputs.empty() && !configure) {
    return Usage("`run --local` needs at least one --output");
  }
  if (options.spec.job_run_id.empty() || options.spec.job_run_id.size() > 128 ||
      options.spec.job_label.size() > 1024) {
    return Usage("--run-id takes 1 to 128 bytes, --job at most 1024");
  }
  return options;
}

}  // namespace

Result<Options> ParseOptions(int argc, const char* const* argv) {
  const std::vector<std::string> args(argv + std::min(argc, 1), argv + argc);
  Options options;
  if (args.empty()) return Usage("nothing to do");
  const std::string& verb = args[0];
  if (verb == "run") return ParseRun({args.begin() + 1, args.end()});
  if (verb == "install") {
    if (args.size() != 2 || args[1].empty()) return Usage("`install` needs exactly one path");
    options.action = Action::kInstall;
    options.install_path = args[1];
    return options;
  }
  if (verb == "help" || verb == "--help" || verb == "-h") return options;
  if (verb == "version" || verb == "--version") {
    options.action = Action::kVersion;
    return options;
  }
  return Usage("there is no command \"" + verb + "\"");
}

}  // namespace databuild::exec
