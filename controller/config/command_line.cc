#include "controller/config/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
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
  ApiKeyOrder api_key;
  std::string lifetime = "90d";
};

// The subcommands, to ask which one was called.
struct Subcommands {
  CLI::App* probe = nullptr;
  CLI::App* api_key = nullptr;
  CLI::App* create = nullptr;
  CLI::App* revoke = nullptr;
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

void DeclareApiKey(CLI::App* app, Flags* flags, Subcommands* subcommands) {
  ApiKeyOrder* order = &flags->api_key;
  CLI::App* keys = app->add_subcommand("api-key", "Keys for callers of the API without an account");
  keys->require_subcommand(1);
  CLI::App* create = keys->add_subcommand("create", "Make a key; it is shown this once");
  CLI::App* list = keys->add_subcommand("list", "Name, scopes, graphs and expiry of every key");
  CLI::App* revoke = keys->add_subcommand("revoke", "Remove a key");
  for (CLI::App* named : {create, revoke})
    named->add_option("--name", order->name, "Of the key: a-z, 0-9 and '-'")->required();
  create->add_option("--scopes", order->scopes, "read, want-write, taint-write, admin")
      ->delimiter(',')
      ->required();
  create->add_option("--graphs", order->graphs, "Graphs that it is for; * for all")
      ->delimiter(',')
      ->required();
  create->add_option("--expires", flags->lifetime, "After this long, such as 90d or 12h");
  for (CLI::App* each : {create, list, revoke}) {
    each->add_option("--namespace", order->ns, "Namespace of the release");
    each->add_option("--secret", order->secret, "Secret that holds the keys");
    each->add_option("--kubeconfig", order->kubeconfig, "Left out: $KUBECONFIG, ~/.kube/config");
    each->add_option("--context", order->context, "Left out: the current one");
  }
  subcommands->api_key = keys;
  subcommands->create = create;
  subcommands->revoke = revoke;
}

// "90d", or what ParseDuration reads.
Result<DurationNs> ParseLifetime(const std::string& text) {
  constexpr int64_t kMostDays = 3'650;
  int64_t days = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, fault] = std::from_chars(text.data(), end, days);
  if (fault == std::errc() && stop + 1 == end && *stop == 'd' && days >= 1 && days <= kMostDays)
    return days * kDay;
  const Result<DurationNs> duration = ParseDuration(text);
  if (duration.ok() && *duration > 0 && *duration <= kMostDays * kDay) return duration;
  return Error{Errc::kInvalidArgument,
               "--expires: \"" + text + "\" is not a time up to ten years, such as 90d or 12h"};
}

Result<Invocation> InterpretApiKey(const Flags& flags, const Subcommands& subcommands,
                                   const EnvironmentLookup& lookup) {
  Invocation invocation;
  invocation.action = Invocation::Action::kApiKey;
  invocation.api_key = flags.api_key;
  ApiKeyOrder& order = invocation.api_key;
  if (subcommands.create->parsed()) order.verb = ApiKeyOrder::Verb::kCreate;
  if (subcommands.revoke->parsed()) order.verb = ApiKeyOrder::Verb::kRevoke;
  ASSIGN_OR_RETURN(order.lifetime, ParseLifetime(flags.lifetime));
  if (order.ns.empty()) order.ns = "databuild-system";
  if (order.secret.empty()) order.secret = "databuild-api-keys";
  if (order.kubeconfig.empty())
    order.kubeconfig = lookup("KUBECONFIG").value_or(lookup("HOME").value_or("") + "/.kube/config");
  return invocation;
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
  Subcommands subcommands;
  CLI::App* probe = subcommands.probe = DeclareProbe(&app, &flags);
  DeclareApiKey(&app, &flags, &subcommands);
  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());  // as CLI11 wants it
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    Invocation help;
    help.action = Invocation::Action::kPrint;
    const CLI::App* asked = &app;
    for (const auto* next = &app; next != nullptr;) {
      asked = next;
      const auto below = asked->get_subcommands();
      next = below.empty() ? nullptr : below.front();
    }
    help.text = asked->help();
    return help;
  } catch (const CLI::Error& fault) {
    return Error{Errc::kInvalidArgument,
                 std::string("command line: ") + fault.what() + "; --help shows every flag"};
  }
  if (subcommands.api_key->parsed()) return InterpretApiKey(flags, subcommands, lookup);
  return Interpret(flags, probe->parsed(), lookup);
}

}  // namespace databuild
