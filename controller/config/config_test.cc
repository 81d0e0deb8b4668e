#include "controller/config/config.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>

#include "controller/config/config_keys.h"

namespace databuild {
namespace {

// A configuration that CheckConfig accepts.
Config GoodConfig() {
  Config config;
  config.pod_namespace = "databuild-system";
  config.wrapper_image = "databuild:test";
  return config;
}

std::string Fault(const std::string& yaml) {
  Config config;
  Status read = ReadConfigYaml(yaml, "config.yaml", &config);
  return read.ok() ? "" : read.error().message;
}

TEST(Config, EveryKeyOfTheFileReachesItsField) {
  Config config;
  Status read = ReadConfigYaml(
      "bel:\n  uriFile: /etc/databuild/bel/uri\n"
      "dataDir: /data\n"
      "watchNamespaces: [sales, \"finance\"]\n"
      "watchNodes: false\n"
      "kubernetes:\n  qps: 10\n  requestTimeout: 1m30s\n"
      "api:\n  listen: \"0.0.0.0:8080\"\n  audiences: []\n  tls: {certFile: a, keyFile: b}\n"
      "peers:\n- name: treasury\n  url: https://api.treasury:8080\n  graph: money\n"
      "  patterns: [\"rates/**\"]\n  tokenFile: /t\n"
      "limits:\n",
      "config.yaml", &config);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(config.bel_uri, "");
  EXPECT_EQ(config.bel_uri_file, "/etc/databuild/bel/uri");
  EXPECT_EQ(config.data_dir, "/data");
  EXPECT_EQ(config.watch_namespaces, (std::vector<std::string>{"sales", "finance"}));
  EXPECT_FALSE(config.watch_nodes);
  EXPECT_EQ(config.kube_qps, 10);
  EXPECT_EQ(config.kube_request_timeout, 90 * kSecond);
  EXPECT_EQ(config.api_listen, "0.0.0.0:8080");
  EXPECT_TRUE(config.api_audiences.empty());
  EXPECT_EQ(config.api_tls_key_file, "b");
  ASSERT_EQ(config.peers.size(), 1u);
  EXPECT_EQ(config.peers[0].url, "https://api.treasury:8080");
  EXPECT_EQ(config.peers[0].patterns, std::vector<std::string>{"rates/**"});
  EXPECT_EQ(config.peers[0].token_file, "/t");
  EXPECT_EQ(config.max_runs, 500);
}

TEST(Config, FaultsOfTheFileNameTheLine) {
  struct Case {
    const char* yaml;
    const char* line;
    const char* says;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"dataDirectory: /x\n", "config.yaml:1:", "dataDirectory is not known"},
           {"api:\n  listn: x\n", "config.yaml:2:", "api.listn is not known; known here: listen"},
           {"api:\n  tls:\n    cert: x\n", "config.yaml:3:", "certFile, keyFile"},
           {"api: x\n", "config.yaml:1:", "must be a map"},
           {"- a\n", "config.yaml:1:", "must be a map"},
           {"lease:\n  duration: 15\n", "config.yaml:2:", "units: h, m, s"},
           {"lease:\n  duration: 0s\n", "config.yaml:2:", "no time at all"},
           {"lease:\n  duration: -1s\n", "config.yaml:2:", "not a duration"},
           {"lease:\n  enabled: yes\n", "config.yaml:2:", "neither true nor false"},
           {"lease:\n  enabled: \"true\"\n", "config.yaml:2:", "leave out the quotes"},
           {"limits:\n  runs: many\n", "config.yaml:2:", "whole number"},
           {"limits:\n  runs: 1.5\n", "config.yaml:2:", "whole number"},
           {"limits:\n  runs: -1\n", "config.yaml:2:", "from 0"},
           {"limits:\n  runs: \"5\"\n", "config.yaml:2:", "leave out the quotes"},
           {"limits:\n  runs: [5]\n", "config.yaml:2:", "one value"},
           {"limits:\n  runs:\n", "config.yaml:2:", "one value"},
           {"clusterId:\n", "config.yaml:1:", "one value"},
           {"peers: x\n", "config.yaml:1:", "list of maps"},
           {"peers: [x]\n", "config.yaml:1:", "list of maps"},
           {"peers:\n- nam: x\n", "config.yaml:2:", "nam is not known; known here: name, url"},
           {"watchNamespaces: sales\n", "config.yaml:1:", "a list"},
           {"watchNamespaces:\n- [a]\n", "config.yaml:2:", "list of texts"},
           {"dataDir: /a\ndataDir: /b\n", "config.yaml:2:", "already in line 1"}}) {
    std::string fault = Fault(c.yaml);
    EXPECT_TRUE(fault.starts_with(c.line)) << c.yaml << fault;
    EXPECT_NE(fault.find(c.says), std::string::npos) << c.yaml << fault;
  }
}

