#include "tools/bel/options.h"

#include <CLI/CLI.hpp>
#include <fstream>

namespace databuild {
namespace {

constexpr const char* kFooter =
    "URI: postgres://user@host/database, sqlite:///path; also from DATABUILD_BEL or a file\n"
    "(--bel-file), which keeps a password out of the list of processes.\n"
    "Exit codes: 0 in order, 1 the log or dump is not in order, 2 usage, 3 storage trouble.";

struct Parsed {
  ToolOptions options;
  std::string uri_file;
};

void AddStorageFlags(CLI::App* command, Parsed* parsed) {
  command->add_option("--bel", parsed->options.uri, "URI of the log's storage");
  command->add_option("--bel-file", parsed->uri_file, "File whose first line is that URI");
  command->add_option("--graph", parsed->options.graph, "Graph (namespace) of the log");
}

void DeclareVerify(CLI::App* app, Parsed* parsed) {
  CLI::App* verify = app->add_subcommand(
      "verify", "Read everything: dense, checksums, legal transitions; print the replay digest");
  AddStorageFlags(verify, parsed);
  verify->callback([parsed] { parsed->options.command = ToolOptions::Command::kVerify; });
}

void DeclareDump(CLI::App* app, Parsed* parsed) {
  CLI::App* dump =
      app->add_subcommand("dump", "Write one log as JSON lines: a header, then one event a line");
  AddStorageFlags(dump, parsed);
  dump->add_option("file", parsed->options.file, "Where to; - or nothing: standard output");
  dump->callback([parsed] { parsed->options.command = ToolOptions::Command::kDump; });
}

void DeclareLoad(CLI::App* app, Parsed* parsed) {
  CLI::App* load = app->add_subcommand(
      "load", "Write a dump into a graph that has no events; stop the graph's operator first");
  AddStorageFlags(load, parsed);
  load->add_option("--cluster-uid", parsed->options.cluster_uid,
                   "Cluster that owns the new log, if not the one in the dump");
  load->add_option("file", parsed->options.file, "The dump; - is standard input")->required();
  load->callback([parsed] { parsed->options.command = ToolOptions::Command::kLoad; });
}

void DeclareTail(CLI::App* app, Parsed* parsed) {
  CLI::App* tail = app->add_subcommand("tail", "Print events as JSON lines");
  AddStorageFlags(tail, parsed);
  ToolOptions* options = &parsed->options;
  tail->add_flag("-f,--follow", options->follow, "Go on with events as they come");
  tail->add_option("-n,--lines", options->lines, "Begin with the newest N events (default 10)")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 40));
  tail->add_option("--since", options->since_idx, "Begin after this idx instead")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 40));
  tail->add_option("--partition", options->partitions, "Only of refs that match a glob");
  tail->add_option("--job", options->jobs, "Only of these job labels");
  tail->add_option("--run", options->runs, "Only of these job runs");
  tail->add_option("--build", options->builds, "Only of these build requests");
  tail->add_option("--want", options->wants, "Only of these wants (uid)");
  tail->add_option("--taint", options->taints, "Only of these taints (uid)");
  tail->callback([options] { options->command = ToolOptions::Command::kTail; });
}

void DeclareStats(CLI::App* app, Parsed* parsed) {
  CLI::App* stats = app->add_subcommand("stats", "Say what the logs hold");
  AddStorageFlags(stats, parsed);
  stats->add_flag("--heads", parsed->options.heads_only, "Only heads: do not read the events");
  stats->add_flag("--json", parsed->options.json, "One JSON object per graph");
  stats->callback([parsed] { parsed->options.command = ToolOptions::Command::kStats; });
}

Error Usage(const std::string& what) {
  return Error{Errc::kInvalidArgument, what + "; --help shows every command and flag"};
}

Status FindUri(Parsed* parsed, const ToolIo& io) {
  std::string& uri = parsed->options.uri;
  if (!uri.empty() && !parsed->uri_file.empty()) return Usage("give --bel or --bel-file, not both");
  if (!parsed->uri_file.empty()) {
    std::ifstream file(parsed->uri_file);
    if (!std::getline(file, uri) || uri.empty()) {
      return Usage("--bel-file: " + parsed->uri_file + " has no first line to read");
    }
  }
  if (uri.empty()) uri = io.environment("DATABUILD_BEL").value_or("");
  if (uri.empty()) return Usage("which storage? give --bel URI");
  if (uri == "memory" || uri == "stdout") {
    return Usage("--bel " + uri + ": holds nothing that another process could read");
  }
  return {};
}

}  // namespace

Result<ToolOptions> ParseToolOptions(const std::vector<std::string>& arguments, const ToolIo& io) {
  Parsed parsed;
  CLI::App app("Looks after DataBuild's build event logs.", "databuild-bel");
  app.require_subcommand(1);
  app.footer(kFooter);
  DeclareVerify(&app, &parsed);
  DeclareDump(&app, &parsed);
  DeclareLoad(&app, &parsed);
  DeclareTail(&app, &parsed);
  DeclareStats(&app, &parsed);
  if (!arguments.empty() && !arguments[0].starts_with('-') &&
      app.get_subcommands([&](CLI::App* command) { return command->get_name() == arguments[0]; })
          .empty()) {
    return Usage("there is no command " + arguments[0]);
  }
  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());  // as CLI11 wants it
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    for (const CLI::App* command : app.get_subcommands()) parsed.options.help = command->help();
    if (parsed.options.help.empty()) parsed.options.help = app.help();
    return parsed.options;
  } catch (const CLI::Error& fault) {
    return Usage(std::string("command line: ") + fault.what());
  }
  RETURN_IF_ERROR(FindUri(&parsed, io));
  if (parsed.options.file.empty()) parsed.options.file = "-";
  return parsed.options;
}

}  // namespace databuild
