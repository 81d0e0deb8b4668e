#include "controller/config/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>
#include <iterator>

namespace databuild {
namespace {

constexpr size_t kMaxConfigBytes = 1 << 20;

// What was written, before any of it is looked at.
struct Flags {
  std::string config_file;
  std::vector<std::string> settings;                           // of --set
  std::vector<std::pair<std::string, std::string>> shortcuts;  // key and value
  bool print_config = false;
  bool version = false;
  std::string probe_url;
  std::string probe_timeout = "10s";
};

struct Shortcut {
  const char* flag;
  const char* key;
  const char* help;
};

constexpr Shortcut kShortcuts[] = {
    {"--bel", "bel.uri", "URI of the build event log: sqlite://PATH, postgres://..., memory"},
    {"--auth", "api.auth", "How the API knows its callers: kubernetes, or none on loopback"},
    {"--kubeconfig", "kubernetes.kubeconfig", "kubeconfig file; left out: the pod's own account"},
    {"--context", "kubernetes.context", "Context of the kubeconfig; left out: the current one"},
    {"--wrapper-image", "jobs.wrapperImage", "Image that holds /databuild-exec"},
    {"--log-level", "log.level", "debug, info, warn or error"},
};

Result<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file.is_open() || file.bad()) {
    return Error{Errc::kInvalidArgument,
                 "--config: " + path + " cannot be read; check its name and permissions"};
  }
  if (text.size() > kMaxConfigBytes) {
    return Error{Errc::kInvalidArgument, "--config: " + path + " is larger than 1 MiB"};
  }
  return text;
}

void DeclareFlags(CLI::App* app, Flags* flags) {
  app->add_option("--config", flags->config_file, "Configuration file (YAML)");
  for (const Shortcut& shortcut : kShortcuts) {
    app->add_option_function<std::string>(
        shortcut.flag,
        [flags, key = shortcut.key](const std::string& value) {
          flags->shortcuts.emplace_back(key, value);
        },
        shortcut.help);
  }
  app->add_option("--set", flags->settings, "KEY=VALUE: any key of the file; may be repeated")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app->add_flag("--print-config", flags->print_config,
                "Print the configuration that results, without secrets, and exit");
  app->add_flag("--version", flags->version, "Print the version and exit");
}

CLI::App* DeclareProbe(CLI::App* app, Flags* flags) {
  CLI::App* probe = app->add_subcommand("probe", "Ask an endpoint once; exit 0 if it answers 200");
  probe->add_option("--url", flags->probe_url, "http://HOST:PORT/PATH")->required();
  probe->add_option("--timeout", flags->probe_timeout, "Longest time to wait, such as 10s");
  return probe;
}

// Defaults, then the file, then the environment, then flags.
Result<Config> BuildConfig(const Flags& flags, const EnvironmentLookup& lookup) {
  Config config;
  if (!flags.config_file.empty()) {
    ASSIGN_OR_RETURN(std::string yaml, ReadFile(flags.config_file));
    RETURN_IF_ERROR(ReadConfigYaml(yaml, flags.config_file, &config));
  }
  ReadEnvironment(lookup, &config);
  for (const auto& [key, value] : flags.shortcuts) {
    RETURN_IF_ERROR(SetConfigKey(key, value, &config));
  }
  for (const std::string& setting : flags.settings) {
    size_t equals = setting.find('=');
    if (equals == std::string::npos) {
      return Error{Errc::kInvalidArgument, "--set: \"" + setting + "\" is not KEY=VALUE"};
    }
    RETURN_IF_ERROR(SetConfigKey(setting.substr(0, equals), setting.substr(equals + 1), &config));
  }
  return config;
}

Result<Invocation> Interpret(const Flags& flags, bool is_probe, const EnvironmentLookup& lookup) {
  Invocation invocation;
  if (flags.version) {
    invocation.action = Invocation::Action::kPrint;
    invocation.text = std::string("databuild ") + DatabuildVersion() + "\n";
    return invocation;
  }
  if (is_probe) {
    invocation.action = Invocation::Action::kProbe;
    invocation.probe_url = flags.probe_url;
    ASSIGN_OR_RETURN(invocation.probe_timeout, ParseDuration(flags.probe_timeout));
    return invocation;
  }
  ASSIGN_OR_RETURN(invocation.config, BuildConfig(flags, lookup));
  if (flags.print_config) {
    // Also of a configuration that would be refused: it is printed to find out why.
    invocation.action = Invocation::Action::kPrint;
    invocation.text = PrintConfig(invocation.config);
    return invocation;
  }
  RETURN_IF_ERROR(CheckConfig(invocation.config));
  return invocation;
}

}  // namespace

const char* DatabuildVersion() { return DATABUILD_VERSION; }

Result<Invocation> ParseCommandLine(const std::vector<std::string>& arguments,
                                    const EnvironmentLookup& lookup) {
  Flags flags;
  CLI::App app("The DataBuild operator: keeps partitions of data up to date.",
               "databuild-controller");
  DeclareFlags(&app, &flags);
  CLI::App* probe = DeclareProbe(&app, &flags);
  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());  // as CLI11 wants it
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    Invocation help;
    help.action = Invocation::Action::kPrint;
    help.text = probe->parsed() ? probe->help() : app.help();
    return help;
  } catch (const CLI::Error& fault) {
    return Error{Errc::kInvalidArgument,
                 std::string("command line: ") + fault.what() + "; --help shows every flag"};
  }
  return Interpret(flags, probe->parsed(), lookup);
}

}  // namespace databuild