TEST(Config, CheckFindsFieldsThatDoNotFit) {
  ASSERT_TRUE(CheckConfig(GoodConfig()).ok());
  struct Case {
    const char* key;
    const char* value;
    const char* says;
  };
  for (const Case& c :
       std::initializer_list<Case>{{"bel.uri", "", "exactly one"},
                                   {"watchNamespaces", "sales,Sales", "watchNamespaces[1]"},
                                   {"watchNamespaces", "sales,sales", "twice"},
                                   {"watchNamespaces", "databuild-system", "never a graph"},
                                   {"lease.name", "", "lease.name"},
                                   {"lease.renewDeadline", "15s", "shorter than lease.duration"},
                                   {"lease.retryPeriod", "10s", "shorter than lease.renewDeadline"},
                                   {"api.listen", "8080", "HOST:PORT"},
                                   {"api.listen", "a:b:1", "HOST:PORT"},
                                   {"api.listen", "a:65536", "HOST:PORT"},
                                   {"metrics.listen", "x", "metrics.listen"},
                                   {"api.auth", "basic", "kubernetes, none"},
                                   {"api.audiences", "", "api.audiences"},
                                   {"api.tls.certFile", "x", "both certFile and keyFile"},
                                   {"log.level", "loud", "debug, info, warn, error"},
                                   {"jobs.wrapperImage", "", "jobs.wrapperImage"},
                                   {"jobs.wrapperImagePullPolicy", "Often", "IfNotPresent"},
                                   {"bel.retention.maxEvents", "9999", "at least 10000"},
                                   {"bel.retention.maxAge", "59m", "at least 1h"},
                                   {"dataDir", "", "dataDir"}}) {
    Config config = GoodConfig();
    ASSERT_TRUE(SetConfigKey(c.key, c.value, &config).ok()) << c.key;
    Status checked = CheckConfig(config);
    ASSERT_FALSE(checked.ok()) << c.key << "=" << c.value;
    EXPECT_NE(checked.error().message.find(c.says), std::string::npos) << checked.error().message;
  }
  Config config = GoodConfig();
  ASSERT_TRUE(SetConfigKey("bel.retention.maxAge", "720h", &config).ok());
  ASSERT_TRUE(SetConfigKey("bel.retention.maxEvents", "5000000", &config).ok());
  EXPECT_TRUE(CheckConfig(config).ok());
  config.bel_verify = false;
  const Status without = CheckConfig(config);
  ASSERT_FALSE(without.ok());
  EXPECT_NE(without.error().message.find("needs bel.verify: true"), std::string::npos);
  config.bel_verify = true;
  config.bel_hot_events = 0;
  EXPECT_FALSE(CheckConfig(config).ok());
  config = GoodConfig();
  config.pod_namespace = "";
  EXPECT_FALSE(CheckConfig(config).ok());
  config.lease_enabled = false;
  EXPECT_TRUE(CheckConfig(config).ok());
}

TEST(Config, APeerThatCannotBeUsedIsNamed) {
  const PeerConfig good{"treasury", "https://api.treasury", "money", {"rates/**"}, "", ""};
  struct Case {
    std::function<void(std::vector<PeerConfig>&)> spoil;
    const char* says;
  };
  for (const Case& c : std::initializer_list<Case>{
           {[](auto& peers) { peers[0].name = ""; }, "peers[0].name: it is missing"},
           {[](auto& peers) { peers.push_back(peers[0]); }, "stands there twice"},
           {[](auto& peers) { peers[0].url = "treasury"; }, "neither http:// nor https://"},
           {[](auto& peers) { peers[0].graph = ""; }, "peers[0].graph"},
           {[](auto& peers) { peers[0].patterns = {}; }, "name at least one"}}) {
    Config config = GoodConfig();
    config.peers = {good};
    ASSERT_TRUE(CheckConfig(config).ok());
    c.spoil(config.peers);
    const Status checked = CheckConfig(config);
    ASSERT_FALSE(checked.ok()) << c.says;
    EXPECT_NE(checked.error().message.find(c.says), std::string::npos) << checked.error().message;
  }
  Config config = GoodConfig();
  EXPECT_FALSE(SetConfigKey("peers", "x", &config).ok());
}

