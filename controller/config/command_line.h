// The command line of databuild-controller: what the process was asked to do.
//
//   databuild-controller [--config=FILE] [flags]      run the operator
//   databuild-controller probe --url=URL [--timeout=10s]
//   databuild-controller api-key create|list|revoke [--name=NAME] [flags]
//   databuild-controller --print-config | --version | --help
#pragma once

#include <string>
#include <vector>

#include "bel/base/result.h"
#include "controller/config/config.h"

namespace databuild {

// What `api-key` was told; not yet looked at but for durations.
struct ApiKeyOrder {
  enum class Verb { kCreate, kList, kRevoke };
  Verb verb = Verb::kList;
  std::string name;
  std::vector<std::string> scopes;
  std::vector<std::string> graphs;
  DurationNs lifetime = 0;
  std::string ns;          // of the release
  std::string secret;      // that holds the keys
  std::string kubeconfig;  // of whoever calls: the operator has no right to Secrets
  std::string context;
};

struct Invocation {
  enum class Action {
    kRun,     // the operator, with `config`
    kPrint,   // `text` on stdout, then exit 0
    kProbe,   // one GET of `probe_url`: exit 0 on 200
    kApiKey,  // `api_key`
  };
  Action action = Action::kRun;
  Config config;
  std::string text;
  std::string probe_url;
  DurationNs probe_timeout = 10 * kSecond;
  ApiKeyOrder api_key;
};

// `arguments` without the program's name. Reads the file of --config. The configuration has been
// checked. Errors: kInvalidArgument, one line for stderr; exit with 2.
Result<Invocation> ParseCommandLine(const std::vector<std::string>& arguments,
                                    const EnvironmentLookup& lookup);

// The release, "0.1.0".
const char* DatabuildVersion();

}  // namespace databuild
