#include "controller/config/command_line.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>

namespace databuild {
namespace {

using Environment = std::map<std::string, std::string>;

Result<Invocation> Parse(const std::vector<std::string>& arguments,
                         const Environment& environment = {{"POD_NAMESPACE", "system"},
                                                           {"DATABUILD_IMAGE", "databuild:env"}}) {
  return ParseCommandLine(arguments, [&](const std::string& name) -> std::optional<std::string> {
    auto found = environment.find(name);
    if (found == environment.end()) return std::nullopt;
    return found->second;
  });
}

class ConfigFile {
 public:
  explicit ConfigFile(const std::string& yaml)
      : path_(std::filesystem::temp_directory_path() /
              ("databuild-config-" + std::to_string(getpid()) + ".yaml")) {
    std::ofstream(path_) << yaml;
  }
  ~ConfigFile() { std::filesystem::remove(path_); }
  std::string Flag() const { return "--config=" + path_.string(); }

 private:
  std::filesystem::path path_;
};

TEST(CommandLine, FlagsOverrideTheFileAndTheFileOverridesDefaults) {
  ConfigFile file("bel: {uriFile: /secret}\nlog: {level: warn}\njobs: {wrapperImage: \"w:1\"}\n");
  Result<Invocation> plain = Parse({file.Flag()});
  ASSERT_TRUE(plain.ok()) << plain.error().message;
  EXPECT_EQ(plain->action, Invocation::Action::kRun);
  EXPECT_EQ(plain->config.bel_uri_file, "/secret");
  EXPECT_EQ(plain->config.log_level, "warn");
  EXPECT_EQ(plain->config.wrapper_image, "w:1");
  EXPECT_EQ(plain->config.pod_namespace, "system");

  Result<Invocation> flags =
      Parse({file.Flag(), "--bel", "memory", "--log-level=debug", "--kubeconfig=/k", "--context=c",
             "--auth=none", "--wrapper-image=w:2", "--set", "limits.runs=7", "--set",
             "watchNamespaces=a,b"});
  ASSERT_TRUE(flags.ok()) << flags.error().message;
  EXPECT_EQ(flags->config.bel_uri, "memory");
  EXPECT_EQ(flags->config.bel_uri_file, "");
  EXPECT_EQ(flags->config.log_level, "debug");
  EXPECT_EQ(flags->config.kubeconfig, "/k");
  EXPECT_EQ(flags->config.kube_context, "c");
  EXPECT_EQ(flags->config.api_auth, "none");
  EXPECT_EQ(flags->config.wrapper_image, "w:2");
  EXPECT_EQ(flags->config.max_runs, 7);
  EXPECT_EQ(flags->config.watch_namespaces, (std::vector<std::string>{"a", "b"}));
}

TEST(CommandLine, TheImageOfThePodIsTheWrapperUnlessTheFileSaysOtherwise) {
  EXPECT_EQ(Parse({})->config.wrapper_image, "databuild:env");
  EXPECT_FALSE(Parse({}, {{"POD_NAMESPACE", "system"}}).ok());
}

TEST(CommandLine, PrintConfigShowsWhatResultsWithoutSecrets) {
  Result<Invocation> printed = Parse({"--bel=postgres://u:s3cret@db/x", "--print-config"}, {});
  ASSERT_TRUE(printed.ok()) << printed.error().message;
  EXPECT_EQ(printed->action, Invocation::Action::kPrint);
  EXPECT_NE(printed->text.find("u:xxxxx@db"), std::string::npos) << printed->text;
  EXPECT_EQ(printed->text.find("s3cret"), std::string::npos);
}

TEST(CommandLine, VersionHelpAndProbeNeedNoConfiguration) {
  EXPECT_EQ(Parse({"--version"}, {})->text, std::string("databuild ") + DatabuildVersion() + "\n");
  Result<Invocation> help = Parse({"--help"}, {});
  ASSERT_TRUE(help.ok());
  EXPECT_NE(help->text.find("--print-config"), std::string::npos) << help->text;
  Result<Invocation> probe = Parse({"probe", "--url=http://h:9090/readyz", "--timeout=3s"}, {});
  ASSERT_TRUE(probe.ok()) << probe.error().message;
  EXPECT_EQ(probe->action, Invocation::Action::kProbe);
  EXPECT_EQ(probe->probe_url, "http://h:9090/readyz");
  EXPECT_EQ(probe->probe_timeout, 3 * kSecond);
}

TEST(CommandLine, ApiKeysNeedNoConfigurationAndHaveDefaults) {
  Result<Invocation> create =
      Parse({"api-key", "create", "--name=ci", "--scopes=read,want-write", "--graphs=a,b"},
            {{"KUBECONFIG", "/k"}});
  ASSERT_TRUE(create.ok()) << create.error().message;
  EXPECT_EQ(create->action, Invocation::Action::kApiKey);
  const ApiKeyOrder& order = create->api_key;
  EXPECT_EQ(order.verb, ApiKeyOrder::Verb::kCreate);
  EXPECT_EQ(order.name, "ci");
  EXPECT_EQ(order.scopes, (std::vector<std::string>{"read", "want-write"}));
  EXPECT_EQ(order.graphs, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(order.lifetime, 90 * kDay);
  EXPECT_EQ(order.ns, "databuild-system");
  EXPECT_EQ(order.secret, "databuild-api-keys");
  EXPECT_EQ(order.kubeconfig, "/k");
  Result<Invocation> revoke =
      Parse({"api-key", "revoke", "--name=ci", "--namespace=n", "--secret=s", "--kubeconfig=f"},
            {{"KUBECONFIG", "/k"}});
  EXPECT_EQ(revoke->api_key.verb, ApiKeyOrder::Verb::kRevoke);
  EXPECT_EQ(revoke->api_key.ns, "n");
  EXPECT_EQ(revoke->api_key.kubeconfig, "f");
  EXPECT_EQ(Parse({"api-key", "list"}, {{"HOME", "/h"}})->api_key.kubeconfig, "/h/.kube/config");
  EXPECT_NE(Parse({"api-key", "create", "--help"}, {})->text.find("--scopes"), std::string::npos);
  for (const char* bad : {"0d", "3651d", "90", "-1d", "1y", "", "99999999999999999999d"}) {
    EXPECT_FALSE(Parse({"api-key", "create", "--name=a", "--scopes=read", "--graphs=a",
                        std::string("--expires=") + bad},
                       {})
                     .ok())
        << bad;
  }
  EXPECT_FALSE(Parse({"api-key"}, {}).ok());
  EXPECT_FALSE(Parse({"api-key", "create"}, {}).ok());
}

TEST(CommandLine, FaultsAreOneLineThatNamesThem) {
  ConfigFile file("log:\n  level: 5 loud\n  lvl: x\n");
  struct Case {
    std::vector<std::string> arguments;
    std::string says;
  };
  for (const Case& c :
       std::vector<Case>{{{"--unknown"}, "--unknown"},
                         {{"run"}, "run"},
                         {{"--config=/does/not/exist"}, "/does/not/exist"},
                         {{file.Flag()}, ":3: the key log.lvl"},
                         {{"--set", "limits.runs"}, "KEY=VALUE"},
                         {{"--set", "limits.run=1"}, "limits.run is not known"},
                         {{"--set", "limits.runs=x"}, "limits.runs"},
                         {{"--log-level=loud"}, "log.level"},
                         {{"--auth=none", "--set", "api.listen=0.0.0.0:1"}, "loopback"},
                         {{"probe"}, "--url"},
                         {{"probe", "--url=x", "--timeout=5"}, "duration"}}) {
    Result<Invocation> result = Parse(c.arguments);
    ASSERT_FALSE(result.ok()) << c.says;
    EXPECT_NE(result.error().message.find(c.says), std::string::npos) << result.error().message;
    EXPECT_EQ(result.error().message.find('\n'), std::string::npos);
  }
}

}  // namespace
}  // namespace databuild