TEST(Config, WithoutAuthenticationItListensOnLoopbackOnly) {
  Config config = GoodConfig();
  config.api_auth = "none";
  for (const char* loopback : {"127.0.0.1:8080", "[::1]:8080", "localhost:8080", "127.1.2.3:1"}) {
    config.api_listen = loopback;
    EXPECT_TRUE(CheckConfig(config).ok()) << loopback;
  }
  for (const char* open : {"0.0.0.0:8080", ":8080", "[::]:8080", "10.0.0.1:8080", "host:8080"}) {
    config.api_listen = open;
    EXPECT_FALSE(CheckConfig(config).ok()) << open;
  }
}

TEST(Config, PrintedItReadsBackToTheSame) {
  Config config = GoodConfig();
  config.watch_namespaces = {"sales", "finance"};
  config.kube_request_timeout = 1'500 * kMillisecond;
  config.api_tls_cert_file = "a \"quoted\\ name";
  config.peers = {{"one", "https://one", "g", {"a/**", "b"}, "/t", "/c"},
                  {"two", "http://two", "h", {"c"}, "", ""}};
  std::string printed = PrintConfig(config);
  Config read = GoodConfig();
  Status status = ReadConfigYaml(printed, "printed", &read);
  ASSERT_TRUE(status.ok()) << status.error().message << "\n" << printed;
  EXPECT_EQ(PrintConfig(read), printed);
  EXPECT_EQ(read.watch_namespaces, config.watch_namespaces);
  EXPECT_EQ(read.peers, config.peers);
  EXPECT_EQ(read.api_tls_cert_file, config.api_tls_cert_file);
  for (const ConfigKey& key : ConfigKeys(&config)) {
    std::string name = key.path.substr(key.path.rfind('.') + 1);
    bool unset = key.path == "bel.uriFile";
    EXPECT_EQ(printed.find(name + ": ") == std::string::npos, unset) << key.path;
  }
}

TEST(Config, PasswordsAreNeverPrinted) {
  struct Case {
    const char* uri;
    const char* shown;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"postgres://me:s3cret@db:5432/bel", "postgres://me:xxxxx@db:5432/bel"},
           {"postgres://me:s3@cr:et@db/bel", "postgres://me:xxxxx@db/bel"},
           {"postgres://me@db:5432/bel", "postgres://me@db:5432/bel"},
           {"postgres://db:5432/bel", "postgres://db:5432/bel"},
           {"postgres://db/bel?user=me&password=s3cret&sslmode=require",
            "postgres://db/bel?user=me&password=xxxxx&sslmode=require"},
           {"postgres://db/bel?sslpassword=s3cret", "postgres://db/bel?sslpassword=xxxxx"},
           {"sqlite:///var/lib/bel.db", "sqlite:///var/lib/bel.db"},
           {"memory", "memory"}}) {
    EXPECT_EQ(WithoutPassword(c.uri), c.shown);
    Config config;
    config.bel_uri = c.uri;
    EXPECT_EQ(PrintConfig(config).find("s3"), std::string::npos);
  }
}

TEST(Config, TheUriOfTheLogComesFromItsFile) {
  std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("bel-uri-" + std::to_string(getpid()));
  Config config;
  config.bel_uri = "";
  config.bel_uri_file = path;
  EXPECT_FALSE(BelUri(config).ok());
  std::ofstream(path) << "postgres://db/bel\n";
  EXPECT_EQ(BelUri(config).value(), "postgres://db/bel");
  std::ofstream(path) << "\n";
  EXPECT_FALSE(BelUri(config).ok());
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace databuild
